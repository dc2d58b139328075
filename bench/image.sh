#!/usr/bin/env bash
# Building a confidential image from 1 GiB of files (one plain layer, mixed sizes), against `cp` + fsync of as many
# bytes and against `mke2fs -d` + `luksy encrypt`, in pairs: "name value unit" lines, medians. Then the same files'
# quarter as gzip and zstd layers, and processor time by stage (bench/image_chart.sh draws it). With BENCH_MKCW=1 also
# against `buildah mkcw` of Debian 13, whose root file system bench/mkcw.sh fetches.
#   BENCH_MIB=N    another size    BENCH_PAIRS=N  another number of pairs    LUKSY=FILE  another luksy
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
build=${BARTIZAN_BUILD:-build/dev}
work=$PWD/build/bench/image
rm -rf "$work"
mkdir -p "$work"
trap 'rm -rf "$work"' EXIT
LUKSY=${LUKSY:-$(bench/luksy.sh || true)}
export LUKSY
MKCW_ROOT=
[ -z "${BENCH_MKCW:-}" ] || MKCW_ROOT=$(bench/mkcw.sh || true)
export MKCW_ROOT
PATH=$PATH:/usr/sbin:/sbin python3 bench/image_figures.py "$work" "${BARTIZAN_CLI:-$build/src/cli/bartizan}" \
  "$build/tests/image/image_stages"
