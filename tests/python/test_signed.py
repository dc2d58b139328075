"""Workloads by their owner's key: what `build --sign-with` writes, held against openssl, and statements that openssl signs."""

import base64
import json
import subprocess

import bartizan
import pytest
from bartizan_fixtures import KEY


def openssl(*arguments, data=b""):
    return subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True, check=True).stdout


def unurl(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def owner(folder):
    key, public = folder / "owner.key", folder / "owner.pem"
    openssl("genpkey", "-algorithm", "ed25519", "-out", key)
    openssl("pkey", "-in", key, "-pubout", "-out", public)
    return key, public


@pytest.fixture
def keys(tmp_path):
    return owner(tmp_path)


def build(layout, output, keys, **options):
    return bartizan.build_image(layout, output, workload_id="tiny", disk_key=KEY, signing_key=keys[0].read_bytes(), **options)


def test_openssl_agrees(layout, keys, tmp_path):
    report = build(layout, tmp_path / "image", keys, version=5)
    info = bartizan.inspect_image(tmp_path / "image")
    assert info.version == 5
    header, payload, signature = info.statement.split(".")
    assert json.loads(unurl(header)) == {"alg": "EdDSA", "typ": "bartizan-workload+jws"}
    assert json.loads(unurl(payload)) == {"workload": "tiny", "version": 5, "workload_digest": report.workload_digest.hex()}
    (tmp_path / "signature").write_bytes(unurl(signature))
    (tmp_path / "signed").write_text(f"{header}.{payload}")
    assert b"Successfully" in openssl("pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", keys[1], "-in", tmp_path / "signed",
                                      "-sigfile", tmp_path / "signature")
    assert bartizan.inspect_image(tmp_path / "image").workload_digest == report.workload_digest
    bartizan.verify_image(tmp_path / "image", disk_key=KEY)


def test_images_without_a_key_carry_nothing(image):
    info = bartizan.inspect_image(image)
    assert (info.statement, info.version) == ("", 0)


@pytest.mark.parametrize("options", [{"version": 0}, {"version": 2**53}])
def test_versions_that_are_none(layout, keys, tmp_path, options):
    with pytest.raises(bartizan.InvalidArgument, match="version"):
        build(layout, tmp_path / "image", keys, **options)
    assert not (tmp_path / "image").exists()


def test_reproducible_wants_signatures_that_repeat(layout, tmp_path):
    key = tmp_path / "ec.key"
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
    with pytest.raises(bartizan.InvalidArgument, match="Ed25519"):
        bartizan.build_image(layout, tmp_path / "image", workload_id="tiny", disk_key=bytes(range(64)), reproducible=True,
                             signing_key=key.read_bytes(), version=1)
    encrypted = openssl("genpkey", "-algorithm", "ed25519", "-aes256", "-pass", "pass:x")
    with pytest.raises(bartizan.InvalidArgument, match="PEM"):
        bartizan.build_image(layout, tmp_path / "image", workload_id="tiny", disk_key=KEY, signing_key=encrypted, version=1)


def test_registration_by_the_owners_key(layout, keys, tmp_path):
    build(layout, tmp_path / "image", keys, version=5)
    with bartizan.Broker(tmp_path / "broker", port=0) as broker:
        access = {"url": broker.url, "ca_pem": broker.ca_pem, "admin_token": broker.admin_token_path.read_bytes().strip()}
        bartizan.register_workload(**access, id="tiny", measurements=[bytes(48)], disk_key=KEY, allow_simulated=True,
                                   signer=keys[1].read_text(), minimum_version=4)
        shown = bartizan.show_workload(**access, workload_id="tiny")
        assert shown["signer"] == keys[1].read_text() and shown["minimum_version"] == 4 and shown["workload_digest"] is None
        with pytest.raises(bartizan.InvalidArgument, match="signer"):
            bartizan.register_workload(**access, id="sev", measurements=[bytes(32)], disk_key=KEY, tee="sev", signer=keys[1].read_text())
