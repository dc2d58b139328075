"""The figures of bench/runtime.sh, on a KVM host. runtime_figures.py WORK"""

import os
import pathlib
import statistics
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "scripts/demo.d"))
from podman import Podman, mount_cgroups  # noqa: E402

PAIRS = int(os.environ.get("BENCH_PAIRS", "3"))
RAM_MIB = 256


def run_to_first_line(podman, words, look=lambda: None):
    """Seconds from the command to the workload's first line; `look` is called then, and the container ended."""
    began = time.monotonic()
    with subprocess.Popen([*podman.words, "run", "-i", "--rm", "--network", "host", *words], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, env=podman.environment) as process:
        line = process.stdout.readline()
        seconds = time.monotonic() - began
        seen = look()
        process.stdin.close()
        status = process.wait(120)
    if line != b"first line\n" or status != 0:
        sys.exit(f"podman {words}: \"{line}\", status {status}")
    return seconds, seen


def memory_beside_guests():
    """KiB of the VM's process that are neither guest memory nor shared out to other processes (PSS)."""
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cmdline").read_bytes().startswith(b"/run/.bartizan/ld.so\0"):
                return pss(folder / "smaps")
        except OSError:
            continue
    return sys.exit("no VM's process is found")


def pss(smaps):
    total = size = 0
    for line in smaps.read_text().splitlines():
        word, *rest = line.split()
        if word == "Size:":
            size = int(rest[0])
        elif word == "Pss:" and size < RAM_MIB * 1024:  # a mapping of that size is guest memory
            total += int(rest[0])
    return total


def main(work):
    mount_cgroups()
    podman = Podman(work / "bundle", ["tee", "key-file"])
    try:
        images = {name: podman("pull", "-q", f"oci:{work / name}") for name in ("ordinary", "confidential")}
        ours = ["--annotation", "org.bartizan.tee=none", "--annotation", f"org.bartizan.key-file={work / 'disk.key'}",
                images["confidential"]]
        run_to_first_line(podman, [images["ordinary"]])  # once for nothing: what is read is in memory then
        pairs = []
        for _ in range(PAIRS):
            (own, memory), (stock, _) = run_to_first_line(podman, ours, memory_beside_guests), run_to_first_line(podman, [images["ordinary"]])
            print(f"confidential {own:.2f} s, ordinary {stock:.2f} s, {memory} KiB", file=sys.stderr)
            pairs.append((own, stock, memory))
    finally:
        podman.close()
    print(f"podman_run_confidential {statistics.median(pair[0] for pair in pairs):.2f} s")
    print(f"podman_run_ordinary {statistics.median(pair[1] for pair in pairs):.2f} s")
    print(f"podman_run_ratio {statistics.median(pair[0] / pair[1] for pair in pairs):.2f} times")
    print(f"memory_beside_guest {statistics.median(pair[2] for pair in pairs):.0f} KiB")


main(pathlib.Path(sys.argv[1]))
