"""Stock Debian kernels through the boot stub, and what the stub says to a host that changes what was measured."""

import json
import subprocess

import pytest
from conftest import LAUNCH_TIME_LIMIT_S, SOURCE, soak
from test_launch import MAX_EXITS_TO_PID1, MAX_EXITS_TO_PID1_SIMULATED

LIMITS = {"none": MAX_EXITS_TO_PID1, "simulated": MAX_EXITS_TO_PID1_SIMULATED}
GUEST_FAILURE = 2
# What is changed, and what the host is told.
TAMPERED = {
    "kernel": "kernel is not what was measured",
    "initrd": "initrd is not what was measured",
    "command_line": "command line is not what was measured",
    "boot_params": "boot parameters are not what was measured",
    "acpi": "ACPI tables are not what was measured",
}


@pytest.fixture
def stub_guest(facts):
    def stub_guest(release, tee, changed="nothing", vcpus=1):
        command = [SOURCE / "build/dev/tests/e2e/stub_guest", facts["bundles"][release], tee, vcpus, changed]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=LAUNCH_TIME_LIMIT_S)
        assert done.returncode == 0, done
        return json.loads(done.stdout)

    return stub_guest


@pytest.mark.parametrize("tee", LIMITS)
@pytest.mark.parametrize("series", ["6.1", "6.12"])
def test_stock_kernel_reaches_pid1(facts, stub_guest, series, tee):
    releases = [release for release in facts["bundles"] if release.startswith(series + ".")]
    if not releases:
        pytest.skip(f"no /boot/vmlinuz-{series}.*-cloud-amd64")
    ended = stub_guest(releases[-1], tee)
    # The manifest is none, so PID 1 gives up there: by then the kernel is long up.
    assert ended["kind"] == GUEST_FAILURE and ended["stage"] == "manifest", ended
    assert 0 < ended["exits_to_pid1"] <= LIMITS[tee], ended
    assert ended["private_page_refusals"] == 0


@pytest.mark.parametrize("tee", LIMITS)
@pytest.mark.parametrize("changed", TAMPERED)
def test_changed_byte_stops_the_boot(facts, stub_guest, changed, tee):
    ended = stub_guest(sorted(facts["bundles"])[-1], tee, changed)
    assert ended["text"] == f"guest failed at stage launch: boot stub: {TAMPERED[changed]}"
    assert ended["kind"] == GUEST_FAILURE
    assert ended["exits_to_pid1"] == 0


@pytest.mark.parametrize("tee", [pytest.param("none", marks=soak), "simulated"])
def test_two_vcpus(launch, tee):
    ended = launch("cpus", "--vcpus", "2", tee=tee)
    assert ended.status == 0, ended
    assert "cpus 2" in ended.said.splitlines(), ended
