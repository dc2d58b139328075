"""The files of the source tree, for the checks."""

import pathlib
import subprocess

SOURCE = pathlib.Path(__file__).resolve().parents[2]


def tracked(*suffixes, under="."):
    """The files of the repository, in the folder `under`, whose names end in one of `suffixes`."""
    names = subprocess.run(["git", "ls-files", "-z", under], cwd=SOURCE, capture_output=True, text=True, check=True)
    return [SOURCE / name for name in names.stdout.split("\0") if name and name.endswith(suffixes)]
