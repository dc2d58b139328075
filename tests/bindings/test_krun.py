"""libkrun.so.1 and libkrun-sev.so.1: what they export and answer, and whole machines on libfake_kvm.so, started by a program
that does what crun does around them (crun_host.c)."""

import ctypes
import errno
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tarfile

import bartizan
import pytest
from bartizan_fixtures import BUILD, KEY, SOURCE, certificate
from krun_container import KrunContainer

LIBRARIES = BUILD / "bindings/krun"
HOST = BUILD / "tests/bindings/crun_host"
NAMES = ("libkrun.so.1", "libkrun-sev.so.1")
TIME_LIMIT_S = 60
NOT_SUPPORTED, INVALID, UNKNOWN, EXISTS = -errno.ENOTSUP, -errno.EINVAL, -errno.ENOENT, -errno.EEXIST

MAC = (ctypes.c_uint8 * 6)()
NONE = ctypes.c_char_p(None)
LIST = (ctypes.c_char_p * 2)(b"x", None)
EMPTY = (ctypes.c_char_p * 1)(None)
C = "ctx"  # stands for a context that there is
# Every function of libkrun 1.19's header: arguments, and what is answered.
ANSWERS = [
    ("krun_set_log_level", (1,), 0),
    ("krun_init_log", (-1, 1, 0, 0), 0),
    ("krun_init_log", (-2, 1, 0, 0), INVALID),
    ("krun_init_log", (0, 1, 0, 0), INVALID),
    ("krun_init_log", (-1, 1, 3, 0), INVALID),
    ("krun_init_log", (-1, 1, 0, 2), INVALID),
    ("krun_free_ctx", (99,), UNKNOWN),
    ("krun_start_enter", (99,), UNKNOWN),
    ("krun_start_enter", (C,), INVALID),  # no disk
    ("krun_get_shutdown_eventfd", (99,), UNKNOWN),
    ("krun_set_vm_config", (C, 16, 1024), 0),
    ("krun_set_vm_config", (C, 0, 1024), INVALID),
    ("krun_set_vm_config", (C, 1, 0), INVALID),
    ("krun_set_vm_config", (99, 1, 1024), UNKNOWN),
    ("krun_set_root_disk", (C, b"/disk.img"), 0),
    ("krun_set_root_disk", (C, NONE), INVALID),
    ("krun_set_root_disk", (99, b"/disk.img"), UNKNOWN),
    ("krun_set_data_disk", (C, b"/data"), NOT_SUPPORTED),
    ("krun_add_disk", (C, b"root", b"/disk.img", False), 0),
    ("krun_add_disk", (C, NONE, b"/disk.img", False), INVALID),
    ("krun_add_disk2", (C, b"root", b"/disk.img", 0, True), 0),
    ("krun_add_disk2", (C, b"root", b"/disk.img", 1, True), NOT_SUPPORTED),
    ("krun_add_disk2", (C, b"root", b"/disk.img", 3, True), INVALID),
    ("krun_add_disk3", (C, b"root", b"/disk.img", 0, True, False, 2), 0),
    ("krun_add_disk3", (C, b"root", b"/disk.img", 0, True, True, 2), NOT_SUPPORTED),
    ("krun_add_disk3", (C, b"root", b"/disk.img", 0, True, False, 3), INVALID),
    ("krun_set_tee_config_file", (C, b"/krun-sev.json"), 0),
    ("krun_set_tee_config_file", (99, b"/krun-sev.json"), UNKNOWN),
    ("krun_set_port_map", (C, None), 0),
    ("krun_set_port_map", (C, EMPTY), 0),
    ("krun_set_port_map", (C, (ctypes.c_char_p * 3)(b"8080:80", b"8443:443", None)), 0),
    *(("krun_set_port_map", (C, (ctypes.c_char_p * 3)(*wrong, None)), INVALID) for wrong in
      [(b"8080", b"1:1"), (b"65536:1", b"1:1"), (b"1:1:1", b"2:2"), (b"-1:1", b"2:2"), (b"1:1", b"1:2"), (b"1:1", b"2:1"), (b"", b"1:1")]),
    ("krun_set_port_map", (99, EMPTY), UNKNOWN),
    ("krun_add_vsock_port", (C, 5000, b"/run/x"), 0),
    ("krun_add_vsock_port", (99, 5000, b"/run/x"), UNKNOWN),
    ("krun_add_vsock_port2", (C, 5000, b"/nowhere/x", True), 0),
    ("krun_add_vsock_port2", (C, 5000, b"/dev/null", True), EXISTS),
    ("krun_add_vsock_port2", (C, 5000, NONE, True), INVALID),
    ("krun_setuid", (C, 1000), 0),
    ("krun_setgid", (C, 1000), 0),
    ("krun_setuid", (99, 1000), UNKNOWN),
    *(("krun_has_feature", (ctypes.c_uint64(number),), int(number in (1, 6, 7, 8))) for number in range(12)),
    ("krun_has_feature", (ctypes.c_uint64(12),), INVALID),
    ("krun_has_feature", (ctypes.c_uint64(1 << 40),), INVALID),
    ("krun_get_max_vcpus", (), None),  # of this host
    ("krun_check_nested_virt", (), 0),
    ("krun_set_exec", (C, b"/bin/x", LIST, None), 0),
    ("krun_set_exec", (C, NONE, LIST, None), INVALID),
    ("krun_set_env", (C, LIST), 0),
    ("krun_set_env", (99, LIST), UNKNOWN),
    ("krun_set_workdir", (C, b"/"), 0),
    ("krun_set_rlimits", (C, LIST), 0),
    ("krun_set_rlimits", (C, None), INVALID),
    ("krun_set_gpu_options", (C, 1), 0),
    ("krun_set_gpu_options2", (C, 1, ctypes.c_uint64(1 << 30)), 0),
    ("krun_set_gpu_options", (99, 1), UNKNOWN),
    ("krun_set_snd_device", (C, True), 0),
    ("krun_split_irqchip", (C, True), 0),
    ("krun_disable_implicit_init", (C,), 0),
    ("krun_set_root", (C, b"/"), NOT_SUPPORTED),
    ("krun_add_virtiofs", (C, b"x", b"/"), NOT_SUPPORTED),
    ("krun_add_virtiofs2", (C, b"/dev/root", b"/", ctypes.c_uint64(1 << 29)), NOT_SUPPORTED),
    ("krun_add_virtiofs3", (C, b"x", b"/", ctypes.c_uint64(0), True), NOT_SUPPORTED),
    ("krun_set_mapped_volumes", (C, LIST), INVALID),
    ("krun_fs_add_overlay_file", (C, b"x", b"y", b"z", ctypes.c_size_t(1), 0o644, False), NOT_SUPPORTED),
    ("krun_fs_add_overlay_dir", (C, b"x", b"y", 0o755), NOT_SUPPORTED),
    ("krun_set_root_disk_remount", (C, b"/dev/vda", b"ext4", NONE), NOT_SUPPORTED),
    ("krun_get_default_init", (ctypes.pointer(ctypes.c_void_p()), ctypes.pointer(ctypes.c_size_t())), NOT_SUPPORTED),
    ("krun_get_default_init", (None, None), INVALID),
    ("krun_set_kernel", (C, b"/boot/vmlinuz", 0, NONE, NONE), NOT_SUPPORTED),
    ("krun_set_firmware", (C, b"/ovmf"), NOT_SUPPORTED),
    ("krun_set_kernel_console", (C, b"hvc0"), NOT_SUPPORTED),
    ("krun_set_smbios_oem_strings", (C, LIST), NOT_SUPPORTED),
    ("krun_set_smbios_oem_strings", (C, EMPTY), 0),
    ("krun_set_smbios_oem_strings", (C, None), INVALID),
    ("krun_set_nested_virt", (C, True), NOT_SUPPORTED),
    ("krun_set_nested_virt", (C, False), 0),
    ("krun_add_net_unixstream", (C, NONE, 9, MAC, 0x4C83, 2), NOT_SUPPORTED),
    ("krun_add_net_unixgram", (C, b"/run/x", -1, MAC, 0, 1), NOT_SUPPORTED),
    ("krun_add_net_tap", (C, b"tap0", MAC, 0, 0), NOT_SUPPORTED),
    ("krun_set_passt_fd", (C, 9), NOT_SUPPORTED),
    ("krun_set_gvproxy_path", (C, b"/run/x"), NOT_SUPPORTED),
    ("krun_set_net_mac", (C, MAC), NOT_SUPPORTED),
    ("krun_add_vsock", (C, 0), EXISTS),
    ("krun_add_vsock", (C, 4), INVALID),
    ("krun_add_vsock", (99, 0), UNKNOWN),
    ("krun_disable_implicit_vsock", (C,), NOT_SUPPORTED),
    ("krun_set_console_output", (C, b"/tmp/x"), NOT_SUPPORTED),
    ("krun_disable_implicit_console", (C,), NOT_SUPPORTED),
    ("krun_add_virtio_console_default", (C, 0, 1, 2), NOT_SUPPORTED),
    ("krun_add_serial_console_default", (C, 0, 1), NOT_SUPPORTED),
    ("krun_add_virtio_console_multiport", (C,), NOT_SUPPORTED),
    ("krun_add_console_port_tty", (C, 0, b"x", 0), NOT_SUPPORTED),
    ("krun_add_console_port_inout", (C, 0, b"x", 0, 1), NOT_SUPPORTED),
    ("krun_add_display", (C, 640, 480), NOT_SUPPORTED),
    ("krun_display_set_edid", (C, 0, b"x", ctypes.c_size_t(1)), NOT_SUPPORTED),
    ("krun_display_set_dpi", (C, 0, 96), NOT_SUPPORTED),
    ("krun_display_set_physical_size", (C, 0, 300, 200), NOT_SUPPORTED),
    ("krun_display_set_refresh_rate", (C, 0, 60), NOT_SUPPORTED),
    ("krun_set_display_backend", (C, None, ctypes.c_size_t(0)), NOT_SUPPORTED),
    ("krun_add_input_device", (C, None, ctypes.c_size_t(0), None, ctypes.c_size_t(0)), NOT_SUPPORTED),
    ("krun_add_input_device_fd", (C, 9), NOT_SUPPORTED),
]
# Of 1.19's header, by name: kept here apart from ours, which must have them all.
FUNCTIONS = {name for name, *_ in ANSWERS} | {"krun_create_ctx"}


@pytest.fixture(params=NAMES)
def library(request):
    return ctypes.CDLL(LIBRARIES / request.param)


def test_every_function_of_the_header_and_nothing_else_is_exported():
    declared = set(re.findall(r"(krun_\w+)\(", (SOURCE / "bindings/krun/krun.h").read_text()))
    assert len(FUNCTIONS) == 67
    assert declared == FUNCTIONS
    for name in NAMES:
        exported = subprocess.run(["nm", "-D", "--defined-only", LIBRARIES / name], capture_output=True, text=True, check=True).stdout
        assert {line.split()[2] for line in exported.splitlines()} == FUNCTIONS, name
        dynamic = subprocess.run(["readelf", "-d", LIBRARIES / name], capture_output=True, text=True, check=True).stdout
        assert f"[{name}]" in re.search(r"SONAME.*", dynamic)[0], name


@pytest.mark.parametrize("name, arguments, answer", ANSWERS)
def test_answers(library, name, arguments, answer):
    context = library.krun_create_ctx()
    assert context >= 0
    got = getattr(library, name)(*(context if word is C else word for word in arguments))
    if name == "krun_get_max_vcpus":
        assert got == INVALID or 1 <= got <= 254
    else:
        assert got == answer
    assert library.krun_free_ctx(context) == (UNKNOWN if name == "krun_start_enter" and arguments == (C,) else 0)


def test_contexts_have_numbers_of_their_own_and_one_disk(library):
    first, second = library.krun_create_ctx(), library.krun_create_ctx()
    assert first != second
    assert library.krun_set_root_disk(first, b"/disk.img") == 0
    assert library.krun_add_disk(first, b"more", b"/other.img", True) == NOT_SUPPORTED
    assert library.krun_set_root_disk(second, b"/disk.img") == 0
    fd = library.krun_get_shutdown_eventfd(first)
    assert fd >= 0 and library.krun_get_shutdown_eventfd(first) == fd
    assert library.krun_free_ctx(first) == 0
    with pytest.raises(OSError):
        os.fstat(fd)
    assert library.krun_free_ctx(first) == UNKNOWN
    assert library.krun_free_ctx(second) == 0


def test_refusals_say_what_to_do(library):
    """To the descriptor of krun_init_log, from its level on."""
    read, write = os.pipe()
    assert library.krun_init_log(write, 1, 2, 1) == 0
    library.krun_set_root(0, b"/")
    library.krun_add_net_unixstream(0, None, 9, MAC, 0, 0)
    library.krun_set_log_level(0)
    library.krun_set_root(0, b"/")
    assert library.krun_init_log(-1, 1, 0, 0) == 0  # closes the pipe
    with open(read) as lines:
        said = lines.read().splitlines()
    assert len(said) == 2, said
    assert said[0].startswith("bartizan: krun_set_root: ") and "`podman run --runtime crun`" in said[0]
    assert said[1].startswith("bartizan: krun_add_net_unixstream: ") and "krun.use_passt" in said[1]


# ---- in a container


@pytest.fixture(scope="session")
def krun_image(folder, layout):
    """An image without a broker: its key comes from a secret of the engine."""
    bartizan.build_image(layout, folder / "krun", workload_id="krun", ram_mib=256, disk_key=KEY)
    return unpack(folder / "krun", folder / "krun-root")


def unpack(image, root):
    with tarfile.open(bartizan.inspect_image(image).disk_path) as layer:
        layer.extractall(root)
    return root


@pytest.fixture
def settings(tmp_path, bundle):
    path = tmp_path / "runtime.json"
    path.write_text(json.dumps({"bundle": str(bundle), "annotations": ["tee", "log", "key-file", "bundle"]}))
    return path


@pytest.fixture
def make(krun_image, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root: namespaces, pivot_root, device nodes")
    return lambda root=krun_image: KrunContainer(HOST, LIBRARIES, root, tmp_path / "rootfs")


@pytest.fixture
def container(make):
    made = make()
    made.configure(tee="none", key_file=made.secret(KEY + b"\n"))
    return made


FAKE = {"LD_PRELOAD": str(BUILD / "tests/fakes/libfake_kvm.so"), "FAKE_KVM_DEVICE": "/dev/kvm"}


class Ended:
    def __init__(self, process):
        output, errors = process.communicate(timeout=TIME_LIMIT_S)
        self.status, self.output, self.said = process.returncode, output.decode(), errors.decode()

    def __repr__(self):
        return f"status {self.status}\n{self.said}"


def run(container, version, settings, *words, end="200:42"):
    return Ended(container.start(version, settings, *words, environment={**FAKE, "FAKE_KVM_EXIT": end}))


@pytest.mark.parametrize("version", ["1.21", "1.27", "main"])
def test_a_machine_starts_after_all_that_crun_does(container, settings, version):
    done = run(container, version, settings)
    assert done.status == 42, done
    assert "could not" not in done.said, done


@pytest.mark.parametrize("status", [0, 1, 125, 126, 127, 137, 255])
def test_the_status_is_the_workloads(container, settings, status):
    assert run(container, "main", settings, end=f"50:{status}").status == status


def test_another_user_in_a_network_namespace_of_its_own(make, settings):
    """--user of an engine is refused for what people believe of it; a program of another kind may give up root."""
    container = make()
    for name in ("disk.img", "krun-sev.json", "bartizan.json"):
        (container.root / name).chmod(0o644)
    done = run(container, "1.27", settings, "user=1000", "net")
    assert "the image names no broker, so its key has to be given" in done.said, done  # annotations come by config.json alone
    config = container.configure(tee="none", key_file=container.secret(KEY))
    done = run(container, "1.27", settings, "user=1000", "net")
    assert done.status == 42, done
    container.write({**config, "process": {**config["process"], "user": {"uid": 1000, "gid": 1000}}})
    done = run(container, "1.27", settings, "user=1000", "net")
    assert done.status == 1 and "user 1000:1000" in done.said, done


def test_up_to_1_20_the_bundle_is_the_images_own(container, settings, bundle):
    """crun makes the context inside the container then, where no file is the operator's."""
    done = run(container, "1.8", settings)
    assert done.status == 1, done
    assert "use crun 1.21 or newer, or put the bundle into the image (`COPY bundle /.bartizan/bundle`" in done.said, done
    assert "could not start krun: No such file or directory" in done.said, done
    shutil.copytree(bundle, container.root / ".bartizan/bundle")
    (container.root / "etc/bartizan").mkdir(parents=True)
    (container.root / "etc/bartizan/runtime.json").write_text(json.dumps({"annotations": ["tee", "log", "key-file"]}))
    done = run(container, "1.8", settings)
    assert done.status == 1 and "annotation org.bartizan.key-file: not allowed on this host" in done.said, done


def test_up_to_1_20_with_a_broker(make, folder, layout, settings, bundle):
    """Without a word of the operator: the image's own bundle, its broker, and a TEE that is only named."""
    bartizan.build_image(layout, folder / "krun-broker", workload_id="krun-broker", ram_mib=256, disk_key=KEY,
                         broker_url="https://192.0.2.1:8443", broker_ca_pem=certificate(folder / "krun-authority"))
    container = make(unpack(folder / "krun-broker", folder / "krun-broker-root"))
    container.configure(tee="simulated")
    shutil.copytree(bundle, container.root / ".bartizan/bundle")
    done = run(container, "1.8", settings)
    assert done.status == 42, done
    assert "simulated TEE: it protects nothing" in done.said, done


def test_signals_do_not_end_pid_1(container, settings):
    """They are for the workload; the engine has deadlines, and SIGKILL."""
    process = container.start("main", settings, environment=FAKE)
    pid = int(process.stderr.readline().split()[1])
    wait_for_threads(pid)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGRTMAX):
        os.kill(pid, number)
    assert not select.select([process.stdout], [], [], 1)[0]
    assert process.poll() is None
    os.kill(pid, signal.SIGKILL)
    assert Ended(process).status == 128 + signal.SIGKILL


def wait_for_threads(pid):
    while len(os.listdir(f"/proc/{pid}/task")) < 3:
        select.select([], [], [], 0.05)


def test_no_file_of_the_image_is_loaded_as_code(container, settings, tmp_path):
    """The process is in the image's root folder: it asks for no library and no configuration there but the name server."""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    trace = tmp_path / "trace"
    process = subprocess.run(["strace", "-f", "-o", trace, "-e", "trace=open,openat,openat2,execve,pivot_root", "--",
                              *container.command("main")], stdin=subprocess.DEVNULL, capture_output=True,
                             env={**container.environment(settings), **FAKE, "FAKE_KVM_EXIT": "200:42"}, timeout=TIME_LIMIT_S)
    assert process.returncode == 42, process
    _, _, inside = trace.read_text().partition("pivot_root(")
    opened = set(re.findall(r'open(?:at2?)?\((?:\w+, )?"([^"]+)"', inside))
    assert "/disk.img" in opened
    own = ("/disk.img", "/krun-sev.json", "/bartizan.json", "krun-sev.json", "bartizan.json", ".krun_config.json", "/run/secrets/key",
           "/etc/resolv.conf", "/", "/tmp", "/dev/", "/proc/", "/sys/")
    assert not [path for path in opened if not path.startswith(own[-3:]) and path not in own], opened


REFUSED = {
    "bundle": ({"bundle": "/srv/bundle"}, "annotation org.bartizan.bundle: the bundle was read before there was a container"),
    "tee": ({"tee": "snp"}, "TEE snp: "),
    "annotation": ({"allow": "loopback"}, "annotation org.bartizan.allow: not allowed on this host"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_with_the_next_step(container, settings, what):
    annotations, line = REFUSED[what]
    container.configure(**{"tee": "none", "key_file": "/run/secrets/key", **annotations})
    done = run(container, "main", settings)
    assert done.status == 1 and line in done.said and "could not start krun: " in done.said, done


def test_refused_as_by_the_runtime(container, settings):
    """One list of refusals: src/runtime/refusals.cpp."""
    config = container.configure(tee="none", key_file="/run/secrets/key")
    config["mounts"].append({"destination": "/data", "type": "bind", "source": "/srv"})
    container.write(config)
    done = run(container, "main", settings)
    assert done.status == 1 and "nothing of the host is mounted in a confidential VM" in done.said, done
    config["mounts"].pop()
    config["linux"]["resources"]["memory"]["limit"] = 300 << 20
    container.write(config)
    done = run(container, "main", settings)
    assert done.status == 1 and "memory limit of 300 MiB" in done.said and "Cannot allocate memory" in done.said, done


def test_what_is_missing_on_the_host_is_told_at_the_start(container, settings, tmp_path):
    settings.write_text(json.dumps({"bundle": str(tmp_path / "nowhere")}))
    done = run(container, "main", settings)
    assert done.status == 1, done
    assert f"guest bundle {tmp_path}/nowhere" in done.said and "\"bartizan bundle create\" makes one" in done.said, done
    settings.write_text("{")
    done = run(container, "main", settings)
    assert done.status == 1 and str(settings) in done.said, done


def test_an_ordinary_container_is_the_stock_runtimes(container, settings):
    for name in ("krun-sev.json", "bartizan.json"):
        (container.root / name).unlink()
    for version in ("1.27", "main"):
        done = run(container, version, settings)
        assert done.status == 1 and "by the stock runtime" in done.said and "Operation not supported" in done.said, done


def test_an_image_of_another_tool(container, settings):
    (container.root / "bartizan.json").unlink()
    done = run(container, "main", settings)
    assert done.status == 1 and "no bartizan.json beside the disk" in done.said, done


def test_the_eventfd_asks_the_workload_to_end(krun_image, settings, tmp_path):
    """A program that is no crun: it stays where it is, and writes to the eventfd from another thread. The guest of libfake_kvm
    does not answer, so that it is stopped at the deadline: 125."""
    root = tmp_path / "root"
    shutil.copytree(krun_image, root)
    (root / "key").write_bytes(KEY)
    (root / ".krun_config.json").write_text(json.dumps({
        "process": {"args": ["/entrypoint"], "cwd": "/"}, "linux": {"namespaces": [{"type": "pid"}]},
        "annotations": {"org.bartizan.tee": "none", "org.bartizan.key-file": str(root / "key")}}))
    program = f"""
import ctypes, os, threading, time
library = ctypes.CDLL({str(LIBRARIES / NAMES[0])!r})
context = library.krun_create_ctx()
assert library.krun_set_root_disk(context, {str(root / "disk.img").encode()!r}) == 0
assert library.krun_set_tee_config_file(context, {str(root / "krun-sev.json").encode()!r}) == 0
fd = library.krun_get_shutdown_eventfd(context)
threading.Timer(1, os.eventfd_write if hasattr(os, "eventfd_write") else lambda fd, n: os.write(fd, n.to_bytes(8, "little")), (fd, 1)).start()
print(library.krun_start_enter(context))
"""
    done = subprocess.run([sys.executable, "-c", program], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIME_LIMIT_S,
                          env={**os.environ, **FAKE, "BARTIZAN_RUNTIME_CONFIG": str(settings)})
    assert (done.returncode, done.stdout) == (125, ""), done
    assert "stopped by request" in done.stderr, done
