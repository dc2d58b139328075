#!/usr/bin/env bash
# Exits from vCPU start to PID 1 and to the workload, without TEE and with the simulated one, on a stock Debian kernel:
# "name value unit" lines. One launch each: these figures repeat exactly, so more launches tell nothing.
#   BENCH_KERNEL=FILE   another kernel than the newest cloud kernel under /boot
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
work=$PWD/build/bench/boot
bartizan=${BARTIZAN_CLI:-build/dev/src/cli/bartizan}
rm -rf "$work"
mkdir -p "$work/root/tmp"

# The smallest workload: a static program that ends at once.
echo 'int main(void) { return 0; }' | cc -x c -O2 -static -o "$work/root/true" -
tar --create --file "$work/root.tar" --directory "$work/root" .
{
  umoci init --layout "$work/ordinary"
  umoci new --image "$work/ordinary:latest"
  umoci raw add-layer --image "$work/ordinary:latest" "$work/root.tar"
  umoci config --image "$work/ordinary:latest" --config.entrypoint /true
  "$bartizan" build "$work/ordinary" -o "$work/image" --key-out "$work/disk.key"
  "$bartizan" bundle create --output "$work/bundle" ${BENCH_KERNEL:+--kernel "$BENCH_KERNEL"} \
    --init build/dev/src/guest/bartizan-init
} >&2

for tee in none simulated; do
  scripts/on-kvm-host -- "$bartizan" run "$work/image" --bundle "$work/bundle" --tee "$tee" --json --stats \
    --key-file "$work/disk.key" >"$work/$tee.json" 2>"$work/$tee.log" ||
    { echo "bench boot: the guest with TEE $tee failed: $work/$tee.log" >&2; cat "$work/$tee.json" >&2; exit 1; }
done
exec python3 bench/boot_figures.py "$work"
