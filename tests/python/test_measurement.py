"""Measurements and bundles: what is measured changes with what is launched, and with nothing else."""

import hashlib

import bartizan
import pytest


def test_bundle_is_what_it_says(bundle):
    info = bartizan.read_bundle(bundle)
    assert info.kernel_sha256 == hashlib.sha256((bundle / "kernel").read_bytes()).hexdigest()
    assert info.initrd_sha256 == hashlib.sha256((bundle / "initrd").read_bytes()).hexdigest()
    assert info.initrd_bytes == (bundle / "initrd").stat().st_size
    assert "cloud" in info.kernel_release


def test_measurement_repeats(bundle):
    one, two = (bartizan.measure(bundle=bundle) for _ in range(2))
    assert one.digest == two.digest
    assert len(one.digest) == 48
    assert sum(page.count for page in one.pages) == one.page_count
    assert one.to_dict()["digest"] == one.digest.hex()


@pytest.mark.parametrize("change", [{"vcpus": 2}, {"ram_mib": 1024}, {"extra_command_line": "mitigations=off"}])
def test_measurement_depends_on(bundle, change):
    assert bartizan.measure(bundle=bundle, **change).digest != bartizan.measure(bundle=bundle).digest


def test_tee_by_name_or_by_value(bundle):
    assert bartizan.measure(bundle=bundle, tee="simulated").digest == bartizan.measure(bundle=bundle, tee=bartizan.Tee.simulated).digest
    assert bartizan.measure(bundle=bundle, tee="none").digest == b""


def test_changed_kernel_is_noticed(bundle, tmp_path):
    for name in ("bundle.json", "initrd"):
        (tmp_path / name).write_bytes((bundle / name).read_bytes())
    kernel = bytearray((bundle / "kernel").read_bytes())
    kernel[-1] ^= 1
    (tmp_path / "kernel").write_bytes(kernel)
    with pytest.raises(bartizan.Error) as caught:
        bartizan.read_bundle(tmp_path)
    assert caught.value.code in ("corrupt", "verification_failed")


def test_probe_never_fails_for_what_is_missing():
    host = bartizan.probe(kvm_device="/nonexistent")
    assert not host.kvm_usable
    assert "/nonexistent" in host.kvm_missing
    assert host.kvm_advice
    assert [tee.tee for tee in host.tees] == list(bartizan.Tee.__members__.values())
    assert not any(tee.available for tee in host.tees)
