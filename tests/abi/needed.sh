#!/bin/sh
# needed.sh LIBRARY NAME…: the library asks the loader for exactly these (names without "lib" and version). A name that
# is new here is in every process that links the library: docs/ARCHITECTURE.md, "Two libraries".
set -eu
library=$1; shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '%s\n' "$@" | sort > "$work/expected"
readelf -d "$library" | sed -n 's/.*(NEEDED).*\[lib\(.*\)\.so.*\]/\1/p' | sort > "$work/needed"
diff "$work/expected" "$work/needed" || { echo "$library: what it needs differs from the list in tests/abi/CMakeLists.txt" >&2; exit 1; }
