"""The conference demo by podman, on a KVM host: `podman run` of the confidential image with bartizan-runtime, and looks into
the host's memory and disk.

Called by demo.py with the work folder; writes results.json there. Needs root, and only Python's own library.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from demo import BUILD  # noqa: E402
from launch import EXIT_CODE, GUEST_TIME_LIMIT_S, curl, with_broker  # noqa: E402
from show import say, step, title  # noqa: E402

RUNTIME = BUILD / "src/cli/bartizan-runtime"
CGROUPS = pathlib.Path("/sys/fs/cgroup")
# The stock runtime of the demo: crun, after it has told the launcher to count the secret in the guest's memory at the end.
LOOKS_INTO_MEMORY = """#!/bin/sh
bundle=. last=
for word; do
  [ "$last" != --bundle ] || bundle=$word
  last=$word
done
case " $* " in
  *" create "*)
    sed -i -e 's|"--as-container"|"--as-container","--find-in-memory","/pattern"|' \\
      -e 's|"mounts":\\[|"mounts":[{{"destination":"/pattern","type":"bind","source":"{secret}","options":["bind","ro"]}},|' \\
      "$bundle/config.json" ;;
esac
exec crun "$@"
"""


class Podman:
    """podman with storage and configuration of its own, below /run: the lab's /tmp is on an overlay. `stock`: a script in place
    of crun."""

    def __init__(self, bundle, annotations, stock='#!/bin/sh\nexec crun "$@"\n'):
        self.folder = pathlib.Path(f"/run/bartizan-demo-{os.getpid()}")
        self.folder.mkdir()
        settings, script = self.folder / "runtime.json", self.folder / "stock-runtime"
        settings.write_text(json.dumps({"bundle": str(bundle), "annotations": annotations}))
        script.write_text(stock)
        script.chmod(0o755)
        subprocess.run([RUNTIME, "install", "--root", self.folder], check=True, stdout=subprocess.DEVNULL)
        places = [word for name in ("root", "runroot", "tmpdir") for word in (f"--{name}", str(self.folder / name))]
        self.words = ["podman", *places, "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "file", "--runtime",
                      "bartizan", "--runtime-flag", f"config={settings}", "--runtime-flag", f"oci-runtime={script}"]
        self.environment = {**os.environ, "CONTAINERS_CONF": str(self.folder / "etc/containers/containers.conf.d/50-bartizan.conf")}

    def call(self, *words):
        return subprocess.run([*self.words, *map(str, words)], capture_output=True, text=True, env=self.environment,
                              timeout=GUEST_TIME_LIMIT_S)

    def __call__(self, *words):
        done = self.call(*words)
        if done.returncode != 0:
            raise RuntimeError(f"podman {' '.join(map(str, words))}: {done.stderr}")
        return done.stdout.strip()

    def close(self):
        self.call("rm", "--all", "--force", "--time", "0")
        self.call("rmi", "--all", "--force")
        shutil.rmtree(self.folder, ignore_errors=True)


def mount_cgroups():
    """The lab has none."""
    if not any(CGROUPS.iterdir()):
        subprocess.run(["mount", "-t", "cgroup2", "none", CGROUPS], check=True)


def on_disk(secret, folder):
    """How often it is in the files of a folder."""
    found = subprocess.run(["grep", "--recursive", "--text", "--only-matching", "--no-filename", "--devices=skip", secret, folder],
                           capture_output=True)
    return found.stdout.count(b"\n")


def counted(log):
    """(raw, host) of the launcher's line about guest memory."""
    for line in log.splitlines():
        if "in guest memory: raw " in line:
            raw, host = line.split("in guest memory: raw ")[1].split(", as the host sees it ")
            return int(raw), int(host)
    return 0, None


def serve(work, facts, claims):
    title("d. podman run --runtime bartizan: attest, get the key, open the disk, serve")
    mount_cgroups()
    podman = Podman(work / "bundle", ["tee", "log", "allow"], LOOKS_INTO_MEMORY.format(secret=work / "secret"))
    try:
        run_container(podman, facts, claims)
    finally:
        podman.close()


def run_container(podman, facts, claims):
    with step("podman pull oci:confidential"):
        image = podman("pull", "-q", f"oci:{facts['build']['output']}")
    with step("podman run -d"):
        podman("run", "-d", "--name", "demo", "--network", "host", "--annotation", "org.bartizan.tee=simulated",
               # the broker is on this machine, whose loopback the container has
               "--annotation", f"org.bartizan.allow=loopback:{facts['broker_port']}", "--annotation", "org.bartizan.log=guest", image)
    url = f"https://127.0.0.1:{facts['guest_port']}"
    with step("until curl gets an answer from the container's port"):
        answer, deadline = curl(url + "/"), time.monotonic() + GUEST_TIME_LIMIT_S
        while answer.returncode != 0 and running(podman) and time.monotonic() < deadline:
            time.sleep(0.5)
            answer = curl(url + "/")
    claims.add("curl obtains the secret from the container", facts["secret"] in answer.stdout, answer.stderr.strip())
    entered = podman.call("exec", "demo", "/bin/sh")
    claims.add("podman exec is refused", entered.returncode != 0 and "is a confidential VM" in entered.stderr, last_line(entered.stderr))
    found = on_disk(facts["secret"], podman.folder)
    claims.add("the secret is not found in podman's files", found == 0, f"{found} times")
    with step("until the workload has ended"):
        curl(f"{url}/exit?code={EXIT_CODE}")
        status = podman("wait", "demo")
    claims.add("the workload's exit code is the container's", status == str(EXIT_CODE), status)
    log = podman.call("logs", "demo")
    raw, host = counted(log.stderr)
    claims.add("the secret is found in raw guest memory", raw > 0, f"{raw} times")
    claims.add("the secret is not found in the host's view of it", host == 0, f"{host} times")
    if not all(row["ok"] for row in claims.rows):
        for line in (log.stdout + log.stderr).splitlines()[-25:]:
            say("    | " + line)


def running(podman):
    return json.loads(podman("inspect", "demo"))[0]["State"]["Running"]


def last_line(text):
    return (text.strip().splitlines() or [""])[-1]


if __name__ == "__main__":
    with_broker(pathlib.Path(sys.argv[1]), serve)
