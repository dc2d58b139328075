"""Confidential containers by Debian's own podman, crun and runc, unpatched, through bartizan-runtime: as other containers,
and refused with a line where they cannot be. A launch takes seconds: each container here is asked several things."""

import contextlib
import json
import os
import pathlib
import pty
import shutil
import signal
import socket
import subprocess
import time

import pytest
from conftest import LAUNCH_TIME_LIMIT_S, SOURCE, fetch, resize

RUNTIME = SOURCE / "build/dev/src/cli/bartizan-runtime"
ANNOTATIONS = ["tee", "log", "bundle", "key-file", "allow", "broker"]
PACKAGES = ("podman", "crun", "runc")


class Podman:
    """podman on storage of its own; `network host`, because the lab has no bridge."""

    def __init__(self, folder, work):
        self.folder, self.work = folder, work
        self.settings = folder / "runtime.json"
        self.configure()
        subprocess.run([RUNTIME, "install", "--root", folder], check=True, stdout=subprocess.DEVNULL)

    def configure(self, **settings):
        self.settings.write_text(json.dumps({"bundle": str(self.work / "bundle"), "annotations": ANNOTATIONS, **settings}))

    def command(self, *words):
        folders = [word for name in ("root", "runroot", "tmpdir") for word in (f"--{name}", self.folder / name)]
        return list(map(str, ["podman", *folders, "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend",
                              "file", "--runtime", "bartizan", "--runtime-flag", f"config={self.settings}", *words]))

    def environment(self):
        """The drop-in of `install` is all of podman's configuration."""
        return {**os.environ, "CONTAINERS_CONF": str(self.folder / "etc/containers/containers.conf.d/50-bartizan.conf")}

    def call(self, *words, **options):
        return subprocess.run(self.command(*words), capture_output=True, text=True, timeout=LAUNCH_TIME_LIMIT_S,
                              env=self.environment(), **options)

    def stock_runtime(self, script):
        """Options by which a script stands in for crun."""
        path = self.folder / "stock"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return ["--runtime-flag", f"oci-runtime={path}"]

    def __call__(self, *words):
        done = self.call(*words)
        assert done.returncode == 0, f"podman {words}: {done.stderr}"
        return done.stdout.strip()

    def words(self, image, *options, verb="run", tee="none", key=True):
        """Of a command that makes a container of a confidential image."""
        keys = ["--annotation", f"org.bartizan.key-file={self.work / image}.key"] if key else []
        return [verb, "--network", "host", "--annotation", f"org.bartizan.tee={tee}", *keys, *options, f"localhost/{image}"]

    def pull(self, layout, name):
        self("tag", self("pull", "-q", f"oci:{layout}"), f"localhost/{name}")

    def wait_for(self, name, line):
        for _ in range(LAUNCH_TIME_LIMIT_S * 2):
            if line in (said := self("logs", name)):
                return said
            assert self.state(name)["Running"], f"{name} has ended: {said}"
            time.sleep(0.5)
        raise AssertionError(f"{name} never said \"{line}\": {said}")

    def state(self, name):
        return json.loads(self("inspect", name))[0]["State"]

    def bundle(self, name):
        return pathlib.Path(json.loads(self("inspect", name))[0]["OCIConfigPath"]).parent


@pytest.fixture(scope="session")
def podman(work, tmp_path_factory):
    missing = [name for name in PACKAGES if not shutil.which(name)]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root and {', '.join(PACKAGES)}: missing {missing}")
    cgroups = pathlib.Path("/sys/fs/cgroup")
    if not any(cgroups.iterdir()):  # the lab
        subprocess.run(["mount", "-t", "cgroup2", "none", cgroups], check=True)
    # Not below /tmp, which is on an overlay in the lab; sockets want short names.
    folder = pathlib.Path(f"/run/bartizan-test-{os.getpid()}")
    folder.mkdir()
    podman = Podman(folder, work)
    for name in ("terminal", "size", "term", "served", "moved"):
        podman.pull(work / name, name)
    podman.pull(work / "ordinary/exit7", "ordinary")
    yield podman
    podman.call("rm", "--all", "--force", "--time", "0")
    podman.call("rmi", "--all", "--force")
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def clean(podman):
    """Nothing is left of what a test started: no process, no cgroup of the runtime, no container."""
    yield
    podman.call("rm", "--all", "--force", "--time", "0")
    assert launchers() == []
    assert podman("ps", "--all", "--quiet") == ""


def launchers():
    """Command lines of processes that run a machine in a container."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().split(b"\0")
            found += [words] if words[0] == b"/run/.bartizan/ld.so" else []
    return found


def test_input_output_status_and_read_only(podman, clean):
    done = podman.call(*podman.words("terminal", "-i", "--rm", "--read-only", "--cgroups", "disabled"), input="typed\n")
    assert done.returncode == 0, done
    assert "input is a pipe\necho typed\n" in done.stdout, done


def test_attested_container_by_runc(podman, broker, facts, clean):
    """The key comes from a broker where this host says that it is, by the operator's word at its loopback; the status is
    the workload's."""
    used = podman.folder / "used"
    there = f"https://10.0.2.2:{facts['broker_port']}"
    done = podman.call(*podman.stock_runtime(f'echo "$*" >> {used}; exec runc "$@"'),
                       *podman.words("moved", "--annotation", "org.bartizan.allow=loopback", "--annotation", "org.bartizan.log=guest",
                                     "--annotation", f"org.bartizan.broker={there}", tee="simulated", key=False))
    assert done.returncode == 7, done
    assert done.stdout.count("of the workload's own output") == 3, done
    assert " create --bundle " in used.read_text()
    assert f"6/10 broker: {there} released default/disk-key/moved" in done.stderr and "simulated TEE: it protects nothing" in done.stderr, done


def test_terminal_with_its_size(podman, clean):
    host, engine = pty.openpty()
    resize(host, 33, 101)
    with subprocess.Popen(podman.command(*podman.words("size", "-i", "-t")), stdin=engine, stdout=engine,
                          env=podman.environment()) as process:
        os.close(engine)
        said = read_until(host, b"size 33 101")
        resize(host, 24, 80)
        process.send_signal(signal.SIGWINCH)
        said += read_until(host, b"size 24 80")
        assert process.wait(LAUNCH_TIME_LIMIT_S) == 0, said
    os.close(host)


def read_until(fd, word):
    said = b""
    while word not in said:
        said += os.read(fd, 4096)
    return said


def test_container_like_any_other(podman, clean):
    """Detached, beside an ordinary one: reached at the container's address, paused, not entered, restarted, killed."""
    podman(*podman.words("served", "--name", "served", "-d"))
    ordinary = podman.call("run", "--rm", "--network", "host", "localhost/ordinary")
    assert (ordinary.returncode, ordinary.stdout.count("workload's own output")) == (7, 3), ordinary
    podman.wait_for("served", "serve 7005: waiting")
    greet((socket.AF_INET, ("127.0.0.1", 7005)))
    greet((socket.AF_INET6, ("::1", 7005)))
    assert podman.state("served")["Status"] == "running"
    entered = podman.call("exec", "served", "/bin/sh")
    assert entered.returncode != 0 and "is a confidential VM: the host runs no command in it" in entered.stderr, entered
    podman("pause", "served")
    assert podman.state("served")["Status"] == "paused"
    podman("unpause", "served")
    greet((socket.AF_INET, ("127.0.0.1", 7005)))
    podman("kill", "--signal", "USR1", "served")
    assert podman("wait", "served") == "138"
    assert (podman.bundle("served") / "config.json.original").exists()
    podman("start", "served")
    podman("kill", "--signal", "KILL", "served")
    assert podman("wait", "served") == "137"
    podman("rm", "served")


def greet(where):
    family, address = where
    for _ in range(100):  # it takes the guest's PID 1 some time to see that somebody listens
        with contextlib.suppress(ConnectionError):
            assert fetch(family, address) == b"hello\n"
            return
        time.sleep(0.2)
    raise AssertionError(f"nobody answers at {address}")


def test_stop_reaches_the_workload(podman, clean):
    podman(*podman.words("term", "--name", "term", "-d"))
    podman.wait_for("term", "waiting")
    began = time.monotonic()
    podman("stop", "--time", "60", "term")
    assert podman("wait", "term") == "5"
    assert time.monotonic() - began < 50
    assert "terminated by 15" in podman("logs", "term")


REFUSALS = {
    "command": (["/bin/sh"], [], "command \"/entrypoint\" of 2 words: a confidential image runs the command that is encrypted in it"),
    "environment": ([], ["--env", "COLOUR=blue"], "environment variable \"COLOUR\": "),
    "user": ([], ["--user", "1000"], "user 1000:0, or a group: a confidential image runs as the user"),
    "working folder": ([], ["--workdir", "/tmp"], "working folder \"/tmp\": "),
    "volume": ([], ["--volume", "/srv:/data"], "mount of \"/srv\" at \"/data\": nothing of the host is mounted"),
    "device": ([], ["--device", "/dev/random"], "device \"/dev/random\": no device of the host"),
    "privileged": ([], ["--privileged"], "privileged container: the VM of a confidential image is confined"),
    "pid": ([], ["--pid", "host"], "PID namespace of the host: a confidential container has processes of its own"),
    "memory": ([], ["--memory", "200m"], "memory limit of 200 MiB: the image's VM has 256 MiB and needs 64 MiB beside them"),
    "bundle": ([], ["--annotation", "org.bartizan.bundle=/nowhere"], "guest bundle /nowhere: no bundle.json in it: make it with"),
    "hardware": ([], ["--annotation", "org.bartizan.tee=snp"], "/dev/sev"),
    "annotation": ([], ["--annotation", "org.bartizan.tea=snp"], "annotation org.bartizan.tea: not known"),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_refused_before_anything_starts(podman, what):
    command, options, line = REFUSALS[what]
    if what == "hardware" and pathlib.Path("/dev/sev").exists():
        pytest.skip("needs a host without /dev/sev")
    done = podman.call(*podman.words("term", "--rm", *options), *command)
    assert done.returncode == 126, done
    assert f"bartizan-runtime: create: {line}" in done.stderr, done
    assert launchers() == []


def test_refused_without_memory_kvm_or_word_of_the_operator(podman, clean):
    """What the host lacks or does not allow; nothing is rewritten then."""
    kvm = pathlib.Path("/dev/kvm")
    kvm.rename("/dev/kvm.away")
    try:
        done = podman.call(*podman.words("term", "--name", "without"))
    finally:
        pathlib.Path("/dev/kvm.away").rename(kvm)
    assert "bartizan-runtime: create: /dev/kvm is missing: load kvm_amd or kvm_intel" in done.stderr, done
    assert not (podman.bundle("without") / "config.json.original").exists()
    podman.configure(annotations=["tee"])
    try:
        done = podman.call(*podman.words("term", "--rm"))
    finally:
        podman.configure()
    assert "annotation org.bartizan.key-file: not allowed on this host" in done.stderr, done


def test_killed_stock_runtime_leaves_nothing(podman, clean):
    killed = podman.stock_runtime('case " $*" in *" create "*) kill -9 $$;; esac; exec crun "$@"')
    done = podman.call(*killed, *podman.words("term", "--name", "killed"))
    assert done.returncode in (126, 127), done
    assert launchers() == []
    podman("rm", "--force", "killed")
