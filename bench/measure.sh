#!/usr/bin/env bash
# Offline measurement: pages a second (10,000 random pages; this one depends on the machine), and pages that launching
# the default bundle loads, for each TEE that launches it: "name value unit" lines.
#   BENCH_KERNEL=FILE   another kernel than the newest cloud kernel under /boot
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
build=${BARTIZAN_BUILD:-build/dev}
work=$PWD/build/bench/measure
rm -rf "$work"
mkdir -p "$work"
"$build/tests/differential/measure/measure_bench"
"$build/src/cli/bartizan" bundle create --output "$work/bundle" ${BENCH_KERNEL:+--kernel "$BENCH_KERNEL"} \
  --init "$build/src/guest/bartizan-init" >&2
pages_launched() {  # NAME TEE
  "$build/src/cli/bartizan" measure --tee "$2" --bundle "$work/bundle" --json |
    python3 -c 'import json, sys; print(sys.argv[1], json.load(sys.stdin)["page_count"], "pages")' "$1"
}
pages_launched pages_launched simulated
for tee in sev sev-es snp tdx; do pages_launched "pages_launched_${tee//-/_}" "$tee"; done
