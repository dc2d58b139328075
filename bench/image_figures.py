"""The figures of bench/image.sh. image_figures.py WORK BARTIZAN STAGES"""

import gzip
import hashlib
import json
import multiprocessing
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
LUKSY = os.environ.get("LUKSY")
MKCW_ROOT = os.environ.get("MKCW_ROOT")
MEDIA = "application/vnd.oci.image.layer.v1.tar"
CORES = len(os.sched_getaffinity(0))


def make_root(root, total):
    """Files from a few bytes to 32 MiB, as distributions have them: most are small, most bytes are in large ones; one
    half cannot be compressed, the other is words."""
    draw = random.Random(1)
    words = [f"{draw.getrandbits(draw.randint(8, 40)):x}" for _ in range(5000)]
    text = " ".join(draw.choices(words, k=2_000_000)).encode() * 5  # more than the largest file and an offset
    left, number = total, 0
    while left > 0:
        size = min(left, int(2 ** draw.uniform(4, 25 if draw.random() < 0.02 else 17)))
        folder = root / f"{number // 500:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        begin = draw.randrange(8 * MIB)
        content = os.urandom(size) if number % 2 else text[begin:begin + size]
        (folder / f"file-{number:06d}").write_bytes(content)
        left -= size
        number += 1


def sha256(path):
    total = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(MIB):
            total.update(chunk)
    return total.hexdigest()


def make_layout(layout, tar, media_type, diff_id):
    """An image of one layer: the file at `tar`, which moves into it. Returns its new place."""
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    digest, size = sha256(tar), tar.stat().st_size
    tar.rename(blobs / digest)

    def blob(kind, value):
        text = json.dumps(value).encode()
        name = hashlib.sha256(text).hexdigest()
        (blobs / name).write_bytes(text)
        return {"mediaType": f"application/vnd.oci.image.{kind}.v1+json", "digest": f"sha256:{name}", "size": len(text)}

    config = blob("config", {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["x"]},
                             "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff_id or digest}"]}})
    layer = {"mediaType": media_type, "digest": f"sha256:{digest}", "size": size}
    manifest = blob("manifest", {"schemaVersion": 2, "config": config, "layers": [layer]})
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return blobs / digest


def pack(root, tar):
    with tarfile.open(tar, "w") as archive:
        archive.add(root, ".")


def apart(function, *arguments):
    """In a process of its own: a program that starts here inherits this one's peak memory as its own."""
    process = multiprocessing.Process(target=function, args=arguments)
    process.start()
    process.join()
    if process.exitcode != 0:
        sys.exit(f"{function.__name__} failed: {process.exitcode}")


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


def build(work, bartizan, source="src"):
    shutil.rmtree(work / "out", ignore_errors=True)
    return timed([bartizan, "build", str(work / source), "-o", str(work / "out"), "--key-file", str(work / "key"), "--json"])


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


class Mkcw:
    """`buildah mkcw` in a root file system of its own, from and into its storage (plain folders: the fastest driver that needs
    nothing of the kernel), where the same image lies before the clock starts."""

    def __init__(self, work):
        self.folder = pathlib.Path(MKCW_ROOT) / "srv/bench"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        shutil.copytree(work / "src", self.folder / "src")
        self.call("pull", "--quiet", "oci:/srv/bench/src")
        self.image = subprocess.run(self.words("images", "--quiet", "--no-trunc"), check=True, capture_output=True, text=True).stdout.strip()

    @staticmethod
    def words(*words):
        # Its helper that unpacks a layer wants a root folder that is a mount, and /proc.
        enter = 'mount --bind "$0" "$0" && mount --bind /proc "$0/proc" && exec chroot "$0" "$@"'
        return ["unshare", "--mount", "sh", "-c", enter, MKCW_ROOT, "buildah", "--storage-driver", "vfs", "--root", "/srv/bench/root", "--runroot", "/srv/bench/run", *words]

    def call(self, *words):
        subprocess.run(self.words(*words), check=True, stdout=subprocess.DEVNULL)

    def __call__(self):
        made = timed(self.words("mkcw", "--encryption-passphrase", "0123456789abcdef" * 4, "--ignore-attestation-errors", "--tee", "snp",
                                self.image, "made"))
        self.call("rmi", "--force", "made")
        return made

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def mkcw_figures(work, bartizan):
    if not MKCW_ROOT:
        print("speedup_vs_mkcw: skipped, no buildah of Debian 13 (BENCH_MKCW=1, bench/mkcw.sh)", file=sys.stderr)
        return
    mkcw, pairs = Mkcw(work), []
    try:
        for _ in range(PAIRS):
            pairs.append((build(work, bartizan), mkcw()))
            print(f"build {pairs[-1][0][0]:.2f} s, mkcw {pairs[-1][1][0]:.2f} s (user {pairs[-1][1][1]:.2f})", file=sys.stderr)
    finally:
        mkcw.close()
    print(f"speedup_vs_mkcw {statistics.median(other[0] / own[0] for own, other in pairs):.2f} times")


def stages(work, program, source):
    """Processor seconds per GiB of each stage alone, by name."""
    lines = subprocess.run([program, str(work / source), str(work)], check=True, capture_output=True, text=True).stdout
    return {line.split()[0].removeprefix("stage_"): float(line.split()[1]) for line in lines.splitlines()}


def compressed_layouts(work):
    """A quarter of the size, packed by gzip (by default level) and zstd: {kind: size of the tar in bytes}."""
    tar = work / "small.tar"
    apart(make_root, work / "small", SIZE // 4)
    apart(pack, work / "small", tar)
    diff_id, size, kinds = sha256(tar), tar.stat().st_size, {}
    with open(tar, "rb") as plain, gzip.open(work / "small.gz", "wb", 6) as packed:
        shutil.copyfileobj(plain, packed, MIB)
    make_layout(work / "gzip", work / "small.gz", MEDIA + "+gzip", diff_id)
    kinds["gzip"] = size
    if shutil.which("zstd"):
        subprocess.run(["zstd", "-q", str(tar), "-o", str(work / "small.zst")], check=True)
        make_layout(work / "zstd", work / "small.zst", MEDIA + "+zstd", diff_id)
        kinds["zstd"] = size
    return kinds


def main_figures(work, bartizan, layer):
    builds, copies, others = [], [], []
    build(work, bartizan)  # once for nothing: what is read is in memory then
    for _ in range(PAIRS):
        builds.append(build(work, bartizan))
        copies.append(copy(work, layer))
        if LUKSY:
            others.append(luksy(work))
        print(f"build {builds[-1][0]:.2f} s (user {builds[-1][1]:.2f}), cp + fsync {copies[-1][0]:.2f} s, "
              f"luksy {others[-1][0] if others else 0:.2f} s, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    if LUKSY:
        speedup = statistics.median(other[0] / own[0] for other, own in zip(others, builds))
        print(f"speedup_vs_luksy {speedup:.2f} times")
    else:
        print("speedup_vs_luksy: skipped, no luksy", file=sys.stderr)
    scale = 1024 * MIB / SIZE
    print(f"rate_vs_cp {statistics.median(other[0] / own[0] for other, own in zip(copies, builds)):.2f} of cp's speed")
    print(f"seconds_per_gib {statistics.median(own[0] for own in builds) * scale:.2f} s")
    print(f"cpu_seconds_per_gib {statistics.median(own[1] for own in builds) * scale:.2f} s")
    print(f"peak_memory_mib {max(own[2] for own in builds):.0f} MiB")
    return statistics.median(own[0] for own in copies) * scale


def bounds(plain, copy_seconds):
    """What no builder that hashes source, disk and output can beat on this machine, whatever else it does."""
    hashing = 3 * plain["output_digest"]
    print(f"sha256_mib_per_s {1024 / plain['output_digest']:.0f} MiB/s a core")
    print(f"bound_cpu_seconds_per_gib {hashing + plain['encryption']:.2f} s")
    print(f"bound_vs_cp {copy_seconds / ((hashing + plain['encryption']) / CORES):.2f} of cp's speed on {CORES} cores")


def main(work, bartizan, stage_program):
    work = pathlib.Path(work)
    (work / "key").write_text("0123456789abcdef" * 4)
    apart(make_root, work / "root", SIZE)
    apart(pack, work / "root", work / "layer")
    layer = make_layout(work / "src", work / "layer", MEDIA, None)
    files = sum(len(names) for _, _, names in os.walk(work / "root"))
    print(f"{files} files, {SIZE // MIB} MiB, {PAIRS} pairs", file=sys.stderr)
    copy_seconds = main_figures(work, bartizan, layer)
    mkcw_figures(work, bartizan)
    plain = stages(work, stage_program, "src")
    bounds(plain, copy_seconds)
    measured = {"plain": plain}
    for kind, size in compressed_layouts(work).items():
        seconds = statistics.median(build(work, bartizan, kind)[0] for _ in range(3))
        print(f"{kind}_seconds_per_gib {seconds * 1024 * MIB / size:.2f} s")
        measured[kind] = stages(work, stage_program, kind)
    for kind, figures in measured.items():
        for name, value in figures.items():
            print(f"stage_{kind}_{name} {value:.3f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
