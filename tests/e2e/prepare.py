"""Makes what the end-to-end tests launch, where no KVM is needed: images, keys, a bundle, a broker's state.

    python3 tests/e2e/prepare.py FOLDER     (called by scripts/run_tests.py; FOLDER is made anew)
"""

import json
import pathlib
import shutil
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "scripts/demo.d"))
from demo import RunningBroker, bartizan, free_port  # noqa: E402
from workloads import add_layer, new_layout, run, tar, write_json  # noqa: E402

# name -> umoci config: each is one launch of one test.
IMAGES = {
    "exit7": ["--config.cmd", "lines=3", "--config.cmd", "exit=7"],
    "process": ["--config.user", "web", "--config.env", "COLOUR=blue", "--config.env", "EMPTY=", "--config.workingdir", "/srv",
                *[word for action in ("id", "env", "read=/srv/hello.txt", "read=/.krun_config.json", "read=/secret-of-root",
                                      "write=/srv/new", "write=/tmp/new", "read=/proc/1/environ", "echo") for word in ("--config.cmd", action)]],
    "input": ["--config.user", "web", "--config.cmd", "input", "--config.cmd", "all=/dev/stdin"],
    "terminal": ["--config.cmd", "input", "--config.cmd", "echo"],
    "size": ["--config.cmd", "size"],
    "term": ["--config.cmd", "term"],
    "abort": ["--config.cmd", "abort"],
    "cpus": ["--config.cmd", "cpus"],
    "scratch": ["--config.cmd", "fill=/srv/big:6", "--config.cmd", "check=/srv/big:6", "--config.cmd", "echo",
                "--config.cmd", "check=/srv/big:6"],
    "vsock": ["--config.cmd", "vsock=5000", "--config.cmd", "vsock=5001", "--config.cmd", "lines=2000"],
}
# name -> words for `bartizan build`
BUILD_OPTIONS = {"scratch": ["--scratch", "32M"]}


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
        for name, settings in IMAGES.items():
            layout = ordinary_image(folder, name, settings)
            bartizan("build", layout, "--output", folder / name, "--key-out", folder / f"{name}.key", *BUILD_OPTIONS.get(name, []))
        layout = folder / "ordinary/exit7"
        attested = ["--broker", f"https://10.0.2.2:{port}", "--broker-ca", folder / "broker/ca.pem"]
        bartizan("build", layout, "--output", folder / "attested", "--key-out", folder / "attested.key", *attested)
        bartizan("build", layout, "--output", folder / "unregistered", "--key-out", folder / "unregistered.key", *attested)
        bartizan("build", layout, "--output", folder / "unreachable", "--key-out", folder / "unreachable.key",
                 "--broker", f"https://10.0.2.2:{dead_port}", "--broker-ca", folder / "broker/ca.pem")
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
            "-subj", "/CN=another CA", "-keyout", folder / "other.key", "-out", folder / "other.pem")
        bartizan("build", layout, "--output", folder / "wrong_ca", "--key-out", folder / "wrong_ca.key",
                 "--broker", f"https://10.0.2.2:{port}", "--broker-ca", folder / "other.pem")
        bartizan("register", folder / "attested", "--broker", f"https://127.0.0.1:{port}", "--ca", folder / "broker/ca.pem",
                 "--token-file", folder / "broker/admin.token", "--key-file", folder / "attested.key", "--bundle", folder / "bundle",
                 "--memory", facts["ram_mib"], "--allow-simulated")
    (folder / "wrong.key").write_text("not the key")
    write_json(folder / "facts.json", facts)


if __name__ == "__main__":
    try:
        main(pathlib.Path(sys.argv[1]).resolve())
    except (RuntimeError, subprocess.CalledProcessError, json.JSONDecodeError) as error:
        sys.exit(f"prepare: {error}")
