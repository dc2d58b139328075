#!/usr/bin/env bash
# One tree as our EROFS and as ext4 (mke2fs -d, without journal, as small as it fits): what building costs, how large
# it is, and how much is read from the disk to mount it, to list all of it and to read 200 of its files. "name value
# unit" lines. The latter need root and loop devices.
#   BENCH_TREE=FOLDER  the tree; default: 256 MiB of mixed files as bench/image.sh makes them
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
build=${BARTIZAN_BUILD:-build/dev}
work=$PWD/build/bench/filesystems
rm -rf "$work"
mkdir -p "$work"
trap 'mountpoint -q "$work/mnt" && umount "$work/mnt"; rm -rf "$work"' EXIT
PATH=$PATH:/usr/sbin:/sbin python3 bench/filesystems.py "$work" "$build/tests/image/image_stages" "${BENCH_TREE:-}"
