"""upper_layers.py BASE.tar MIDDLE.tar TOP.tar: two layers over a base, with all that layers can do to one another.

What they hide, replace and link is drawn from the names in the base; the same base gives the same layers.
"""

import io
import random
import sys
import tarfile

HOUR = 3600


class Layer:
    def __init__(self, path, seed):
        self.tar = tarfile.open(path, "w", format=tarfile.PAX_FORMAT)
        self.random = random.Random(seed)

    def add(self, name, kind=tarfile.REGTYPE, content=b"", link="", mode=0o644, owner=(0, 0), time="1000000000.123456789", device=(0, 0),
            xattrs=None):
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.mode, info.size = kind, link, mode, len(content)
        info.uid, info.gid = owner
        info.devmajor, info.devminor = device
        info.pax_headers = {"mtime": time}
        for key, value in (xattrs or {}).items():
            # tarfile encodes as UTF-8 what is no byte of a surrogate.
            info.pax_headers["SCHILY.xattr." + key] = value.decode("utf-8", "surrogateescape")
        self.tar.addfile(info, io.BytesIO(content))

    def folder(self, name, mode=0o755, **more):
        self.add(name, tarfile.DIRTYPE, mode=mode, **more)

    def hide(self, name):
        folder, _, base = name.rpartition("/")
        self.add(f"{folder}/.wh.{base}" if folder else f".wh.{base}")

    def bytes(self, size):
        return self.random.randbytes(size)


def names_of(path):
    """Regular files and folders below others, without "./"."""
    files, folders = [], []
    with tarfile.open(path) as tar:
        for info in tar:
            name = info.name.removeprefix("./")
            if "/" in name and info.isreg():
                files.append(name)
            elif "/" in name and info.isdir():
                folders.append(name)
    return sorted(files), sorted(folders)


def below(names, folder):
    return [name for name in names if name.startswith(folder + "/")]


def middle(layer, files, folders):
    full = [name for name in folders if below(files, name) and not below(folders, name)]
    gone, emptied, replaced = (full + [None] * 3)[:3]
    spared = [name for name in files if not any(folder and name.startswith(folder + "/") for folder in (gone, emptied, replaced))]
    for name in spared[::7]:
        layer.hide(name)
    kept = [name for number, name in enumerate(spared) if number % 7]
    if gone:
        layer.hide(gone)
    if emptied:
        layer.folder(emptied, mode=0o711, time="-5.25")
        layer.add(emptied + "/.wh..wh..opq")
        layer.add(emptied + "/new", content=b"of the middle layer")
    if replaced:
        layer.add(replaced, tarfile.SYMTYPE, link="../somewhere/else")
    for number, name in enumerate(kept[1:9]):  # other content, other owner, under the old name
        layer.add(name, content=layer.bytes(5000 * number), mode=0o600 + number, owner=(1000 + number, 50))
    layer.folder("odd", time="1.000000001")
    for number, name in enumerate(kept[10:14]):  # hard links into the lower layer
        layer.add(f"odd/link-{number}", tarfile.LNKTYPE, link=name)
    special(layer)


def special(layer):
    capability = b"\x01\x00\x00\x02\x00\x20\x00\x00" + bytes(12)  # cap_net_raw=ep
    layer.add("odd/capable", content=b"ping", mode=0o4755, xattrs={"security.capability": capability})
    layer.add("odd/tagged", content=b"x", xattrs={"user.empty": b"", "user.long": b"v" * 2000, "trusted.who": b"us"})
    layer.folder("odd/tagged-folder", mode=0o2775, xattrs={"user.folder": b"yes"})
    layer.add("odd/late/file", content=b"before its folder")
    layer.folder("odd/late", mode=0o1777)
    layer.add("odd/character", tarfile.CHRTYPE, device=(4095, 1048575), mode=0o666)
    layer.add("odd/block", tarfile.BLKTYPE, device=(259, 300), owner=(0, 6))
    layer.add("odd/pipe", tarfile.FIFOTYPE, mode=0o622)
    layer.add("odd/big-owner", content=b"x", owner=(3_000_000_000, 4_000_000_000))
    layer.add("odd/before-1970", content=b"x", time="-100000.5")
    layer.add("odd/far-future", content=b"x", time="7258118400.000000001")
    layer.add("odd/" + "n" * 255, content=b"x")
    layer.add("odd/long-link", tarfile.SYMTYPE, link="l" * 3000)
    layer.folder("odd/there")
    layer.add("odd/alias", tarfile.SYMTYPE, link="there")
    for size in (1, 2047, 2048, 2049, 4095, 4096, 4097, 70000):
        layer.add(f"odd/size-{size}", content=layer.bytes(size))
    layer.add("odd/first", content=b"one inode, three names")
    layer.add("odd/second", tarfile.LNKTYPE, link="odd/first")
    layer.add("odd/third", tarfile.LNKTYPE, link="odd/second")


def top(layer, files, folders):
    layer.hide("odd/second")
    layer.hide("odd/pipe")
    layer.add("odd/size-1", tarfile.DIRTYPE, mode=0o750)  # a folder where a file was
    layer.add("odd/size-1/inside", content=b"x")
    layer.add("odd/alias/through", content=b"through a link of a lower layer")
    layer.add("odd/of-the-top", tarfile.LNKTYPE, link="odd/capable")
    layer.add("odd/size-4096", content=b"shorter")
    layer.add("odd/late", tarfile.DIRTYPE, mode=0o700, time="2.5")  # only its metadata
    if files:
        layer.add(files[0], content=b"back again")


if __name__ == "__main__":
    names = names_of(sys.argv[1])
    for make, path in zip((middle, top), sys.argv[2:]):
        layer = Layer(path, path.rpartition("/")[2])
        make(layer, *names)
        layer.tar.close()
