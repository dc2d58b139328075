#!/usr/bin/env bash
# Draws docs/image-build-time.png from the figures of bench/image.sh on standard input: processor seconds per GiB by
# stage, one bar a kind of layer.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
data=$(mktemp)
trap 'rm -f "$data"' EXIT
python3 /dev/fd/3 > "$data" 3<< 'END'
import sys
STAGES = {"source_digest": "source: read, SHA-256", "decompress": "decompress", "prediction": "prediction",
          "file_system": "tar, merge, EROFS", "encryption": "AES-256-XTS", "verity": "dm-verity: SHA-256",
          "output_digest": "output: SHA-256", "write_and_sync": "write, fsync"}
figures = dict(line.split()[:2] for line in sys.stdin if line.startswith("stage_"))
kinds = [kind for kind in ("plain", "gzip", "zstd") if f"stage_{kind}_encryption" in figures]
print("layer", *(f'"{label}"' for label in STAGES.values()))
for kind in kinds:
    # A compressed layer has no prediction.
    print(kind, *(0 if name == "prediction" and kind != "plain" else figures[f"stage_{kind}_{name}"] for name in STAGES))
END
gnuplot << END
set terminal pngcairo size 900,420 font "sans,11"
set output "docs/image-build-time.png"
set title "Building a confidential image: processor seconds (user and system) per GiB"
set style data histogram
set style histogram rowstacked
set style fill solid 0.9 border rgb "white"
set boxwidth 0.6
set yrange [0:*]
set ylabel "seconds per GiB, one core"
set grid ytics
set key outside right reverse Left invert
set xlabel "kind of layer"
plot for [i=2:9] "$data" using i:xtic(1) title columnheader(i) linecolor i
END
