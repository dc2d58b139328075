"""One line for each entry of a tree: all that two readers of it must agree on. Run: tree_lines.py FOLDER.

A line is: path, type and mode, owner, device or size, links, time in nanoseconds, extended attributes, link target, SHA-256 of
the content, and the first name of the same inode. Paths are bytes, written as Python writes them. Of folders the link
count is what Unix file systems say (two and one a subfolder), as not every file system of a host counts.
"""

import hashlib
import os
import stat
import sys

OURS = b".krun_config.json"  # what bartizan adds


class Entry:
    """`content`: an iterable of pieces. `same`: equal for names of one inode, None if it has only one."""

    def __init__(self, path, mode, owner, size, links, mtime_ns, xattrs, device=0, target=b"", content=(), same=None):
        self.path, self.mode, self.owner, self.size, self.links, self.mtime_ns = path, mode, owner, size, links, mtime_ns
        self.xattrs, self.device, self.target, self.content, self.same = xattrs, device, target, content, same


def lines(entries):
    """Pairs of line and entry, of entries in any order; first names are first by bytes."""
    first = {}
    for entry in sorted(entries, key=lambda entry: entry.path):
        if entry.path == OURS:
            continue
        words = [repr(entry.path), stat.filemode(entry.mode), "%o" % stat.S_IMODE(entry.mode), "%d:%d" % entry.owner]
        if stat.S_ISCHR(entry.mode) or stat.S_ISBLK(entry.mode):
            words.append("device %d:%d" % (os.major(entry.device), os.minor(entry.device)))
        elif not stat.S_ISDIR(entry.mode):
            words.append("%d bytes" % entry.size)
        words += ["%d links" % entry.links, "at %d" % entry.mtime_ns]
        words += ["%s=%s" % (name, value.hex()) for name, value in sorted(entry.xattrs.items())]
        if stat.S_ISLNK(entry.mode):
            words.append("-> " + repr(entry.target))
        if stat.S_ISREG(entry.mode):
            digest = hashlib.sha256()
            for piece in entry.content:
                digest.update(piece)
            words.append(digest.hexdigest())
        if not stat.S_ISDIR(entry.mode) and entry.same is not None:
            words.append("is " + repr(first.setdefault(entry.same, entry.path)))
        yield " ".join(words), entry


def pieces(path):
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            yield piece


def real_tree(root):
    """Entries of a folder, the folder itself as the empty path."""
    todo = [(b"", os.lstat(root))]
    while todo:
        path, status = todo.pop()
        full = os.path.join(root, path) if path else root
        links, target = status.st_nlink, b""
        if stat.S_ISDIR(status.st_mode):
            links = 2
            for child in os.scandir(full):
                child_status = child.stat(follow_symlinks=False)
                links += stat.S_ISDIR(child_status.st_mode)
                todo.append((os.path.join(path, child.name), child_status))
        elif stat.S_ISLNK(status.st_mode):
            target = os.readlink(full)
        names = os.listxattr(full, follow_symlinks=False)
        xattrs = {name: os.getxattr(full, name, follow_symlinks=False) for name in names}
        yield Entry(path, status.st_mode, (status.st_uid, status.st_gid), status.st_size, links, status.st_mtime_ns, xattrs,
                    status.st_rdev, target, pieces(full), status.st_ino)


if __name__ == "__main__":
    sys.stdout.writelines(line + "\n" for line, _ in lines(real_tree(os.fsencode(sys.argv[1]))))
