#!/usr/bin/env bash
# Measure one GPU at full size with random weights, in under five minutes: the report is OUT/bench.md.
#   scripts/gpu_bench.sh [OUT]          TOY=1: tiny models on the CPU, to rehearse it.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-.venv/bin/python}
OUT=${1:-output/bench}
if [ "${TOY:-}" ]; then
    exec "$PYTHON" -m read_core.cli bench --device cpu --random tiny --window 4 --steps 2 --clips 1 --rounds 1 \
        --variants chosen joint student --out "$OUT"
fi
# float8 is measured if torchao is there: pip install torchao
VARIANTS=(chosen joint student "window 8" "window 4" compiled "CUDA graphs" "student, CUDA graphs")
"$PYTHON" -c 'import torchao' 2>/dev/null && VARIANTS+=(float8 "student, float8")
exec "$PYTHON" -m read_core.cli bench --device cuda --random full --dtype bfloat16 --clips 2 --rounds 2 \
    --variants "${VARIANTS[@]}" --out "$OUT"
