#!/bin/sh
# baseline.sh [--update] BUILD_FOLDER: compares the ABI of both libraries with tests/abi/bartizan*.abi, or renews these.
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
ccache=$(command -v ccache || true)

compare() { # NAME MAP SOURCE…
  name=$1 map=$2; shift 2
  # One translation unit: the headers are read once. Only the C types count: without the C++ standard library's the
  # description stays small and the same everywhere.
  for file in "$@"; do
    echo "#include \"$file\""
  done > "$work/$name.cpp"
  ${ccache:+"$ccache"} g++ -std=gnu++20 -O0 -fPIC -fvisibility=hidden -DBARTIZAN_VERSION='"0"' -fdebug-prefix-map="$work/=" \
    -I. -Iinclude -Ibindings -Isrc -g -c "$work/$name.cpp" -o "$work/$name.o"
  g++ -shared -Wl,-soname,"lib$name.so.0" -Wl,--version-script="$map" -Wl,--unresolved-symbols=ignore-all \
    "$work/$name.o" -o "$work/lib$name.so.0"
  abidw --no-corpus-path --no-comp-dir-path --no-show-locs --headers-dir "$source/include" --drop-private-types \
    --exported-interfaces-only --out-file "$work/$name.abi" "$work/lib$name.so.0"
  if [ "$update" = yes ]; then cp "$work/$name.abi" "$here/$name.abi"; return; fi
  abidiff "$here/$name.abi" "$work/$name.abi" || { echo "the ABI differs from tests/abi/$name.abi (abidiff $?)" >&2; exit 1; }
}

generated=bindings/c/generated
compare bartizan bindings/c/bartizan.map bindings/c/*.cpp \
  $generated/attest_options.cpp $generated/machine_options.cpp $generated/tee_options.cpp
compare bartizan_tools bindings/c/tools/bartizan_tools.map bindings/c/tools/*.cpp bindings/c/guard.cpp bindings/c/options.cpp \
  $generated/broker_options.cpp $generated/bundle_options.cpp $generated/image_options.cpp
