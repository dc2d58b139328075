"""As tree_lines.py, of an EROFS file without mounting it: erofs_lines.py FILE. By the kernel's fs/erofs/erofs_fs.h, apart from
the library's own writer; reads what mkfs.erofs makes (uncompressed), too, and the tests hold it to that.
"""

import os
import stat
import struct
import sys

import tree_lines

BLOCK = 4096
PREFIXES = {1: "user.", 2: "system.posix_acl_access", 3: "system.posix_acl_default", 4: "trusted.", 6: "security."}


class Erofs:
    def __init__(self, path):
        self.fd = os.open(path, os.O_RDONLY)
        super_block = self.at(1024, 128)
        magic, = struct.unpack_from("<I", super_block, 0)
        if magic != 0xE0F5E1E2 or super_block[12] != 12:
            sys.exit(f"{path}: no EROFS of 4096-byte blocks")
        self.root, = struct.unpack_from("<H", super_block, 14)
        self.epoch, self.epoch_nsec = struct.unpack_from("<QI", super_block, 24)
        self.metadata, self.shared = (BLOCK * block for block in struct.unpack_from("<II", super_block, 40))

    def at(self, offset, size):
        data = os.pread(self.fd, size, offset)
        if len(data) != size:
            sys.exit(f"EROFS ends inside [{offset}, {offset + size})")
        return data

    def inode(self, nid):
        return Inode(self, self.metadata + 32 * nid)

    def entries(self):
        todo = [(b"", self.root)]
        while todo:
            path, nid = todo.pop()
            inode = self.inode(nid)
            if stat.S_ISDIR(inode.mode):
                for name, child in inode.folder():
                    if name not in (b".", b".."):
                        todo.append((os.path.join(path, name), child))
            target = b"".join(inode.content()) if stat.S_ISLNK(inode.mode) else b""
            yield tree_lines.Entry(path, inode.mode, inode.owner, inode.size, inode.links, inode.mtime_ns, inode.xattrs(),
                                   inode.device(), target, inode.content(), nid)


class Inode:
    def __init__(self, image, offset):
        self.image = image
        head = image.at(offset, 64)
        form, self.xattr_words, self.mode = struct.unpack_from("<HHH", head, 0)
        self.layout = form >> 1 & 7
        if self.layout not in (0, 2):
            sys.exit(f"EROFS inode at {offset}: data layout {self.layout}")
        if form & 1:
            self.size, self.union = struct.unpack_from("<QI", head, 8)
            uid, gid, seconds, nanoseconds, self.links = struct.unpack_from("<IIqII", head, 24)
        else:
            self.links, self.size, _, self.union, _, uid, gid = struct.unpack_from("<HIIIIHH", head, 6)
            seconds, nanoseconds = image.epoch, image.epoch_nsec
        self.owner, self.mtime_ns = (uid, gid), seconds * 10**9 + nanoseconds
        self.after = offset + (64 if form & 1 else 32)

    def device(self):  # the kernel's new_decode_dev()
        if not (stat.S_ISCHR(self.mode) or stat.S_ISBLK(self.mode)):
            return 0
        return os.makedev((self.union & 0xFFF00) >> 8, self.union & 0xFF | self.union >> 12 & 0xFFF00)

    def xattr_bytes(self):
        return 12 + 4 * (self.xattr_words - 1) if self.xattr_words else 0

    def xattrs(self):
        found = {}
        if not self.xattr_words:
            return found
        body = self.image.at(self.after, self.xattr_bytes())
        at = 12 + 4 * body[4]
        places = [self.image.shared + 4 * number for number in struct.unpack_from(f"<{body[4]}I", body, 12)]
        while at < len(body):
            places.append(self.after + at)
            name, _, size = struct.unpack_from("<BBH", body, at)
            at += (4 + name + size + 3) // 4 * 4
        for place in places:
            name, prefix, size = struct.unpack("<BBH", self.image.at(place, 4))
            text = self.image.at(place + 4, name + size)
            found[PREFIXES[prefix] + os.fsdecode(text[:name])] = text[name:]
        return found

    def content(self):
        """In pieces, each but the last of whole blocks."""
        if stat.S_IFMT(self.mode) not in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
            return
        inline = self.size % BLOCK if self.layout == 2 else 0
        left, at = self.size - inline, self.union * BLOCK
        while left:
            piece = min(left, 256 * BLOCK)
            yield self.image.at(at, piece)
            at, left = at + piece, left - piece
        if inline:
            yield self.image.at(self.after + self.xattr_bytes(), inline)

    def folder(self):
        for piece in self.content():
            for start in range(0, len(piece), BLOCK):
                yield from block_entries(piece[start:start + BLOCK])


def block_entries(block):
    count = struct.unpack_from("<H", block, 8)[0] // 12
    heads = [struct.unpack_from("<QH", block, 12 * number) for number in range(count)]
    ends = [name_at for _, name_at in heads[1:]] + [len(block)]
    for (nid, name_at), end in zip(heads, ends):
        yield block[name_at:end].split(b"\0")[0], nid


if __name__ == "__main__":
    sys.stdout.writelines(line + "\n" for line, _ in tree_lines.lines(Erofs(sys.argv[1]).entries()))
