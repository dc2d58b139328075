"""What PID 1 believes about itself, with real kernels: the TEE that its measured command line names, and never what the host
shows it. `claimed_guest` is a host that names one TEE and offers simulated evidence, which any host can make; it writes the
launch secret of SEV and SEV-ES where it likes, as it may on hardware (SEV API, LAUNCH_SECRET)."""

import json
import struct
import subprocess
import uuid

import pytest
from conftest import LAUNCH_TIME_LIMIT_S, SOURCE
from demo import CLI

TABLE = "1e74f542-71dd-4d66-963e-ef4287ff173b"
PASSPHRASE = "736869e5-84f0-4973-92ec-06879ce3da0b"
WORKLOAD_DIGEST = "bf4d6b8c-9c0e-4a52-8d9f-64b2c1d0e7a3"
PLACE = 128  # behind the header of a cpio entry with the name "bartizan.secret" (newc, GNU cpio's manual)
IMAGE = "exit7"
EXIT_CODE, GUEST_FAILURE = 0, 2  # ExitKind


def entry(guid, content):
    return uuid.UUID(guid).bytes_le + struct.pack("<I", 20 + len(content)) + content


def inspected(image):
    return json.loads(subprocess.run([CLI, "inspect", image, "--json"], check=True, capture_output=True).stdout)


def secret(work, digest=None):
    key = (work / f"{IMAGE}.key").read_bytes().removesuffix(b"\n")
    meant = digest or bytes.fromhex(inspected(work / IMAGE)["workload_digest"])
    table = entry(TABLE, entry(WORKLOAD_DIGEST, meant) + entry(PASSPHRASE, key))
    return table.ljust((len(table) + 15) // 16 * 16, b"\0")  # the firmware writes multiples of 16 bytes


@pytest.fixture
def claim(work, tmp_path):
    def claim(tee, content=b"", places=()):
        image = inspected(work / IMAGE)
        manifest = tmp_path / "manifest"
        manifest.write_bytes(image["manifest"].encode())
        (tmp_path / "secret").write_bytes(content)
        command = [SOURCE / "build/dev/tests/e2e/claimed_guest", work / "bundle", tee, image["disk_path"], image["disk_offset"],
                   image["disk_bytes"], manifest, tmp_path / "secret", *places]
        ended = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=LAUNCH_TIME_LIMIT_S)
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout) | {"log": ended.stderr}

    return claim


def failed_at(ended, stage, *words):
    assert (ended["kind"], ended["stage"]) == (GUEST_FAILURE, stage), ended
    assert all(word in ended["detail"] for word in words), ended


def test_launch_secret_opens_the_disk(work, claim):
    ended = claim("sev", secret(work), [PLACE])
    assert (ended["kind"], ended["code"]) == (EXIT_CODE, 7), ended


def test_launch_secret_elsewhere_in_its_page(work, claim):
    """48 bytes earlier: the table's bytes make the cpio header's name size 0, and Linux passes over the entry without an
    error. (Other places: tests/checks/boot_stub.)"""
    failed_at(claim("sev", secret(work), [PLACE - 48]), "launch", "launch secret is not in its place")


@pytest.mark.parametrize("tee, digest, places, words", [
    ("sev", bytes(range(32)), [PLACE], ["launch_secret"]),
    ("sev-es", None, [], ["launch_secret", "no owner judged this launch"]),
    ("sev", None, [PLACE, PLACE + 512], ["something follows the table"]),
], ids=["for another manifest", "absent", "twice"])
def test_launch_secret_that_does_not_fit(work, claim, tee, digest, places, words):
    failed_at(claim(tee, secret(work, digest), places), "manifest", *words)


def test_simulated_evidence_is_not_believed_by_a_guest_measured_as_snp(claim):
    failed_at(claim("snp"), "manifest", "/dev/sev-guest")


def test_a_command_line_that_names_two_tees(claim):
    failed_at(claim("snp bartizan.tee=simulated"), "manifest", "must name the TEE")
