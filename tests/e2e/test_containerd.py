"""Confidential containers by Debian's own containerd, unpatched, through bartizan-runtime: by `ctr`, and in pods, for which
this file speaks as the kubelet does (CRI v1, by the field numbers of its api.proto). The device plugin gives out the place of
the TEE."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

import grpc
import pytest
from conftest import LAUNCH_TIME_LIMIT_S, SOURCE, fetch

sys.path.insert(0, str(SOURCE / "tests/python"))
from kubelet import Kubelet, Watch  # noqa: E402
from wire import decode, encode, text  # noqa: E402

RUNTIME = SOURCE / "build/dev/src/cli/bartizan-runtime"
PROGRAMS = ("containerd", "ctr", "containerd-shim-runc-v2", "crun")
START_TIME_LIMIT_S = 120
NODE, CONTAINER = 2, 1  # NamespaceMode: the host's, the container's own
RUNNING, EXITED = 1, 2  # ContainerState


class Containerd:
    """With folders of its own; its configuration is what Debian's and `bartizan-runtime install` make of it."""

    def __init__(self, folder, work):
        self.folder, self.work, self.address = folder, work, folder / "containerd.sock"
        (folder / "etc/containerd").mkdir(parents=True)
        (folder / "logs").mkdir()
        config = folder / "etc/containerd/config.toml"
        config.write_text(f"""version = 2
root = "{folder}/root"
state = "{folder}/state"

[grpc]
  address = "{self.address}"

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    sandbox_image = "localhost/pause:latest"
    restrict_oom_score_adj = true
    [plugins."io.containerd.grpc.v1.cri".containerd]
      snapshotter = "native"
    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/usr/lib/cni"
      conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.internal.v1.opt"]
    path = "{folder}/opt"
""")
        subprocess.run([RUNTIME, "install", "--root", folder], check=True, stdout=subprocess.DEVNULL)
        settings = folder / "runtime.json"
        settings.write_text(json.dumps({"bundle": str(work / "bundle"), "annotations": ["tee", "log", "key-file"]}))
        self.log = open(folder / "log", "wb")
        self.process = subprocess.Popen(["containerd", "--config", config], stdout=self.log, stderr=self.log,
                                        env={**os.environ, "BARTIZAN_RUNTIME_CONFIG": str(settings)})
        self.channel = grpc.insecure_channel(f"unix:{self.address}", options=[("grpc.default_authority", "localhost")])

    def wait(self):
        for _ in range(START_TIME_LIMIT_S * 2):
            with contextlib.suppress(grpc.RpcError):
                conditions = decode(decode(self.cri("Status"))[1][0])[1]
                if text(decode(conditions[0]), 1) == "RuntimeReady":
                    return
            assert self.process.poll() is None, self.said()
            time.sleep(0.5)
        raise AssertionError(f"containerd is not ready: {self.said()}")

    def said(self):
        return (self.folder / "log").read_text(errors="replace")[-3000:]

    def end(self):
        self.channel.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.log.close()

    def ctr(self, *words, **options):
        command = ["ctr", "--address", self.address, "--namespace", "k8s.io", *words]
        return subprocess.run(list(map(str, command)), capture_output=True, timeout=LAUNCH_TIME_LIMIT_S, **options)

    def load(self, layout, name):
        archive = subprocess.run(["tar", "-C", layout, "-cf", "-", "."], check=True, stdout=subprocess.PIPE).stdout
        done = self.ctr("image", "import", "--snapshotter", "native", "--base-name", f"localhost/{name}", "-", input=archive)
        assert done.returncode == 0, done

    def run(self, name, *options):
        done = self.ctr("run", "--rm", "--snapshotter", "native", "--net-host", "--runc-binary", RUNTIME, *options,
                        f"localhost/{name}:latest", name)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def cri(self, method, *fields):
        return self.channel.unary_unary(f"/runtime.v1.RuntimeService/{method}")(encode(*fields), timeout=LAUNCH_TIME_LIMIT_S)

    def key_of(self, image):
        return {"org.bartizan.key-file": f"{self.work / image}.key"}


class Pod:
    """On the host's network, with the handler of the RuntimeClass."""

    def __init__(self, containerd, annotations):
        self.containerd, self.logs = containerd, containerd.folder / "logs"
        options = [(1, NODE), (2, CONTAINER)]
        self.config = [(1, [(1, "pod"), (2, "uid-1"), (3, "default")]), (3, str(self.logs)), *pairs(7, annotations),
                       (8, [(1, "/kubepods/pod1"), (2, [(1, options)])])]
        self.id = text(decode(containerd.cri("RunPodSandbox", (1, self.config), (2, "bartizan"))), 1)

    def create(self, image, *fields, annotations={}, resources=(), security=()):
        """As a kubelet does: with variables, mounts and annotations of its own."""
        for name in ("hosts", "log", "token"):
            path = self.containerd.folder / name
            path.mkdir(exist_ok=True) if name == "token" else path.touch()
        environment = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_PORT_443_TCP": "tcp://10.96.0.1:443"}
        mounts = {"hosts": "/etc/hosts", "log": "/dev/termination-log",
                  "token": "/var/run/secrets/kubernetes.io/serviceaccount"}
        config = [(1, [(1, image)]), (2, [(1, f"localhost/{image}:latest")]), *pairs(6, environment),
                  *[(7, [(1, place), (2, str(self.containerd.folder / name))]) for name, place in mounts.items()],
                  *pairs(10, {"io.kubernetes.container.restartCount": "0", **annotations}), (11, f"{image}.log"),
                  (15, [(1, list(resources)), (2, [(3, [(1, NODE), (2, CONTAINER)]), *security])]), *fields]
        return text(decode(self.containerd.cri("CreateContainer", (1, self.id), (2, config), (3, self.config))), 1)

    def start(self, container):
        self.containerd.cri("StartContainer", (1, container))

    def status(self, container):
        """State and exit status."""
        fields = decode(decode(self.containerd.cri("ContainerStatus", (1, container)))[1][0])
        return fields.get(3, [0])[0], fields.get(7, [0])[0]

    def wait(self, container):
        for _ in range(LAUNCH_TIME_LIMIT_S * 2):
            state, code = self.status(container)
            if state == EXITED:
                return code
            time.sleep(0.5)
        raise AssertionError(f"no end of {container}")

    def log(self, image):
        return (self.logs / f"{image}.log").read_text()

    def end(self):
        self.containerd.cri("StopPodSandbox", (1, self.id))
        self.containerd.cri("RemovePodSandbox", (1, self.id))


def pairs(number, texts):
    return [(number, [(1, name), (2, value)]) for name, value in texts.items()]


@pytest.fixture(scope="module")
def containerd(work):
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root and {', '.join(PROGRAMS)}: missing {missing}")
    cgroups = pathlib.Path("/sys/fs/cgroup")
    if not any(cgroups.iterdir()):  # the lab
        subprocess.run(["mount", "-t", "cgroup2", "none", cgroups], check=True)
    # Not below /tmp, which is on an overlay in the lab; sockets want short names.
    folder = pathlib.Path(f"/run/bartizan-containerd-{os.getpid()}")
    folder.mkdir()
    containerd = Containerd(folder, work)
    try:
        containerd.wait()
        for name, layout in {"exit7": work / "exit7", "served": work / "served", "ordinary": work / "ordinary/exit7",
                             "pause": work / "ordinary/term"}.items():
            containerd.load(layout, name)
        yield containerd
    finally:
        containerd.end()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def pod(containerd):
    pod = Pod(containerd, containerd.key_of("served"))
    yield pod
    pod.end()
    assert launchers() == []


@pytest.fixture
def place():
    """What the device plugin answers a kubelet that allocates a place of this host: nodes and annotations."""
    folder = pathlib.Path(f"/run/bartizan-kubelet-{os.getpid()}")
    folder.mkdir()
    kubelet = Kubelet(folder)
    plugin = subprocess.Popen([sys.executable, "-m", "bartizan.device_plugin", "--folder", folder, "--offer", "simulated=1"])
    endpoint = kubelet.registered()["endpoint"]
    watch = Watch(kubelet, endpoint)
    assert watch.next() == {"simulated-0": "Healthy"}
    yield kubelet.allocate(endpoint, ["simulated-0"])[0]
    watch.close()
    plugin.terminate()
    assert plugin.wait(20) == 0
    kubelet.stop()
    shutil.rmtree(folder)


def launchers():
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found += [path] if path.read_bytes().startswith(b"/run/.bartizan/ld.so\0") else []
    return found


def test_ctr_runs_a_confidential_and_an_ordinary_image(containerd):
    annotations = {"org.bartizan.tee": "none", **containerd.key_of("exit7")}
    options = [word for name, value in annotations.items() for word in ("--annotation", f"{name}={value}")]
    for image in ("exit7", "ordinary"):
        status, output, errors = containerd.run(image, *(options if image == "exit7" else []))
        assert status == 7, (image, output, errors, containerd.said())
        assert output.count("of the workload's own output") == 3, (image, output, errors)
    assert launchers() == []


def test_pod_with_a_confidential_and_an_ordinary_container(containerd, pod, place):
    nodes, annotations = place
    assert annotations == {"org.bartizan.tee": "simulated"}
    devices = [(8, [(1, inside), (2, host), (3, access)]) for host, inside, access in nodes]
    served = pod.create("served", *devices, annotations=annotations)
    pod.start(served)
    ordinary = pod.create("ordinary")
    pod.start(ordinary)
    assert pod.wait(ordinary) == 7
    assert fetch_from(pod, served, 7005) == b"hello\n"
    assert pod.status(served)[0] == RUNNING
    with pytest.raises(grpc.RpcError) as refused:
        containerd.cri("ExecSync", (1, served), (2, "/bin/sh"), (3, 60))
    assert "is a confidential VM: the host runs no command in it" in refused.value.details()
    containerd.cri("StopContainer", (1, served), (2, 60))
    assert pod.status(served) == (EXITED, 143)
    assert "serve 7005: waiting" in pod.log("served")
    assert pod.log("ordinary").count("of the workload's own output") == 3


def fetch_from(pod, container, port):
    """When it serves."""
    for _ in range(LAUNCH_TIME_LIMIT_S * 2):
        with contextlib.suppress(OSError):
            return fetch(socket.AF_INET, ("127.0.0.1", port))
        assert pod.status(container)[0] == RUNNING, pod.log("served")
        time.sleep(0.5)
    raise AssertionError(f"nobody answers at port {port}")


REFUSALS = {
    "command": ([(3, "/bin/sh")], {}, "command \"/bin/sh\" of 1 words: "),
    "service link": ([(6, [(1, "WEB_PORT"), (2, "tcp://10.96.0.9:80")])], {}, "environment variable \"WEB_PORT\": "),
    "volume": ([(7, [(1, "/data"), (2, "/srv")])], {}, "mount of \"/srv\" at \"/data\": nothing of the host"),
    "user": ([], {"security": [(5, [(1, 1000)])]}, "user 1000:0, or a group: "),
    "memory": ([], {"resources": [(4, 200 << 20)]}, "memory limit of 200 MiB: the image's VM has 256 MiB"),
    "annotation": ([], {"annotations": {"org.bartizan.allow": "loopback"}}, "annotation org.bartizan.allow: not allowed"),
}


def test_refusals_reach_the_kubelet(containerd, pod):
    """Each is one line of the pod's events."""
    for what, (fields, options, line) in REFUSALS.items():
        container = pod.create("served", *fields, **options)
        with pytest.raises(grpc.RpcError) as refused:
            pod.start(container)
        assert f"bartizan-runtime: create: {line}" in refused.value.details(), what
        containerd.cri("RemoveContainer", (1, container))
    assert launchers() == []
