"""Build, inspect, verify, from Python; progress callbacks."""

import hashlib
import json

import bartizan
import pytest
from bartizan_fixtures import KEY


def test_report_and_inspection_agree(report, image):
    info = bartizan.inspect_image(image)
    assert report.workload_digest == hashlib.sha256(report.manifest).digest() == info.workload_digest
    assert info.manifest == report.manifest
    assert report.workload_id == info.workload_id == "tiny"
    assert report.resource == info.resource == "default/disk-key/tiny"
    assert report.disk_key == KEY
    assert info.cipher == "aes-xts-plain64"
    assert json.loads(info.manifest)["workload_id"] == "tiny"
    assert report.to_dict()["workload_digest"] == report.workload_digest.hex()
    assert "disk_key" not in report.to_dict()


def test_secret_of_the_layer_is_not_on_the_disk(image):
    info = bartizan.inspect_image(image)
    assert b"quick brown secret" not in info.disk_path.read_bytes()


def test_fresh_key_is_256_random_bits_in_hexadecimal(layout, tmp_path):
    keys = {bartizan.build_image(layout, tmp_path / name).disk_key for name in ("a", "b")}
    assert len(keys) == 2
    assert all(len(bytes.fromhex(key.decode())) == 32 for key in keys)


def test_key_is_tried_without_a_look_at_the_rest(image):
    bartizan.check_disk_key(image, KEY)
    with pytest.raises(bartizan.VerificationFailed) as caught:
        bartizan.check_disk_key(image, b"another disk key")
    assert caught.value.reason == "disk_key"


def test_verify_accepts_the_key_and_refuses_another(image):
    bartizan.verify_image(image)
    bartizan.verify_image(image, KEY)
    with pytest.raises(bartizan.VerificationFailed) as caught:
        bartizan.verify_image(image, b"another disk key")
    assert caught.value.reason == "disk_key"
    assert KEY.decode() not in str(caught.value)


def test_unpacked_image_is_the_same_workload(unpacked, report):
    assert bartizan.inspect_image(unpacked).workload_digest == report.workload_digest
    bartizan.verify_image(unpacked, KEY)


def test_progress_is_told(layout, tmp_path):
    seen = []
    bartizan.build_image(layout, tmp_path / "out", progress=lambda *step: seen.append(step))
    assert seen
    assert all(isinstance(stage, str) and done >= 0 and total >= 0 for stage, done, total in seen)


def test_false_from_progress_cancels_and_leaves_nothing(layout, tmp_path):
    with pytest.raises(bartizan.Cancelled):
        bartizan.build_image(layout, tmp_path / "out", progress=lambda *step: False)
    assert list(tmp_path.iterdir()) == []


def test_exception_in_progress_comes_out_as_it_was(layout, tmp_path):
    def raises(*step):
        raise LookupError("from the callback")

    with pytest.raises(LookupError, match="from the callback"):
        bartizan.build_image(layout, tmp_path / "out", progress=raises)
    assert list(tmp_path.iterdir()) == []


def test_output_that_exists_is_kept(layout, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/precious").write_text("keep")
    with pytest.raises(FileExistsError):
        bartizan.build_image(layout, tmp_path / "out")
    assert (tmp_path / "out/precious").read_text() == "keep"


def test_reproducible_builds_are_the_same_and_diff_says_so(layout, image, tmp_path):
    key = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"
    for name in ("a", "b"):
        bartizan.build_image(layout, tmp_path / name, disk_key=key, reproducible=True)
    assert bartizan.diff_images(tmp_path / "a", tmp_path / "b") == []
    differences = {each.what: each for each in bartizan.diff_images(tmp_path / "a", image)}
    assert differences["manifest/workload_id"].b == "tiny"
    assert "disk/data" in differences
    with pytest.raises(bartizan.InvalidArgument):
        bartizan.build_image(layout, tmp_path / "c", reproducible=True)
