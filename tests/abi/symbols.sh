#!/bin/sh
# symbols.sh LIBRARY HEADER MAP: the three name the same functions, and the library has its soname.
set -eu
library=$1 header=$2 map=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Declarations can span lines: join them first.
tr '\n' ' ' < "$header" | grep -oE 'BARTIZAN_API [^;(]*bartizan_[a-z0-9_]+\(' | grep -oE 'bartizan_[a-z0-9_]+\($' | tr -d '(' | sort -u > "$work/header"
grep -oE '^    bartizan_[a-z0-9_]+;' "$map" | tr -d ' ;' | sort -u > "$work/map"
nm -D --defined-only "$library" | awk '$2 != "A" {print $3}' | sed 's/@.*//' | sort -u > "$work/library"
test -s "$work/header"
diff "$work/header" "$work/map" || { echo "bartizan.h and bartizan.map differ" >&2; exit 1; }
diff "$work/map" "$work/library" || { echo "bartizan.map and the library's exports differ" >&2; exit 1; }
readelf -d "$library" | grep -q 'SONAME.*\[libbartizan\.so\.0\]' || { echo "the soname is not libbartizan.so.0" >&2; exit 1; }
echo "$(wc -l < "$work/library") symbols"
