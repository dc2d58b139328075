"""A context up to the launch: the order of the verbs, and what it says when there is nothing to launch on."""

import bartizan
import pytest
from bartizan_fixtures import KEY


def test_start_wants_a_disk():
    with bartizan.Context() as context, pytest.raises(bartizan.InvalidState):
        context.start()


def test_wait_wants_a_start():
    with bartizan.Context() as context, pytest.raises(bartizan.InvalidState):
        context.wait(0)


def test_no_kvm_device_is_told_by_name(image, bundle):
    with bartizan.Context(kvm_device="/nonexistent/kvm", bundle=bundle) as context:
        context.set_tee("none")
        context.attach_image(image, passphrase=KEY)
        with pytest.raises(FileNotFoundError, match="/nonexistent/kvm"):
            context.start()


def test_disk_without_the_shortcut(image, bundle):
    info = bartizan.inspect_image(image)
    with bartizan.Context(kvm_device="/nonexistent/kvm", bundle=bundle) as context:
        context.attach_luks_disk(
            info.disk_path, info.manifest, offset=info.disk_offset, size=info.disk_bytes, passphrase=KEY
        )
        with pytest.raises(FileNotFoundError):
            context.start()


def test_newer_manifest_says_so(image):
    info = bartizan.inspect_image(image)
    newer = info.manifest.replace(b'"version":1', b'"version":2')
    assert newer != info.manifest
    with bartizan.Context() as context, pytest.raises(NotImplementedError, match="2"):
        context.attach_luks_disk(info.disk_path, newer, offset=info.disk_offset, size=info.disk_bytes)


def test_closed_context_is_an_invalid_state():
    context = bartizan.Context()
    context.close()
    context.close()
    with pytest.raises(RuntimeError):
        context.start()


def test_options_are_checked():
    with pytest.raises(ValueError):
        bartizan.Context(vcpus=0).set_tee("none")
    with pytest.raises(TypeError):
        bartizan.Context(vcpu=1)
