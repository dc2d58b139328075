"""made_bases.py many|odd-names|names-N BASE.tar: base layers that no package has: 60,000 files (upper_layers.py hides some), names
that nobody likes, and N names of 22 bytes (every eighth a file of 100 bytes)."""

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


def names(file, count):
    """By hand: tarfile takes a minute for as many as an image may have."""
    header, content = bytearray(512), b"x" * 100 + bytes(412)
    header[100:148] = b"\0".join([b"0000644", b"0000000", b"0000000", b"00000000144", b"11145401322", b""])
    header[156:157], header[257:265] = b"0", b"ustar\x0000"
    for number in range(count):
        name = b"%03d/%022d" % (number // 2000, number * 7919 % 10_000_019)
        header[:len(name)] = name
        header[124:135] = b"%011o" % (0 if number % 8 else 100)
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        file.write(header if number % 8 else header + content)
    file.write(bytes(1024))


if __name__ == "__main__":
    if sys.argv[1].startswith("names-"):
        with open(sys.argv[2], "wb") as made:
            names(made, int(sys.argv[1][len("names-"):]))
        sys.exit()
    with tarfile.open(sys.argv[2], "w", format=tarfile.GNU_FORMAT) as made:
        {"many": many, "odd-names": odd_names}[sys.argv[1]](made)
