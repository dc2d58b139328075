#!/bin/sh
# symbols.sh LIBRARY HEADER MACRO MAP: the three name the same functions (of the header, those declared with MACRO), and
# the library has its soname. What one of our libraries exports for the other is in the map and not in the header.
set -eu
library=$1 header=$2 macro=$3 map=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Declarations can span lines: join them first.
tr '\n' ' ' < "$header" | grep -oE "\b$macro [^;(#]*bartizan_[a-z0-9_]+\(" | grep -oE 'bartizan_[a-z0-9_]+\($' | tr -d '(' | sort -u > "$work/header"
grep -oE '^    bartizan_[a-z0-9_]+;' "$map" | tr -d ' ;' | sort -u > "$work/map"
grep -v '^bartizan_private_' "$work/map" > "$work/public"
nm -D --defined-only "$library" | awk '$2 != "A" {print $3}' | sed 's/@.*//' | sort -u > "$work/library"
test -s "$work/header"
diff "$work/header" "$work/public" || { echo "bartizan.h and $(basename "$map") differ" >&2; exit 1; }
diff "$work/map" "$work/library" || { echo "$(basename "$map") and the library's exports differ" >&2; exit 1; }
soname=$(basename "$map" .map)
readelf -d "$library" | grep -q "SONAME.*\[lib$soname\.so\.0\]" || { echo "the soname is not lib$soname.so.0" >&2; exit 1; }
echo "$(wc -l < "$work/library") symbols"
