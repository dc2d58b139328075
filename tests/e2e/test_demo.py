"""scripts/demo --podman, whole: the demo by `bartizan run` is a step of scripts/test full of its own."""

import os
import shutil
import subprocess
import sys

import pytest
from conftest import SOURCE, soak


@soak
@pytest.mark.skipif(os.geteuid() != 0 or not all(map(shutil.which, ("podman", "crun", "umoci"))), reason="needs root, podman, crun and umoci")
def test_demo_by_podman(tmp_path):
    demo = subprocess.run([sys.executable, SOURCE / "scripts/demo.d/demo.py", "--podman", "--work", tmp_path / "demo"],
                          stdout=subprocess.PIPE, text=True, timeout=1200)
    lines = demo.stdout.strip().splitlines()
    assert demo.returncode == 0 and len(lines) == 8, demo.stdout
    assert all(line.startswith("ok ") for line in lines), demo.stdout
