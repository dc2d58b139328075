"""made_bases.py many|odd-names BASE.tar: base layers that no package has: 60,000 files (upper_layers.py hides some), and names that nobody likes."""

import io
import os
import sys
import tarfile


def add(tar, name, kind=tarfile.REGTYPE, content=b"", link=""):
    info = tarfile.TarInfo(os.fsdecode(name))
    info.type, info.linkname, info.size, info.mtime = kind, os.fsdecode(link), len(content), 1_234_567_890
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    tar.addfile(info, io.BytesIO(content))


def many(tar):
    for folder in range(50):
        add(tar, b"many/%02d" % folder if folder else b"many", tarfile.DIRTYPE)
        for sub in range(20):
            if not folder and not sub:
                add(tar, b"many/00", tarfile.DIRTYPE)
            add(tar, b"many/%02d/%02d" % (folder, sub), tarfile.DIRTYPE)
            for number in range(60):
                serial = (folder * 20 + sub) * 60 + number
                add(tar, b"many/%02d/%02d/file-%d" % (folder, sub, serial), content=b"%d" % serial * (serial % 300))


def odd_names(tar):
    names = [b"-rf", b" ", b"~", b"\\", b"$(touch x)", b"%s%n", b"...", b"\xff\xfe", b"a:b", b"*", b"\x01\x7f", b"new\nline", b"tab\t",
             "\u202egpj".encode(), b"\xe2\x80\xae", b"n" * 255, b"\xc3\xa4" * 127, b"CON", b"aux.", b"wh.", b".wh", b"a.wh.b", b"'", b'"',
             b"=", b"a=b", b"@", b"#", b".git", b"..a", b"a..", b"A", b"a", b"\xc3\x84", b"A\xcc\x88"]
    add(tar, b"odd-names", tarfile.DIRTYPE)
    for name in names:
        add(tar, b"odd-names/" + name, content=name)
        add(tar, b"odd-names/folder of " + name[:200], tarfile.DIRTYPE)
        add(tar, b"odd-names/folder of " + name[:200] + b"/" + name, content=name)
        add(tar, b"odd-names/link to " + name[:200], tarfile.SYMTYPE, link=name)
        add(tar, b"odd-names/hard " + name[:200], tarfile.LNKTYPE, link=b"odd-names/" + name)
    path = b"deep"
    add(tar, path, tarfile.DIRTYPE)
    for _ in range(100):
        path += b"/" + b"d" * 30
        add(tar, path, tarfile.DIRTYPE)
    wide = b"wide"
    add(tar, wide, tarfile.DIRTYPE)
    for number in range(3000):
        add(tar, b"wide/%04d-" % number + b"w" * (number % 250))


if __name__ == "__main__":
    with tarfile.open(sys.argv[2], "w", format=tarfile.GNU_FORMAT) as made:
        {"many": many, "odd-names": odd_names}[sys.argv[1]](made)
