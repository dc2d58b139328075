"""Confidential containers by Debian's own podman, crun and runc, unpatched, through bartizan-runtime: as other containers,
and refused with a line where they cannot be. A launch takes seconds: each container here is asked several things."""

import contextlib
import json
import os
import pathlib
import pty
import pwd
import shutil
import signal
import socket
import subprocess
import time

import pytest
from conftest import LAUNCH_TIME_LIMIT_S, SOURCE, fetch, resize, soak

RUNTIME = SOURCE / "build/dev/src/cli/bartizan-runtime"
ANNOTATIONS = ["tee", "log", "bundle", "key-file", "allow", "broker"]
PACKAGES = ("podman", "crun", "runc")
IN_LAB = pathlib.Path("/lab/command").exists()
CGROUPS = pathlib.Path("/sys/fs/cgroup")
USERS_HOME = pathlib.Path("/run/bartizan-user")


class Podman:
    """podman on storage of its own, run by the words `prefix`."""

    def __init__(self, folder, work, prefix=(), **environment):
        self.folder, self.work, self.prefix, self.more_environment = folder, work, prefix, environment
        self.settings = folder / "runtime.json"
        self.configure()
        subprocess.run([RUNTIME, "install", "--root", folder], check=True, stdout=subprocess.DEVNULL)

    def configure(self, **settings):
        self.settings.write_text(json.dumps({"bundle": str(self.work / "bundle"), "annotations": ANNOTATIONS, **settings}))

    def command(self, *words):
        folders = [word for name in ("root", "runroot", "tmpdir") for word in (f"--{name}", self.folder / name)]
        return list(map(str, [*self.prefix, "podman", *folders, "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend",
                              "file", "--runtime", "bartizan", "--runtime-flag", f"config={self.settings}", *words]))

    def environment(self):
        """The drop-in of `install` is all of podman's configuration."""
        return {**os.environ, "CONTAINERS_CONF": str(self.folder / "etc/containers/containers.conf.d/50-bartizan.conf"),
                **self.more_environment}

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

    def words(self, image, *options, verb="run", tee="none", key=True, network="host"):
        """Of a command that makes a container of a confidential image."""
        keys = ["--annotation", f"org.bartizan.key-file={self.work / image}.key"] if key else []
        return [verb, "--network", network, "--annotation", f"org.bartizan.tee={tee}", *keys, *options, f"localhost/{image}"]

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
    if IN_LAB and not any(CGROUPS.iterdir()):
        subprocess.run(["mount", "-t", "cgroup2", "none", CGROUPS], check=True)
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
def rootless(podman, work):
    """podman of a user in the group of /dev/kvm. It makes a user: not on anybody's machine."""
    if not IN_LAB:
        pytest.skip("only in the lab: makes a user")
    subprocess.run(["modprobe", "tun"], check=True)  # of slirp4netns
    subprocess.run(["useradd", "--create-home", "--home-dir", USERS_HOME, "--groups", "kvm", "bartizan-user"], check=True)
    user = pwd.getpwnam("bartizan-user")
    shutil.chown("/dev/kvm", group="kvm")
    os.chmod("/dev/kvm", 0o660)
    os.chmod("/dev/net/tun", 0o666)
    shutil.copy(work / "served.key", USERS_HOME)
    podman = Podman(USERS_HOME, USERS_HOME, ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--init-groups"],
                    HOME=str(USERS_HOME), XDG_RUNTIME_DIR=str(USERS_HOME), PATH="/usr/bin:/bin:/usr/sbin:/sbin")
    podman.configure(bundle=str(work / "bundle"))
    subprocess.run(["chown", "-R", f"{user.pw_uid}:{user.pw_gid}", USERS_HOME], check=True)
    podman.pull(work / "served", "served")
    yield podman
    podman.call("rm", "--all", "--force", "--time", "0")


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


def test_user_in_the_group_of_kvm(rootless, clean):
    """Without root, in a network namespace: the published port leads to what the workload listens on."""
    rootless(*rootless.words("served", "--name", "served", "-d", "--cgroups", "disabled", "--publish", "7105:7005",
                             network="slirp4netns"))
    rootless.wait_for("served", "serve 7005: waiting")
    greet((socket.AF_INET, ("127.0.0.1", 7105)))
    rootless("restart", "--time", "0", "served")
    assert rootless.state("served")["Running"]
    rootless("kill", "--signal", "KILL", "served")
    assert rootless("wait", "served") == "137"


@soak
def test_port_through_a_bridge(podman, clean):
    podman(*podman.words("served", "--name", "served", "-d", "--publish", "7106:7005", network="bridge"))
    podman.wait_for("served", "serve 7005: waiting")
    greet((socket.AF_INET, ("127.0.0.1", 7106)))
    address = json.loads(podman("inspect", "served"))[0]["NetworkSettings"]["Networks"]["podman"]["IPAddress"]
    greet((socket.AF_INET, (address, 7005)))


def greet(where):
    family, address = where
    for _ in range(100):  # it takes the guest's PID 1 some time to see that somebody listens
        with contextlib.suppress(ConnectionError):
            if answer := fetch(family, address):  # a forwarder takes connections before there is anybody
                assert answer == b"hello\n"
                return
        time.sleep(0.2)
    raise AssertionError(f"nobody answers at {address}")


def test_stop_reaches_the_workload(podman, clean):
    """Of each of two containers at once."""
    names = ("term", "other")
    for name in names:
        podman(*podman.words("term", "--name", name, "-d"))
    for name in names:
        podman.wait_for(name, "waiting")
    for name in names:
        began = time.monotonic()
        podman("stop", "--time", "60", name)
        assert podman("wait", name) == "5"
        assert time.monotonic() - began < 50
        assert "terminated by 15" in podman("logs", name)


REFUSALS = {
    "command": (["/bin/sh"], [], "command \"/entrypoint\" of 2 words: a confidential image runs the command that is encrypted in it"),
    "environment": ([], ["--env", "COLOUR=blue"], "environment variable \"COLOUR\": "),
    "user": ([], ["--user", "1000"], "user 1000:0, or a group: a confidential image runs as the user"),
    "working folder": ([], ["--workdir", "/tmp"], "working folder \"/tmp\": "),
    "volume": ([], ["--volume", "/srv:/data"], "mount of \"/srv\" at \"/data\": nothing of the host is mounted"),
    "device": ([], ["--device", "/dev/random"], "device \"/dev/random\": no device of the host"),
    "privileged": ([], ["--privileged"], "privileged container: the VM of a confidential image is confined"),
    "pid": ([], ["--pid", "host"], "PID namespace of the host or of others: a confidential container has processes of its own"),
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
