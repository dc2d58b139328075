#!/usr/bin/env bash
# The broker under 1, 16 and 256 clients, and under idle connections: "name value unit" lines. Each client has a loopback
# address of its own; evidence is of the simulated TEE, and the clients sign it on the same processors.
#   BENCH_IDLE=N   idle connections (10000; as many as RLIMIT_NOFILE allows)
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
build=${BARTIZAN_BUILD:-build/dev}
work=$(mktemp -d)
ulimit -n "$(ulimit -Hn)"
"$build/src/cli/bartizan" broker --state "$work/state" --listen 127.0.0.1:0 --json \
  --requests-per-second 1000000 --request-burst 1000000 > "$work/broker.json" &
broker=$!
trap 'kill "$broker" 2> /dev/null || true; wait "$broker" 2> /dev/null || true; rm -rf "$work"' EXIT
until [ -s "$work/broker.json" ]; do kill -0 "$broker"; sleep 0.1; done
url=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["url"])' "$work/broker.json")
"$build/tests/attest/broker_bench" "$url" "$work/state" "$broker" "${BENCH_IDLE:-10000}"
