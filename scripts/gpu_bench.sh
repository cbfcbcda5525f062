#!/usr/bin/env bash
# Measure one GPU at full size with random weights, in under five minutes: the report is OUT/bench.md.
# It is written after each row; rows that have no time left are listed in it.
#   scripts/gpu_bench.sh [OUT]          TOY=1: tiny models on the CPU, to rehearse it.
#                                       BUDGETS=1: what fits into 8, 12, 16 and 24 GB, in OUT/8GB ...
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-.venv/bin/python}
OUT=${1:-output/bench}
if [ "${TOY:-}" ]; then
    exec "$PYTHON" -m read_core.cli bench --device cpu --random tiny --window 4 --steps 2 --clips 1 --rounds 1 \
        --variants chosen joint student --out "$OUT"
fi
# The fast ones first, then those that compile. float8 is measured if torchao is there: pip install torchao
STUDENT=(student) VARIANTS=(chosen student joint wavefront "window 8" "window 4" compiled)
if "$PYTHON" -c 'import torchao' 2>/dev/null; then
    STUDENT+=("student, float8") VARIANTS+=("student, float8" float8)
fi
VARIANTS+=("student, CUDA graphs" "CUDA graphs")
bench() {
    "$PYTHON" -m read_core.cli bench --device cuda --random full --dtype bfloat16 --clips 2 --rounds 2 "$@"
}
if [ "${BUDGETS:-}" ]; then
    for gigabytes in 8 12 16 24; do
        bench --memory-limit $gigabytes --variants "${STUDENT[@]}" --out "$OUT/${gigabytes}GB" \
            || echo "$gigabytes GB: not measured"
    done
    exit
fi
export -f bench
export PYTHON
# A row that has begun in time may still take too long; the report of the others is there.
timeout --signal=INT 290 bash -c 'bench "$@"' bench --time-limit 200 --variants "${VARIANTS[@]}" --out "$OUT"
