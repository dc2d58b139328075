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
        context.attach_image(image, disk_key=KEY)
        with pytest.raises(FileNotFoundError, match="/nonexistent/kvm"):
            context.start()


def test_disk_without_the_shortcut(image, bundle):
    info = bartizan.inspect_image(image)
    with bartizan.Context(kvm_device="/nonexistent/kvm", bundle=bundle) as context:
        context.attach_luks_disk(
            info.disk_path, info.manifest, offset=info.disk_offset, size=info.disk_bytes, disk_key=KEY
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
        bartizan.Context(vcpus=255).set_tee("none")
    with pytest.raises(ValueError, match="ram_mib 1:"):
        bartizan.Context(ram_mib=1)
    with pytest.raises(TypeError):
        bartizan.Context(vcpu=1)


def ask(owner):
    return bartizan.TeeOptions(owner=owner).ask_owner(bytes([1]) * 32, bytes([2]) * 16, bytes([3]) * 32, 0xF)


def test_owner_of_a_sev_launch_sees_the_measurement_and_may_answer_with_a_secret():
    seen = []

    def judge(measurement):
        seen.append((measurement.measure, measurement.nonce, measurement.digest, measurement.policy))
        return bartizan.SevSecret(bytes(52), bytes(16), 0x8010)

    secret = ask(judge)
    assert seen == [(bytes([1]) * 32, bytes([2]) * 16, bytes([3]) * 32, 0xF)]
    assert (len(secret.header), len(secret.ciphertext), secret.guest_address) == (52, 16, 0x8010)
    assert ask(lambda measurement: None) is None
    assert ask(None) is None


def test_what_the_owner_raises_ends_the_launch_and_comes_out():
    def refuse(measurement):
        raise PermissionError("not mine")

    with pytest.raises(PermissionError, match="not mine"):
        ask(refuse)
    with pytest.raises((TypeError, RuntimeError)):
        ask(lambda measurement: 7)


def test_huge_pages_have_names():
    with pytest.raises(ValueError, match="enormous"):
        bartizan.Context(huge_pages="enormous")
    bartizan.Context(huge_pages="transparent", tee_options=bartizan.TeeOptions(policy=0x30000)).close()


def test_published_port_needs_only_the_guests():
    port = bartizan.PublishedPort(guest_port=80)
    assert (port.host_address, port.host_port, port.guest_port) == ("127.0.0.1", 0, 80)
    assert bartizan.PublishedPort(8080, 443, "::1") == bartizan.PublishedPort(guest_port=443, host_port=8080, host_address="::1")


def test_size_is_the_images_unless_it_is_given(image, layout, folder):
    bartizan.build_image(layout, folder / "odd-size", workload_id="odd", ram_mib=192, vcpus=2, disk_key=KEY)
    with bartizan.Context() as context:
        assert context.memory_size == 512 << 20
        context.attach_image(folder / "odd-size")
        assert context.memory_size == 192 << 20
    with bartizan.Context(ram_mib=320) as context:
        context.attach_image(folder / "odd-size")
        assert context.memory_size == 320 << 20


def test_errors_name_the_machine_once(image):
    with bartizan.Context(name="beta") as context, pytest.raises(bartizan.InvalidState) as raised:
        context.start()
    assert str(raised.value).count('machine "beta"') == 1, raised.value


def test_numbers_of_enumerations_are_their_equals():
    assert bartizan.ExitKind.exit_code == 0 and bartizan.ExitKind.stopped == 6
    assert bartizan.ExitKind.exit_code != bartizan.ExitKind.signal and bartizan.ExitKind.exit_code != 1
    assert hash(bartizan.ExitKind.signal) == hash(1)
    assert {bartizan.Tee.snp: "snp"}[int(bartizan.Tee.snp)] == "snp"
