"""compare_trees.py SINCE WANT GOT: what differs between a folder as umoci unpacked it and a folder or an EROFS file; status 1
if anything does. umoci leaves the time of unpacking on folders that it made by itself or removed a name from: SINCE (in
seconds) and later. Only of such a folder any time is right.
"""

import os
import stat
import sys

import erofs_lines
import tree_lines


def tree(path):
    return tree_lines.real_tree(os.fsencode(path)) if os.path.isdir(path) else erofs_lines.Erofs(path).entries()


def same(want, got, since):
    """Of two pairs of line and entry, either None."""
    if want is None or got is None:
        return False
    (want_line, want_entry), (got_line, got_entry) = want, got
    if stat.S_ISDIR(want_entry.mode) and want_entry.mtime_ns >= since * 10**9:
        return want_line.replace(f" at {want_entry.mtime_ns}", "") == got_line.replace(f" at {got_entry.mtime_ns}", "")
    return want_line == got_line


def main(since, want_path, got_path):
    want, got = ({entry.path: (line, entry) for line, entry in tree_lines.lines(tree(path))} for path in (want_path, got_path))
    wrong = [path for path in sorted(want.keys() | got.keys()) if not same(want.get(path), got.get(path), since)]
    for path in wrong[:20]:
        print("want", want.get(path, ["nothing at %r" % path])[0])
        print("got ", got.get(path, ["nothing at %r" % path])[0])
    print(f"{len(want)} entries, {len(wrong)} differ")
    return 1 if wrong or len(want) < 2 else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), *sys.argv[2:]))
