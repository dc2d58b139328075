"""The conference demo, first half: everything that needs no KVM. Then it runs launch.py on a KVM host (this one or the lab).

  a. an ordinary OCI image with a secret in it, packed by umoci
  b. bartizan build turns it into a confidential image; the attacker makes one too
  c. bartizan broker; the workload is registered
  d.-g. launch.py
"""

import argparse
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import workloads  # noqa: E402
from show import Claims, say, step, title  # noqa: E402

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = SOURCE / "build" / os.environ.get("BARTIZAN_PRESET", "dev")
CLI = BUILD / "src/cli/bartizan"
RAM_MIB = {"https-secret": 256, "nginx": 384}


def bartizan(*arguments):
    """Runs the command line tool with --json and returns what it said."""
    done = subprocess.run([str(CLI), *map(str, arguments), "--json"], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"bartizan {' '.join(map(str, arguments))}: {done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class RunningBroker:
    """bartizan broker, as a process of its own, until the end of the block."""

    def __init__(self, state, port):
        self.command = [str(CLI), "broker", "--state", str(state), "--listen", f"127.0.0.1:{port}"]

    def __enter__(self):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=self.log)
        address = self.command[-1].split(":")
        for _ in range(600):
            if self.process.poll() is not None:
                self.log.seek(0)
                raise RuntimeError(f"the broker ended: {self.log.read().decode()}")
            with socket.socket() as probe:
                if probe.connect_ex((address[0], int(address[1]))) == 0:
                    return self
            time.sleep(0.1)
        raise RuntimeError("the broker does not listen after 60 s")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()


def build_image(ordinary, output, work, ports, broker_port, resource=None):
    extra = ["--resource", resource] if resource else []
    return bartizan("build", ordinary, "--output", output, "--key-out", work / f"{output.name}.key",
                    "--broker", f"https://10.0.2.2:{broker_port}", "--broker-ca", work / "broker/ca.pem",
                    "--memory", ports["ram_mib"], *extra)


def prepare(work, workload, claims):
    """Steps a, b, c. Returns what launch.py needs to know."""
    facts = {"workload": workload, "secret": workloads.fresh_secret(), "broker_port": free_port(), "relay_port": free_port(),
             "published_port": free_port(), "guest_port": workloads.PORT, "ram_mib": RAM_MIB[workload]}
    (work / "secret").write_text(facts["secret"])

    title("a. An ordinary image")
    folder = work / "image"
    folder.mkdir()
    with step(f"umoci packs {workload} and its secret"):
        ordinary = workloads.WORKLOADS[workload](folder, facts["secret"])

    title("b. A confidential image")
    with step("guest bundle: stock Debian kernel + our init"):
        facts["bundle"] = bartizan("bundle", "create", "--output", work / "bundle",
                                   "--init", BUILD / "src/guest/bartizan-init")
    say(f"kernel {facts['bundle']['kernel_release']}, initrd {facts['bundle']['initrd_bytes'] / 2**20:.1f} MiB")
    with step("the broker makes its CA and admin token"), RunningBroker(work / "broker", facts["broker_port"]):
        pass
    with step("bartizan build (no root, no mount, no loop device, no device-mapper)"):
        facts["build"] = build_image(ordinary, work / "confidential", work, facts, facts["broker_port"])
    with step("the attacker builds a look-alike with a disk and a broker address of their own"):
        other = work / "other"
        other.mkdir()
        evil = workloads.https_secret(other, "not what you came for")
        facts["evil"] = build_image(evil, work / "evil", work, facts, facts["relay_port"], facts["build"]["resource"])

    title("c. Registered with the broker: workload digest, expected measurement, disk key")
    with step("bartizan broker + bartizan register"), RunningBroker(work / "broker", facts["broker_port"]):
        facts["register"] = bartizan(
            "register", work / "confidential", "--broker", f"https://127.0.0.1:{facts['broker_port']}", "--ca", work / "broker/ca.pem",
            "--token-file", work / "broker/admin.token", "--key-file", work / "confidential.key", "--bundle", work / "bundle",
            "--memory", facts["ram_mib"], "--allow-simulated")
    plain, sealed = (workloads.occurrences(facts["secret"], work / name) for name in ("image/ordinary", "confidential"))
    claims.add("the secret is found in the ordinary image", plain > 0, f"{plain} times")
    claims.add("the secret is not found in the confidential image", sealed == 0, f"{sealed} times")
    workloads.write_json(work / "facts.json", facts)


def prepare_for_podman(work, workload, claims):
    """Steps a to c in two commands: an ordinary image, and what `bartizan build` makes of it and registers."""
    facts = {"workload": workload, "secret": workloads.fresh_secret(), "broker_port": free_port(), "guest_port": workloads.PORT,
             "ram_mib": RAM_MIB[workload]}
    (work / "secret").write_text(facts["secret"])
    title("a. An ordinary image")
    folder = work / "image"
    folder.mkdir()
    with step(f"umoci packs {workload} and its secret"):
        ordinary = workloads.WORKLOADS[workload](folder, facts["secret"])
    title("b., c. A confidential image, registered with the broker, which alone keeps its key")
    with step("guest bundle: stock Debian kernel + our init"):
        facts["bundle"] = bartizan("bundle", "create", "--output", work / "bundle", "--init", BUILD / "src/guest/bartizan-init")
    with RunningBroker(work / "broker", facts["broker_port"]), step("bartizan build --register-with"):
        facts["build"] = bartizan(
            "build", ordinary, "--output", work / "confidential", "--memory", facts["ram_mib"], "--bundle", work / "bundle",
            "--register-with", f"https://127.0.0.1:{facts['broker_port']}", "--broker-ca", work / "broker/ca.pem",
            "--token-file", work / "broker/admin.token", "--allow-simulated")
    plain, sealed = (workloads.occurrences(facts["secret"], work / name) for name in ("image/ordinary", "confidential"))
    claims.add("the secret is found in the ordinary image", plain > 0, f"{plain} times")
    claims.add("the secret is not found in the confidential image", sealed == 0, f"{sealed} times")
    workloads.write_json(work / "facts.json", facts)


def launch(work, claims, program, what):
    """Steps d to g, where a stock kernel boots."""
    host = SOURCE / "scripts/on-kvm-host"
    which = subprocess.run([host, "--which"], capture_output=True, text=True, check=True).stdout.strip()
    title(f"d.-g. {what}: " + {
        "direct": "on /dev/kvm, directly",
        "lab": "in the lab (this machine's KVM cannot bring up a stock kernel)"}.get(which, which))
    status = subprocess.run([host, "--share", work, "--", "/usr/bin/python3", SOURCE / "scripts/demo.d" / program, work]).returncode
    results = work / "results.json"
    if not results.exists():
        claims.add("the launches ran to their end", False, f"exit status {status}")
        return
    for row in json.loads(results.read_text()):
        claims.add(row["claim"], row["ok"], row["seen"])


def main():
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__.split("\n")[0])
    parser.add_argument("--workload", choices=sorted(workloads.WORKLOADS), default="https-secret")
    parser.add_argument("--work", type=pathlib.Path, help="folder to work in, made anew and kept (default: a temporary one)")
    parser.add_argument("--prepare-only", action="store_true", help="stop before the launches")
    parser.add_argument("--podman", action="store_true", help="launch by podman, with bartizan-runtime")
    options = parser.parse_args()
    work = (options.work or pathlib.Path(tempfile.mkdtemp(prefix="bartizan-demo-"))).resolve()
    if options.work:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
    claims = Claims()
    try:
        (prepare_for_podman if options.podman else prepare)(work, options.workload, claims)
        if not options.prepare_only:
            launch(work, claims, *(("podman.py", "podman run, attest, serve") if options.podman else
                                   ("launch.py", "Launch, attest, serve; four attacks")))
    finally:
        if not options.work:
            shutil.rmtree(work, ignore_errors=True)
    print()
    print(claims.table())
    return 0 if claims.all_hold() else 1


if __name__ == "__main__":
    sys.exit(main())
