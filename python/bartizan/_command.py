"""The `bartizan` command of an installed package: becomes the program that lies beside this file."""

import os
import pathlib
import sys


def main() -> None:
    program = pathlib.Path(__file__).parent / "bartizan-cli"
    os.execv(program, ["bartizan", *sys.argv[1:]])
