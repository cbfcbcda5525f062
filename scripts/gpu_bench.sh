#!/usr/bin/env bash
# Measure one GPU at full size with random weights, in under five minutes: the report is OUT/bench.md.
# It is written after each row; rows that have no time left, or lack something, are listed in it.
#   scripts/gpu_bench.sh [OUT [OPTIONS of read-core bench]]
#                                       TOY=1: tiny models on the CPU, to rehearse it.
#                                       BUDGETS=1: what fits into 8, 12, 16 and 24 GB, in OUT/8GB ...
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-.venv/bin/python}
OUT=${1:-output/bench}
shift $(($# > 0))
if [ "${TOY:-}" ]; then
    MODELS=(--device cpu --random tiny --window 5 --steps 2 --clips 1 --rounds 1)
else
    MODELS=(--device cuda --random full --dtype bfloat16 --clips 2 --rounds 2)
fi
if [ "${BUDGETS:-}" ]; then
    for gigabytes in 8 12 16 24; do
        "$PYTHON" -m read_core.cli bench "${MODELS[@]}" --memory-limit $gigabytes \
            --variants student "student, float8" --out "$OUT/${gigabytes}GB" "$@" \
            || echo "$gigabytes GB: not measured"
    done
    exit
fi
# The fast ones first, then those that compile. float8 needs torchao: pip install torchao
VARIANTS=(chosen student joint wavefront "window 8" "window 4" compiled "student, float8" float8
    "student, CUDA graphs" "CUDA graphs")
if [ "${TOY:-}" ]; then VARIANTS=("${VARIANTS[@]/window 8/no guidance}"); fi # its windows are shorter
# A row that has begun in time may still take too long; the report of the others is there.
timeout --signal=INT 290 "$PYTHON" -m read_core.cli bench "${MODELS[@]}" --time-limit 200 \
    --variants "${VARIANTS[@]}" --out "$OUT" "$@"
