"""The command that the installed package brings."""

import json
import pathlib
import subprocess
import sys

import bartizan

COMMAND = pathlib.Path(sys.prefix) / "bin/bartizan"


def test_package_brings_the_command():
    done = subprocess.run([COMMAND, "--version"], capture_output=True, text=True)
    assert done.returncode == 0 and bartizan.__version__ in done.stdout, done
    assert subprocess.run([COMMAND, "frobnicate"], capture_output=True).returncode == 2


def test_command_finds_the_init_of_its_package():
    done = subprocess.run([COMMAND, "doctor", "--json", "--kvm-device", "/nonexistent/kvm"], capture_output=True, text=True)
    sources = next(check for check in json.loads(done.stdout)["checks"] if check["name"] == "kernel and init")
    assert sources["good"] or "kernel: no /boot" in sources["found"], sources
