import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

SOURCE = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("BARTIZAN_BUILD", SOURCE / "build/dev"))


@pytest.fixture(scope="session")
def stub_folder():
    folder = BUILD / "src/guest/stub"
    if not (folder / "boot_stub.bin").exists():
        pytest.skip("the boot stub is not built")
    return folder


@pytest.fixture(scope="session")
def stub(stub_folder):
    return (stub_folder / "boot_stub.bin").read_bytes()
