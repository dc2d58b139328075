#!/usr/bin/env bash
# Reads of 4 KiB from a disk whose file is in memory, by a pool of threads and by io_uring, one and 16 at a time: "name
# value unit" lines. System calls are those of the disk's own threads, counted by strace in a run of its own.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
bench=${BARTIZAN_BUILD:-build/dev}/tests/unit/vmm/virtio/disk_bench
rates=()
requests=${BENCH_REQUESTS:-200000} counted=8000
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# ENGINE DEPTH: system calls for each request, of the threads that read the file, and their waits for locks and for each
# other. The pool's threads wait for work so; and the lock of this guest's memory is in both.
calls() {
  strace -f -qq -o "$work/calls" "$bench" "$1" "$2" "$counted" > "$work/figures"
  awk -v requests="$counted" '
    NR == 1 { main = $1 }  # the loader reads files too
    /resumed>/ { next }
    / futex\(/ { futexes[$1]++; next }
    { calls[$1]++ }
    $1 != main && / (pread64|io_uring_enter)\(/ { disk[$1] = 1 }
    END {
      for (thread in disk) { all += calls[thread]; waits += futexes[thread] }
      printf "%.2f %.2f\n", all / requests, waits / requests
    }' "$work/calls" > "$work/counts"
}

for depth in 1 16; do
  for engine in threads ring; do
    "$bench" $engine $depth "$requests" > "$work/rate"
    read -r rate interrupts < "$work/rate"
    echo "disk_${engine}_depth_${depth}_rate $rate requests/s"
    calls $engine $depth
    read -r calls waits < "$work/counts"
    echo "disk_${engine}_depth_${depth}_calls $calls calls/request"
    echo "disk_${engine}_depth_${depth}_futexes $waits calls/request"
    echo "disk_${engine}_depth_${depth}_interrupts $interrupts interrupts/request"
    rates[$depth]="${rates[$depth]:-} $rate"
  done
  awk -v depth="$depth" '{printf "disk_ring_to_threads_depth_%d %.2f times\n", depth, $2 / $1}' <<< "${rates[$depth]}"
done
