"""Confidential containers through libkrun-sev.so.1, by a program that does around it what crun does (tests/bindings/crun_host.c):
real guests, in namespaces, a root folder, rights and a filter as an engine's."""

import json
import os
import pathlib
import pty
import signal
import subprocess
import sys
import tarfile
import time

import pytest
from conftest import LAUNCH_TIME_LIMIT_S, SOURCE, resize, soak

sys.path.insert(0, str(SOURCE / "tests/bindings"))
from krun_container import KrunContainer  # noqa: E402

BUILD = SOURCE / "build/dev"
GREET = """
import socket, time
for _ in range(300):
    try:
        with socket.create_connection(({address!r}, 7005), 60) as client:
            print(client.recv(100).decode(), end="")
            break
    except OSError:
        time.sleep(0.2)
"""


class Krun:
    """Containers below one folder; not below /tmp, which is on an overlay in the lab."""

    def __init__(self, folder, work):
        self.folder, self.work, self.count = folder, work, 0
        self.settings = folder / "runtime.json"
        self.settings.write_text(json.dumps({"bundle": str(work / "bundle"), "annotations": ["tee", "log", "key-file", "allow"]}))

    def unpack(self, image):
        described = subprocess.run([BUILD / "src/cli/bartizan", "inspect", self.work / image, "--json"], capture_output=True, check=True)
        root = self.folder / f"image-{image}"
        if not root.exists():
            with tarfile.open(json.loads(described.stdout)["disk_path"]) as layer:
                layer.extractall(root)
        return root

    def container(self, image, key=True, **annotations):
        self.count += 1
        made = KrunContainer(BUILD / "tests/bindings/crun_host", BUILD / "bindings/krun", self.unpack(image),
                             self.folder / f"container-{self.count}")
        if key:
            annotations["key_file"] = made.secret((self.work / f"{image}.key").read_bytes())
        made.configure(**{"tee": "none", **annotations})
        return made

    def start(self, container, version, *words, **streams):
        return container.start(version, self.settings, *words, **streams)


@pytest.fixture(scope="session")
def krun(work):
    if os.geteuid() != 0:
        pytest.skip("needs root: namespaces, pivot_root, device nodes")
    folder = pathlib.Path(f"/run/bartizan-krun-{os.getpid()}")
    folder.mkdir()
    yield Krun(folder, work)
    subprocess.run(["rm", "-r", folder], check=True)


def ended(process, typed=b""):
    output, errors = process.communicate(typed, timeout=LAUNCH_TIME_LIMIT_S)
    return process.returncode, output.decode(), errors.decode()


def read_until(stream, word):
    said = b""
    while word not in said:
        more = os.read(stream if isinstance(stream, int) else stream.fileno(), 4096)
        assert more, said
        said += more
    return said


def pid_of(process):
    """Of the container's first process, on the host."""
    return int(process.stderr.readline().split()[1])


def test_a_real_guest_after_all_that_crun_does(krun):
    """Main's sequence, another user, and input by a pipe; the host's files are gone."""
    container = krun.container("terminal")
    for name in ("disk.img", "krun-sev.json", "run/secrets/key"):
        (container.root / name).chmod(0o644)
    status, output, errors = ended(krun.start(container, "main", "user=1000", "net", stdin=subprocess.PIPE), b"typed\n")
    assert status == 0, errors
    assert "input is a pipe\necho typed\n" in output, errors


def test_attested_with_crun_1_21(krun, broker):
    """The key comes from the image's broker at the container's loopback, by the operator's word; the console by an annotation."""
    container = krun.container("attested", key=False, tee="simulated", allow="loopback", log="guest")
    status, output, errors = ended(krun.start(container, "1.21"))
    assert status == 7, errors
    assert output.count("of the workload's own output") == 3, output
    assert "guest| " in errors and "6/10 broker: " in errors and "simulated TEE: it protects nothing" in errors, errors


@soak
def test_up_to_1_20_with_the_bundle_in_the_image(krun, broker):
    """Nothing there is the operator's word: the guest does not reach the loopback, so that the launch ends at its broker."""
    container = krun.container("attested", key=False, tee="simulated")
    subprocess.run(["cp", "-r", krun.work / "bundle", container.root / "bundle"], check=True)
    (container.root / ".bartizan").mkdir()
    (container.root / "bundle").rename(container.root / ".bartizan/bundle")
    status, _, errors = ended(krun.start(container, "1.8"))
    assert status == 1 and "could not start krun" in errors, errors
    assert "loopback" in errors, errors


@soak
def test_stop_reaches_the_workload_and_ports_the_containers_address(krun):
    container = krun.container("served")
    process = krun.start(container, "1.27", "net")
    pid = pid_of(process)
    said = subprocess.run(["nsenter", "-t", str(pid), "-n", sys.executable, "-c", GREET.format(address="127.0.0.1")],
                          capture_output=True, text=True, timeout=LAUNCH_TIME_LIMIT_S)
    assert said.stdout == "hello\n", said
    os.kill(pid, signal.SIGUSR1)
    status, _, errors = ended(process)
    assert status == 128 + signal.SIGUSR1, errors


@soak
def test_sigterm_is_the_images_stop_signal(krun):
    process = krun.start(krun.container("term"), "main")
    pid = pid_of(process)
    read_until(process.stdout, b"waiting")
    began = time.monotonic()
    os.kill(pid, signal.SIGTERM)
    status, output, errors = ended(process)
    assert status == 5 and "terminated by 15" in output, errors
    assert time.monotonic() - began < 50


@soak
def test_terminal_with_its_size(krun):
    host, engine = pty.openpty()
    resize(host, 33, 101)
    process = krun.start(krun.container("size"), "main", stdin=engine, stdout=engine)
    pid = pid_of(process)
    os.close(engine)
    said = read_until(host, b"size 33 101")
    resize(host, 24, 80)
    os.kill(pid, signal.SIGWINCH)
    said += read_until(host, b"size 24 80")
    assert process.wait(LAUNCH_TIME_LIMIT_S) == 0, said
    process.stderr.close()
    os.close(host)
