"""The figures of bench/filesystems.sh. filesystems.py WORK STAGES TREE"""

import os
import pathlib
import random
import subprocess
import sys

import image_figures as image

MIB = 1 << 20
FILES_READ = 200


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def processor_seconds(*command):
    before = os.times()
    run(*map(str, command))
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


class Loop:
    """A file system image as a read-only block device that counts."""

    def __init__(self, file, kind, mnt):
        self.device = run("losetup", "-r", "-f", "--show", str(file)).strip()
        self.kind, self.mnt = kind, mnt

    def read(self):
        """(requests, KiB) so far."""
        fields = pathlib.Path(f"/sys/block/{self.device[5:]}/stat").read_text().split()
        return int(fields[0]), int(fields[2]) // 2

    def mount(self):
        run("mount", "-r", "-t", self.kind, self.device, str(self.mnt))

    def close(self):
        subprocess.run(["umount", str(self.mnt)], check=False)
        run("losetup", "-d", self.device)


def listing(mnt):
    for folder, _, names in os.walk(mnt):
        for name in names:
            os.lstat(os.path.join(folder, name))


def contents(mnt, names):
    for name in names:
        (mnt / name).read_bytes()


def reads(kind, file, mnt, names):
    for step, action in (("mount", None), ("list", lambda: listing(mnt)),
                         ("read_files", lambda: contents(mnt, names))):
        loop = Loop(file, kind, mnt)
        try:
            start = loop.read()
            loop.mount()
            mounted = loop.read()
            base = start if action is None else mounted
            if action:
                action()
            end = loop.read()
        finally:
            loop.close()
        print(f"{kind}_{step}_requests {end[0] - base[0]} requests")
        print(f"{kind}_{step}_kib {end[1] - base[1]} KiB")


def make_ext4(root, file, files, size):
    """As small as mke2fs can fill it: nobody knows beforehand. What the attempts that fail cost is not counted."""
    for spare in (1.005, 1.01, 1.02, 1.03, 1.05, 1.1, 1.25, 2):
        blocks = int((size + files * 256) * spare) // 4096 + 2 * files // 100 + 256
        try:
            return processor_seconds("mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-m", "0", "-O",
                                     "^has_journal,^resize_inode", "-N", files + files // 20 + 64, "-d", root, file, blocks)
        except subprocess.CalledProcessError:
            file.unlink(missing_ok=True)
    sys.exit("mke2fs: no size fits")


def main(work, stages, tree):
    work = pathlib.Path(work)
    root = pathlib.Path(tree) if tree else work / "root"
    if not tree:
        image.make_root(root, 256 * MIB)
    image.pack(root, work / "layer")
    image.make_layout(work / "src", work / "layer", image.MEDIA, None)
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and not path.is_symlink()]
    size = sum(path.stat().st_size for path in files)
    print(f"files {len(files)} files\ncontent_mib {size / MIB:.1f} MiB")
    seconds = {"erofs": processor_seconds(stages, work / "src", work, work / "erofs"),
               "ext4": make_ext4(root, work / "ext4", len(files), size)}
    for kind, value in seconds.items():
        print(f"{kind}_build_cpu_seconds {value:.2f} s")
        print(f"{kind}_size_mib {(work / kind).stat().st_size / MIB:.1f} MiB")
    if os.geteuid() != 0:
        return print("reads: skipped, loop devices need root", file=sys.stderr)
    (work / "mnt").mkdir()
    names = [path.relative_to(root) for path in random.Random(1).sample(files, min(FILES_READ, len(files)))]
    for kind in seconds:
        reads(kind, work / kind, work / "mnt", names)


main(*sys.argv[1:])
