#!/usr/bin/env bash
# `podman run` to the workload's first line: a confidential image by bartizan-runtime beside the ordinary one that it was made of
# by crun, in pairs, and the memory of the VM's process beside the guest's: "name value unit" lines, medians. Needs root.
#   BENCH_PAIRS=N  another number of pairs
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
work=$PWD/build/bench/runtime
bartizan=${BARTIZAN_CLI:-build/dev/src/cli/bartizan}
rm -rf "$work"
mkdir -p "$work/root"

# Says one line, and waits until its input ends.
echo '#include <stdio.h>
int main(void) { puts("first line"); fflush(stdout); while (getchar() != EOF) {} return 0; }' |
  cc -x c -O2 -static -o "$work/root/line" -
tar --create --file "$work/root.tar" --directory "$work/root" .
{
  umoci init --layout "$work/ordinary"
  umoci new --image "$work/ordinary:latest"
  umoci raw add-layer --image "$work/ordinary:latest" "$work/root.tar"
  umoci config --image "$work/ordinary:latest" --config.entrypoint /line
  "$bartizan" build "$work/ordinary" -o "$work/confidential" --key-out "$work/disk.key" --memory 256
  "$bartizan" bundle create --output "$work/bundle" --init build/dev/src/guest/bartizan-init
} >&2
exec scripts/on-kvm-host -- /usr/bin/python3 bench/runtime_figures.py "$work"
