#!/bin/sh
# baseline.sh [--update] BUILD_FOLDER: compares the ABI of the library with tests/abi/bartizan.abi, or renews that.
#
# Both sides are made by the same abidw with the same flags from the same kind of object: only the C ABI's sources, compiled with
# fixed flags and left with unresolved references, so that neither build type nor sanitizers matter. Any exit status
# of abidiff but 0 fails, because a reordered struct is only 4.
set -eu
update=no
if [ "$1" = --update ]; then update=yes; shift; fi
work=$1/abi-baseline
here=$(dirname "$(readlink -f "$0")")
source=$(readlink -f "$here/../..")
command -v abidw > /dev/null || { echo "SKIP: abidw is not installed (abigail-tools)"; exit 77; }
mkdir -p "$work"
cd "$source"  # relative names in the debug information
# One translation unit: the headers are read once. Only the C types count: without the C++ standard library's the
# description stays small and the same everywhere.
for file in bindings/c/*.cpp bindings/c/generated/*.cpp; do
  echo "#include \"$file\""
done > "$work/all.cpp"
ccache=$(command -v ccache || true)
${ccache:+"$ccache"} g++ -std=gnu++20 -O0 -fPIC -fvisibility=hidden -DBARTIZAN_VERSION='"0"' -fdebug-prefix-map="$work/=" \
  -I. -Iinclude -Ibindings -Isrc -g -c "$work/all.cpp" -o "$work/all.o"
g++ -shared -Wl,-soname,libbartizan.so.0 -Wl,--version-script=bindings/c/bartizan.map -Wl,--unresolved-symbols=ignore-all \
  "$work/all.o" -o "$work/libbartizan.so.0"
mkdir -p "$work/headers"
cp include/bartizan.h "$work/headers/"
abidw --no-corpus-path --no-comp-dir-path --no-show-locs --headers-dir "$source/include" --drop-private-types \
  --exported-interfaces-only --out-file "$work/bartizan.abi" "$work/libbartizan.so.0"
if [ "$update" = yes ]; then cp "$work/bartizan.abi" "$here/bartizan.abi"; exit 0; fi
abidiff "$here/bartizan.abi" "$work/bartizan.abi" || { echo "the ABI differs from tests/abi/bartizan.abi (abidiff $?)" >&2; exit 1; }
