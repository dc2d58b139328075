# make_many.sh FOLDER: the image src:latest with 50,000 files and with names that nobody likes; as umoci unpacks it in want/.
set -e
cd "$1"
umoci init --layout src
umoci new --image src:latest
umoci unpack --rootless --image src:latest bundle
python3 - bundle/rootfs <<'END'
import os
import sys

root = os.fsencode(sys.argv[1])
for number in range(50_000):
    folder = b"%s/many/%02d/%02d" % (root, number % 50, number // 50 % 20)
    os.makedirs(folder, exist_ok=True)
    with open(b"%s/file-%d" % (folder, number), "wb") as file:
        file.write(b"%d" % number * (number % 300))
os.mkdir(root + b"/odd")
for name in (b"-rf", b" ", b"~", b"\\", b"$(touch x)", b"%s%n", b"...", b"\xff\xfe", b"a:b", b"*", b"\x01\x7f", "\u202egpj".encode(), b"n" * 255):
    with open(root + b"/odd/" + name, "wb") as file:
        file.write(name)
path = root + b"/deep"
os.mkdir(path)
for _ in range(100):
    path += b"/" + b"d" * 30
    os.mkdir(path)
END
umoci repack --refresh-bundle --image src:latest bundle
umoci unpack --rootless --image src:latest want
