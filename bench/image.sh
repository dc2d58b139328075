#!/usr/bin/env bash
# Building a confidential image from 1 GiB of files (one plain layer, mixed sizes), against `cp` + fsync of as many
# bytes and against `mke2fs -d` + `luksy encrypt`, in pairs: "name value unit" lines, medians.
#   BENCH_MIB=N    another size    BENCH_PAIRS=N  another number of pairs    LUKSY=FILE  luksy, if not in PATH
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
work=$PWD/build/bench/image
rm -rf "$work"
mkdir -p "$work"
trap 'rm -rf "$work"' EXIT
PATH=$PATH:/usr/sbin:/sbin python3 bench/image_figures.py "$work" "${BARTIZAN_CLI:-build/dev/src/cli/bartizan}"
