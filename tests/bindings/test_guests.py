"""Whole machines through C++, C and Python on libfake_kvm.so (tests/fakes/kvm_preload.cpp): how they are ended."""

import os
import pathlib
import subprocess
import sys

import bartizan
import pytest
from bartizan_fixtures import BUILD, KEY, certificate

HERE = pathlib.Path(__file__).parent
DRIVERS = {
    "c++": [BUILD / "tests/bindings/bindings_guests_cpp"],
    "c": [BUILD / "tests/bindings/bindings_guests_c"],
    "python": [sys.executable, HERE / "guests.py"],
}
TIME_LIMIT_S = 60
ENDS_BY_ITSELF = {"FAKE_KVM_EXIT": "1500:7"}
# case -> (environment, what every interface says)
CASES = {
    "close": ({}, "stopped by request at stage launch, within a second\n"),
    "fork": (ENDS_BY_ITSELF, "child 0, guest exited with status 7\n"),
    "stop-before": ({}, "cancelled\ninvalid_state\n"),
    "size": ({}, f"{256 << 20}\n{512 << 20}\n"),
}
# Of one interface alone.
MORE = {
    ("c++", "stop-during"): ({}, "stopped by request at stage launch\n"),
    ("python", "exit"): ({}, "running\n"),
    ("python", "await"): (ENDS_BY_ITSELF, "cancelled after a while, 1 thread more or less: False\nexited with status 7\nexited with status 7\n"),
    ("python", "await-close"): ({}, "stopped by request at stage launch\n"),
    ("python", "await-unstarted"): ({}, "InvalidState\n"),
}


@pytest.fixture(scope="session")
def small_image(folder, layout):
    """An image whose size is not the default."""
    bartizan.build_image(layout, folder / "small", workload_id="small", ram_mib=256, disk_key=KEY,
                         broker_url="https://10.0.2.2:8443", broker_ca_pem=certificate(folder / "small-broker"))
    return folder / "small"


def run(interface, case, more, image, bundle, key_file):
    environment = {**os.environ, "LD_PRELOAD": str(BUILD / "tests/fakes/libfake_kvm.so"), **more}
    command = [*DRIVERS[interface], case, image, bundle, key_file]
    return subprocess.run(list(map(str, command)), env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=TIME_LIMIT_S)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("interface", DRIVERS)
def test_guest_can_be_ended(interface, case, small_image, bundle, key_file):
    more, expected = CASES[case]
    done = run(interface, case, more, small_image, bundle, key_file)
    assert (done.stdout, done.returncode) == (expected, 0), done


@pytest.mark.parametrize("interface, case", MORE)
def test_what_one_interface_has(interface, case, small_image, bundle, key_file):
    more, expected = MORE[interface, case]
    done = run(interface, case, more, small_image, bundle, key_file)
    assert (done.stdout, done.returncode, done.stderr) == (expected, 0, ""), done
