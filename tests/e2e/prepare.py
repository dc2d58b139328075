"""Makes what the end-to-end tests launch, where no KVM is needed: images, keys, a bundle, a broker's state.

    python3 tests/e2e/prepare.py FOLDER     (called by scripts/run_tests.py; FOLDER is made anew)
"""

import base64
import json
import pathlib
import shutil
import ssl
import subprocess
import sys
import urllib.request

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "scripts/demo.d"))
from demo import RunningBroker, bartizan, free_port  # noqa: E402
from workloads import add_layer, new_layout, run, tar, write_json  # noqa: E402

# The host's ports that serve the boot or have their reader.
BOOT_PORTS = [word for port in (1001, 1002, 1003, 1005, 1006, 1007) for word in ("--config.cmd", f"vsock={port}")]
# name -> umoci config: each is one launch of one test.
IMAGES = {
    "exit7": ["--config.cmd", "lines=3", "--config.cmd", "exit=7"],
    "process": ["--config.user", "web", "--config.env", "COLOUR=blue", "--config.env", "EMPTY=", "--config.workingdir", "/srv",
                *[word for action in ("id", "env", "read=/srv/hello.txt", "read=/.krun_config.json", "read=/secret-of-root", "read=/etc/hostname",
                                      "write=/srv/new", "write=/tmp/new", "read=/proc/1/environ", "echo") for word in ("--config.cmd", action)]],
    "input": ["--config.user", "web", "--config.cmd", "input", "--config.cmd", "all=/dev/stdin"],
    "closed": ["--config.cmd", "input", "--config.cmd", "all=/dev/stdin", "--config.cmd", "term"],
    "ports-root": BOOT_PORTS,
    "ports-nobody": ["--config.user", "65534:65534", *BOOT_PORTS],
    "terminal": ["--config.cmd", "input", "--config.cmd", "echo"],
    "flood": ["--config.cmd", "lines=60000"],
    "size": ["--config.cmd", "size"],
    "term": ["--config.cmd", "term"],
    "abort": ["--config.cmd", "abort"],
    "cpus": ["--config.cmd", "cpus"],
    "scratch": ["--config.cmd", "fill=/srv/big:6", "--config.cmd", "check=/srv/big:6", "--config.cmd", "echo",
                "--config.cmd", "check=/srv/big:6"],
    "network": [word for action in ("connect=10.0.2.2/7001", "connect=10.0.2.2/7002", "connect=10.0.2.77/7001",
                                    "connect=169.254.169.254/80", "connect=fd62:7a6e::2/7001", "connect=fd62:7a6e::2/7002",
                                    "serve=7003") for word in ("--config.cmd", action)],
    "served": ["--config.cmd", "serve=7005"],
    "vsock": ["--config.cmd", "vsock=5000", "--config.cmd", "vsock=5001", "--config.cmd", "lines=2000"],
}
# name -> words for `bartizan build`
BUILD_OPTIONS = {"scratch": ["--scratch", "32M"], "closed": ["--host-may", "output"]}


def ordinary_image(folder, name, settings):
    layout = folder / "ordinary" / name
    layout.parent.mkdir(exist_ok=True)
    new_layout(layout)
    add_layer(layout, folder / "root.tar")
    run("umoci", "config", "--image", f"{layout}:latest", "--config.entrypoint", "/probe", *settings)
    return layout


def root_archive(folder):
    root = folder / "root"
    for name in ("etc", "srv", "tmp"):
        (root / name).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    (root / "srv").chmod(0o755)
    shutil.copy(SOURCE / "build/dev/tests/e2e/guest_probe", root / "probe")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nweb:x:1234:1235::/srv:/bin/false\n")
    (root / "etc/group").write_text("root:x:0:\nweb:x:1235:\nlog:x:1300:web\n")
    (root / "srv/hello.txt").write_text("hello from the disk\n")
    (root / "secret-of-root").write_text("0600\n")
    (root / "secret-of-root").chmod(0o600)
    tar(folder / "root.tar", root)


def register_another_key(folder, name, port, ram_mib):
    """Past `bartizan register`, which tries the key on the image."""
    image = bartizan("inspect", folder / name)
    digest = bartizan("measure", "--image", folder / name, "--bundle", folder / "bundle", "--memory", ram_mib)["digest"]
    body = {"id": name, "workload_digest": image["workload_digest"], "measurements": [digest], "allow_simulated": True,
            "resource": image["resource"], "disk_key": base64.b64encode(b"not the key").decode()}
    token = (folder / "broker/admin.token").read_text().strip()
    request = urllib.request.Request(f"https://127.0.0.1:{port}/bartizan/v1/workloads", json.dumps(body).encode(),
                                     {"Content-Type": "application/json", "Authorization": f"Bearer {token}"})
    urllib.request.urlopen(request, context=ssl.create_default_context(cafile=folder / "broker/ca.pem")).close()


def main(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    root_archive(folder)
    port, dead_port = free_port(), free_port()
    facts = {"broker_port": port, "dead_port": dead_port, "ram_mib": 256}
    facts["bundle"] = bartizan("bundle", "create", "--output", folder / "bundle", "--init", SOURCE / "build/dev/src/guest/bartizan-init")
    facts["bundles"] = {}
    for kernel in sorted(pathlib.Path("/boot").glob("vmlinuz-*-cloud-amd64")):
        release = kernel.name.removeprefix("vmlinuz-")
        bartizan("bundle", "create", "--kernel", kernel, "--output", folder / f"bundle-{release}",
                 "--init", SOURCE / "build/dev/src/guest/bartizan-init")
        facts["bundles"][release] = str(folder / f"bundle-{release}")
    with RunningBroker(folder / "broker", port):
        memory = ["--memory", facts["ram_mib"]]  # a container has what its image says
        for name, settings in IMAGES.items():
            layout = ordinary_image(folder, name, settings)
            bartizan("build", layout, "--output", folder / name, "--key-out", folder / f"{name}.key", *memory, *BUILD_OPTIONS.get(name, []))
        layout = folder / "ordinary/exit7"
        attested = ["--broker", f"https://10.0.2.2:{port}", "--broker-ca", folder / "broker/ca.pem"]
        bartizan("build", layout, "--output", folder / "attested", "--key-out", folder / "attested.key", *memory, *attested)
        bartizan("build", layout, "--output", folder / "unregistered", "--key-out", folder / "unregistered.key", *attested)
        bartizan("build", layout, "--output", folder / "unreachable", "--key-out", folder / "unreachable.key",
                 "--broker", f"https://10.0.2.2:{dead_port}", "--broker-ca", folder / "broker/ca.pem")
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
            "-subj", "/CN=another CA", "-keyout", folder / "other.key", "-out", folder / "other.pem")
        bartizan("build", layout, "--output", folder / "wrong_ca", "--key-out", folder / "wrong_ca.key",
                 "--broker", f"https://10.0.2.2:{port}", "--broker-ca", folder / "other.pem")
        # Built for a broker elsewhere; a host may say where it is. The broker knows its owner's key, and no digest.
        run("openssl", "genpkey", "-algorithm", "ed25519", "-out", folder / "owner.key")
        run("openssl", "pkey", "-in", folder / "owner.key", "-pubout", "-out", folder / "owner.pem")
        bartizan("build", layout, "--output", folder / "moved", "--key-out", folder / "moved.key", "--id", "moved", *memory,
                 "--broker", f"https://10.0.2.2:{dead_port}", "--broker-ca", folder / "broker/ca.pem", "--host-may", "output,broker",
                 "--sign-with", folder / "owner.key", "--image-version", 3)
        for name, more in (("attested", []), ("moved", ["--signer", folder / "owner.pem", "--minimum-version", 2])):
            bartizan("register", folder / name, "--broker", f"https://127.0.0.1:{port}", "--ca", folder / "broker/ca.pem",
                     "--token-file", folder / "broker/admin.token", "--key-file", folder / f"{name}.key",
                     "--bundle", folder / "bundle", "--memory", facts["ram_mib"], "--allow-simulated", *more)
        bartizan("build", layout, "--output", folder / "misregistered", "--key-out", folder / "misregistered.key", "--id", "misregistered", *attested)
        register_another_key(folder, "misregistered", port, facts["ram_mib"])
    write_json(folder / "facts.json", facts)


if __name__ == "__main__":
    try:
        main(pathlib.Path(sys.argv[1]).resolve())
    except (RuntimeError, subprocess.CalledProcessError, json.JSONDecodeError) as error:
        sys.exit(f"prepare: {error}")
