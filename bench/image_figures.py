"""The figures of bench/image.sh. image_figures.py WORK BARTIZAN"""

import hashlib
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tarfile
import time

MIB = 1 << 20
SIZE = int(os.environ.get("BENCH_MIB", "1024")) * MIB
PAIRS = int(os.environ.get("BENCH_PAIRS", "5"))
LUKSY = os.environ.get("LUKSY") or shutil.which("luksy")


def make_root(root):
    """Files from a few bytes to 32 MiB, as distributions have them: most are small, most bytes are in large ones."""
    draw = random.Random(1)
    left, number = SIZE, 0
    while left > 0:
        size = min(left, int(2 ** draw.uniform(4, 25 if draw.random() < 0.02 else 17)))
        folder = root / f"{number // 500:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file-{number:06d}").write_bytes(os.urandom(size))
        left -= size
        number += 1
    return number


def make_layout(layout, root):
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    with tarfile.open(layout / "layer", "w") as tar:
        tar.add(root, ".")
    with open(layout / "layer", "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else sha256(file)
    size = (layout / "layer").stat().st_size
    (layout / "layer").rename(blobs / digest)

    def blob(kind, value):
        text = json.dumps(value).encode()
        name = hashlib.sha256(text).hexdigest()
        (blobs / name).write_bytes(text)
        return {"mediaType": f"application/vnd.oci.image.{kind}.v1+json", "digest": f"sha256:{name}", "size": len(text)}

    config = blob("config", {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/x"]},
                             "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]}})
    layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": f"sha256:{digest}", "size": size}
    manifest = blob("manifest", {"schemaVersion": 2, "config": config, "layers": [layer]})
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return blobs / digest


def sha256(file):
    total = hashlib.sha256()
    while chunk := file.read(MIB):
        total.update(chunk)
    return total.hexdigest()


def timed(*commands):
    """Seconds on the clock, user seconds, peak MiB of commands run one after the other."""
    os.sync()
    start, user, peak = time.monotonic(), 0.0, 0
    for command in commands:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.exit(f"{command[0]} failed: {process.returncode}")
        user += usage.ru_utime
        peak = max(peak, usage.ru_maxrss / 1024)
    return time.monotonic() - start, user, peak


def build(work, bartizan):
    shutil.rmtree(work / "out", ignore_errors=True)
    return timed([bartizan, "build", str(work / "src"), "-o", str(work / "out"), "--key-file", str(work / "key"), "--json"])


def copy(work, layer):
    (work / "copy").unlink(missing_ok=True)
    return timed(["cp", "--reflink=never", str(layer), str(work / "copy")], ["sync", str(work / "copy")])


def luksy(work):
    for name in ("ext4", "luks"):
        (work / name).unlink(missing_ok=True)
    mib = SIZE // MIB * 5 // 4
    encrypt = [LUKSY, "encrypt", "--password-file", str(work / "key"), str(work / "ext4"), str(work / "luks")]
    make = ["mke2fs", "-q", "-t", "ext4", "-d", str(work / "root"), str(work / "ext4"), f"{mib}m"]
    return timed(make, encrypt, ["sync", str(work / "luks")])


def main(work, bartizan):
    work = pathlib.Path(work)
    (work / "key").write_text("0123456789abcdef" * 4)
    files = make_root(work / "root")
    layer = make_layout(work / "src", work / "root")
    print(f"{files} files, {SIZE // MIB} MiB, {PAIRS} pairs", file=sys.stderr)
    build(work, bartizan)  # both once for nothing: what they read is in memory then
    builds, copies, others = [], [], []
    for _ in range(PAIRS):
        builds.append(build(work, bartizan))
        copies.append(copy(work, layer))
        if LUKSY:
            others.append(luksy(work))
        print(f"build {builds[-1][0]:.2f} s, cp + fsync {copies[-1][0]:.2f} s", file=sys.stderr)
    if LUKSY:
        speedup = statistics.median(other[0] / own[0] for other, own in zip(others, builds))
        print(f"speedup_vs_luksy {speedup:.2f} times")
    else:
        print("speedup_vs_luksy: skipped, no luksy in PATH (Debian package luksy, from Debian 13 on)", file=sys.stderr)
    print(f"rate_vs_cp {statistics.median(other[0] / own[0] for other, own in zip(copies, builds)):.2f} of cp's speed")
    print(f"seconds_per_gib {statistics.median(own[0] for own in builds) * 1024 * MIB / SIZE:.2f} s")
    print(f"cpu_seconds_per_gib {statistics.median(own[1] for own in builds) * 1024 * MIB / SIZE:.2f} s")
    print(f"peak_memory_mib {max(own[2] for own in builds):.0f} MiB")


main(*sys.argv[1:])
