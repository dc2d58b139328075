#!/usr/bin/env bash
# Whole verifications of real evidence beside the bare signatures in it, side by side: "name value unit" lines.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
build=${BARTIZAN_BUILD:-build/dev}
"$build/tests/attest/attest_bench" tests/unit/attest/vendor_evidence
