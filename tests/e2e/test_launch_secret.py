"""The guest's half of SEV's pre-attestation, with real kernels: the secret as a file of an initramfs segment in front of the
initrd. On hardware the firmware writes it into the loaded page; here it is in the segment from the beginning, which GNU
cpio makes, and the machine has no TEE: to PID 1 that is the same file."""

import hashlib
import json
import shutil
import struct
import subprocess
import uuid

import pytest
from demo import CLI

TABLE = "1e74f542-71dd-4d66-963e-ef4287ff173b"
PASSPHRASE = "736869e5-84f0-4973-92ec-06879ce3da0b"
WORKLOAD_DIGEST = "bf4d6b8c-9c0e-4a52-8d9f-64b2c1d0e7a3"
FILE_BYTES = 3840


def entry(guid, content):
    return uuid.UUID(guid).bytes_le + struct.pack("<I", 20 + len(content)) + content


def digest_of(image):
    inspected = subprocess.run([CLI, "inspect", image, "--json"], check=True, capture_output=True)
    return bytes.fromhex(json.loads(inspected.stdout)["workload_digest"])


def secret(work, image, digest=None):
    key = (work / f"{image}.key").read_bytes().removesuffix(b"\n")
    return entry(TABLE, entry(WORKLOAD_DIGEST, digest or digest_of(work / image)) + entry(PASSPHRASE, key))


@pytest.fixture
def bundle_with(work, tmp_path):
    """The prepared bundle with a segment in front of its initrd."""

    def make(content):
        bundle = tmp_path / "bundle"
        shutil.copytree(work / "bundle", bundle)
        (tmp_path / "bartizan.secret").write_bytes(content.ljust(FILE_BYTES, b"\0"))
        segment = subprocess.run(["cpio", "--create", "--format=newc", "--quiet"], cwd=tmp_path, input=b"bartizan.secret\n",
                                 stdout=subprocess.PIPE, check=True).stdout
        initrd = segment + (bundle / "initrd").read_bytes()
        (bundle / "initrd").write_bytes(initrd)
        info = json.loads((bundle / "bundle.json").read_text())
        info["initrd_sha256"] = hashlib.sha256(initrd).hexdigest()
        (bundle / "bundle.json").write_text(json.dumps(info))
        return bundle

    return make


def test_launch_secret_opens_the_disk(work, launch, bundle_with):
    ended = launch("exit7", bundle=bundle_with(secret(work, "exit7")), tee="none", key=False)
    assert ended.status == 7, ended


@pytest.mark.parametrize("content, stage, words", [
    (lambda work: secret(work, "exit7", digest=bytes(range(32))), "manifest", ["launch_secret"]),
    (lambda work: b"", "evidence", ["no owner judged this launch"]),
], ids=["for another manifest", "none"])
def test_launch_secret_that_does_not_fit(work, launch, bundle_with, content, stage, words):
    ended = launch("exit7", bundle=bundle_with(content(work)), tee="none", key=False)
    assert ended.status == 125, ended
    assert (ended.exit["kind"], ended.exit["stage"]) == ("guest_failure", stage), ended
    assert all(word in ended.exit["detail"] for word in words), ended.exit
