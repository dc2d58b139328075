# make_foreign.sh FOLDER: in it a tree of everything that an ext4 can hold (want/) and the same as a file system (plain.ext4),
# made by mke2fs and debugfs. Without root there are no devices and no other owners in both.
set -eu
cd "$1"
export LC_ALL=C
rm -rf want plain.ext4
mkdir -p want/bin want/etc want/tmp want/data/deep/er
printf '#!/bin/sh\necho hello\n' > want/bin/app
chmod 755 want/bin/app
ln -s app want/bin/sh
ln -s "$(printf 'x%.0s' $(seq 1 300))" want/data/long-link
echo 'root:x:0:0::/:/bin/sh' > want/etc/passwd
echo once > want/etc/a
ln want/etc/a want/etc/b
ln want/etc/a want/data/c
: > want/data/empty
seq 1 400000 > want/data/big
truncate -s 9M want/data/sparse
printf middle | dd of=want/data/sparse bs=1 seek=5000000 conv=notrunc status=none
for i in $(seq 1 600); do echo "$i" > "want/data/deep/er/a-name-that-makes-the-folder-large-$i"; done
mkfifo want/data/fifo
ln want/data/fifo want/data/fifo-again
printf x > "want/data/.wh.name"
printf y > "want/data/$(printf 'caf\303\251 \377')"
python3 -c "
import os
os.setxattr('want/etc/passwd', 'user.kind', b'something')
os.setxattr('want/data', 'user.of-folder', bytes(range(200)))"
if [ "$(id -u)" = 0 ]; then
  mknod want/data/null c 1 3 && mknod want/data/large b 259 70000 || rm -f want/data/null
  chown 1000:70000 want/data/deep
  chown -h 70001:5 want/data/long-link
fi
chmod 4711 want/data/empty
chmod 1777 want/tmp
chmod 750 want
find want -exec touch -h -d '2021-02-03 04:05:06 UTC' {} +
touch -d '2107-01-02 03:04:05.123456789 UTC' want/data/big
touch -d '1955-01-02 03:04:05.5 UTC' want/etc/a
cat want.json > want/.krun_config.json
touch -d '2021-02-03 04:05:06 UTC' want

truncate -s 32M plain.ext4
mke2fs -q -t ext4 -b 4096 -d want plain.ext4
# What mke2fs 1.47.0 leaves out: the root's own attributes, and what of a time is not in its low 32 bits.
low() { printf '0x%x' $(( $1 & 0xffffffff )); }
set_time() { # PATH SECONDS NANOSECONDS
  signed=$(( ($2 & 0xffffffff) < 0x80000000 ? ($2 & 0xffffffff) : ($2 & 0xffffffff) - 0x100000000 ))
  printf 'sif %s mtime %s\nsif %s mtime_extra 0x%x\n' "$1" "$(low "$2")" "$1" $(( ($3 << 2) | ((($2 - signed) >> 32) & 3) ))
}
{
  printf 'sif / mode 040750\nsif / uid %s\nsif / gid %s\n' "$(id -u)" "$(id -g)"
  set_time / "$(stat -c %Y want)" 0
  set_time /data/big "$(stat -c %Y want/data/big)" 123456789
  set_time /etc/a "$(stat -c %Y want/etc/a)" 500000000
} > debugfs.txt
debugfs -w -f debugfs.txt plain.ext4 > debugfs.log 2>&1
e2fsck -fn plain.ext4
