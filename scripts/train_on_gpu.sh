#!/usr/bin/env bash
# Trains read-tiny at 256 x 256 on one large GPU in about 25 minutes, in stages of less than 10 minutes each.
#
#   scripts/train_on_gpu.sh STAGE [STAGE ...]
#
# check       is there a GPU, a synthesizer, room on the disk?
# prepare     draw the corpus on the processors while the GPU trains whisper and speech_ae
# vae, a2v    train; first measure the steps per second and choose as many steps as fit the minutes
# checkpoint  put the parts together
# select      rank guidances and steps for the checkpoint's defaults
# pack        the checkpoint as a tar archive in parts of 15 MB, with their checksums
# all         everything in this order
#
# A stage that is stopped, or runs out of time (exit 124), goes on when it is run again.
#
# OUT        folder of logs, states and exports that lasts between the stages   output/tiny-gpu
# DATA       folder of the corpus and the latents, about 50 GB                  $OUT/data
# PYTHON     interpreter with the train and corpus extras                       .venv/bin/python
# CORES      processes that draw                                                all
# LIMIT      seconds after which a training is stopped                          560
# VAE_MINUTES, A2V_MINUTES   length of the two long trainings                   12, 8
# TOY        1: the same stages at toy size in minutes, on a CPU too
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

OUT=${OUT:-output/tiny-gpu}
DATA=${DATA:-$OUT/data}
PYTHON=${PYTHON:-.venv/bin/python}
CORES=${CORES:-$(nproc)}
LIMIT=${LIMIT:-560}
VAE_MINUTES=${VAE_MINUTES:-12}
A2V_MINUTES=${A2V_MINUTES:-8}
TOY=${TOY:-0}
CONFIGS=configs/tiny-gpu
# float32 products that are not in bfloat16, those of the optimizer, may use the GPU's tensor cores.
export PYTHONUNBUFFERED=1 TORCH_ALLOW_TF32_CUBLAS_OVERRIDE=1

toy_vae=() toy_whisper=() toy_speech_ae=() toy_a2v=() toy_checkpoint=() toy_select=() trial_steps=40
faces=(--size 256 --count 3000 --seconds 1.36)
clips=(--size 256 --count 800 --seconds 6.44 --framing 0.5)
held_out=(--size 256 --count 24 --seconds 6.44)
if [ "$TOY" = 1 ]; then
    trial_steps=4 VAE_MINUTES=0.2 A2V_MINUTES=0.2
    faces=(--size 64 --count 8 --seconds 1.36 --synthesizer babble)
    clips=(--size 64 --count 4 --seconds 1.96 --synthesizer babble)
    held_out=(--size 64 --count 2 --seconds 1.96 --synthesizer babble)
    few=(loop.batch_size=2 loop.log_every=1 loop.sheet_every=0 loop.warmup=2)
    speech=(loop.steps=4 loop.workers=1 speech.synthesizer=babble held_out=2)
    # Convolutions in bfloat16 are slower than in float32 on most processors.
    toy_vae=("${few[@]}" loop.workers=1 'loop.mixed_precision="no"' start_clips=4 held_out=2 model.latent_channels=16
        'model.block_out_channels=[48,48,48,48]' 'model.decoder_block_out_channels=[8,16,32]')
    toy_whisper=("${few[@]}" "${speech[@]}" speech.seconds=3 'held_out_synthesizers=[babble]' encoder.dim=32
        encoder.feed_forward=64 encoder.layers=2 encoder.positions=150)
    toy_speech_ae=("${few[@]}" "${speech[@]}" speech.seconds=3 statistics=2 probe=2 hidden_dim=32)
    toy_a2v=("${few[@]}" 'windows=[4,5]' model.num_layers=2 model.in_channels=16 model.out_channels=16)
    toy_checkpoint=(defaults.window=5 'card.resolution=[64,64]')
    toy_select=(--quick)
fi

say() { printf '\n== %s (%d s)\n' "$*" "$SECONDS"; }
draw() { nice "$PYTHON" -m read_core.cli corpus --workers "$CORES" "$@"; }

# Settings as the arguments of `read-core train`.
sets() { for value in "$@"; do printf -- '--set\n%s\n' "$value"; done; }

# Where a stage finds the others' parts.
places() {
    case $1 in
        vae) echo "clips=$DATA/faces" ;;
        speech_ae) echo "whisper=$OUT/whisper/export" ;;
        a2v) printf '%s\n' "clips=$DATA/clips" "latents=$DATA/latents" "vae=$OUT/vae/export" \
            "whisper=$OUT/whisper/export" "speech_ae=$OUT/speech_ae/export" ;;
        checkpoint) printf '%s\n' "vae=$OUT/vae/export" "whisper=$OUT/whisper/export" \
            "speech_ae=$OUT/speech_ae/export" "transformer=$OUT/a2v/export" ;;
    esac
}

# train STAGE FOLDER [KEY=VALUE ...]: `read-core train`, or `read-core checkpoint` for that, with everything
# below OUT and DATA, within LIMIT.
train() {
    local stage=$1 folder=$2 arguments toy="toy_$1[@]" command=train
    [ "$stage" = checkpoint ] && command=checkpoint
    shift 2
    mapfile -t arguments < <(sets $(places "$stage") "${!toy}" "$@")
    timeout --foreground "$LIMIT" "$PYTHON" -m read_core.cli $command "$CONFIGS/$stage.yaml" --output "$folder" \
        "${arguments[@]}" && return
    local status=$?
    [ $status = 124 ] && echo "$stage: time is up; run the same stage again to go on" >&2
    return $status
}

# Steps per second between the first and the last line of a log, written by one run.
rate() {
    "$PYTHON" - "$1/log.jsonl" <<'PY'
import json, pathlib, sys
*rows, last = [json.loads(line) for line in pathlib.Path(sys.argv[1]).read_text().splitlines()]
first = last
for row in reversed(rows):  # of a training that went on only the last run
    if row["seconds"] > first["seconds"]:
        break
    first = row
steps, seconds = last["step"] - first["step"], last["seconds"] - first["seconds"]
print(f"{steps / max(seconds, 0.1):.3f}")
PY
}

# train_for STAGE MINUTES: a short trial says how many steps fit; they are kept in OUT/steps, so that a
# training which goes on has the steps it began with.
train_for() {
    local stage=$1 minutes=$2 steps=$OUT/steps/$1 trial=$OUT/trial/$1 speed
    if [ ! -s "$steps" ]; then
        say "$stage: measuring"
        rm -rf "$trial"
        train "$stage" "$trial" loop.steps=$trial_steps loop.sheet_every=0
        speed=$(rate "$trial")
        mkdir -p "$OUT/steps"
        awk -v r="$speed" -v m="$minutes" 'BEGIN { n = int(60 * r * m); print n < 4 ? 4 : n }' >"$steps"
        echo "$stage: $speed steps per second, so $(cat "$steps") steps in $minutes minutes"
        if [ -d "$trial/start" ] && [ ! -d "$OUT/$stage/start" ]; then  # the linear start of the VAE
            mkdir -p "$OUT/$stage"
            mv "$trial/start" "$OUT/$stage/start"
        fi
        rm -rf "$trial"
    fi
    say "$stage: $(cat "$steps") steps"
    train "$stage" "$OUT/$stage" "loop.steps=$(cat "$steps")"
    echo "$stage: $(rate "$OUT/$stage") steps per second"
}

stage_check() {
    "$PYTHON" - "$TOY" <<'PY'
import sys
import torch
from read_core.corpus.speech.synthesis import require_synthesizer
from read_core.errors import ReadError
toy = sys.argv[1] == "1"
if torch.cuda.is_available():
    name, memory = torch.cuda.get_device_name(), torch.cuda.get_device_properties(0).total_memory
    print(f"{name}, {memory / 1e9:.0f} GB, torch {torch.__version__}, CUDA {torch.version.cuda}")
elif toy:
    print("no GPU: a rehearsal on the CPU")
else:
    sys.exit("torch sees no CUDA device; expected a GPU with its driver, or TOY=1 for a rehearsal on the CPU")
if not toy:
    try:
        require_synthesizer("espeak")
    except ReadError as error:
        sys.exit(str(error))
PY
    mkdir -p "$OUT" "$DATA"
    echo "$CORES processes draw; free: $(df -h --output=avail "$DATA" | tail -1)"
}

stage_corpus() {
    say "corpus"
    # One thread each; a process that draws is never short of work, one that trains waits for the GPU.
    export OMP_NUM_THREADS=1
    draw --out "$DATA/faces" --split train "${faces[@]}"
    draw --out "$DATA/faces" --split validation "${held_out[@]}"
    draw --out "$DATA/clips" --split validation "${held_out[@]}"
    draw --out "$DATA/clips" --split train "${clips[@]}"
    say "corpus is drawn"
}

stage_speech() {
    say "whisper"
    train whisper "$OUT/whisper"
    echo "whisper: $(rate "$OUT/whisper") steps per second"
    say "speech_ae"
    train speech_ae "$OUT/speech_ae"
    echo "speech_ae: $(rate "$OUT/speech_ae") steps per second"
}

stage_prepare() {
    set -m  # the drawing processes in a group of their own, which can be stopped
    stage_corpus >"$OUT/corpus.log" 2>&1 &
    drawing=$!
    set +m
    trap 'kill -- -$drawing 2>/dev/null || true' EXIT
    stage_speech
    wait "$drawing" || { tail -5 "$OUT/corpus.log" >&2; exit 1; }
    trap - EXIT
    tail -1 "$OUT/corpus.log"
}

stage_vae() { train_for vae "$VAE_MINUTES"; }

stage_a2v() { train_for a2v "$A2V_MINUTES"; }

stage_checkpoint() { say "checkpoint"; train checkpoint "$OUT/checkpoint"; }

stage_select() {
    say "select"
    timeout --foreground "$LIMIT" "$PYTHON" -m read_core.cli evaluate --checkpoint "$OUT/checkpoint" --suite select \
        --out "$OUT/select" "${toy_select[@]}"
}

stage_pack() {
    say "pack"
    rm -rf "$OUT/parts"
    mkdir -p "$OUT/parts"
    tar -C "$OUT" -cf - checkpoint | split -b 15000000 -d - "$OUT/parts/checkpoint.tar."
    (cd "$OUT/parts" && sha256sum checkpoint.tar.* >SHA256SUMS && ls -l)
    echo "elsewhere: sha256sum -c SHA256SUMS && cat checkpoint.tar.* | tar -x"
}

stages=("$@")
[ $# -gt 0 ] || { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 2; }
[ "$1" != all ] || stages=(check prepare vae a2v checkpoint select pack)
for stage in "${stages[@]}"; do
    [ "$(type -t "stage_$stage")" = function ] || { echo "no stage $stage; see $0" >&2; exit 2; }
done
[ "${stages[0]}" = check ] || stage_check
for stage in "${stages[@]}"; do "stage_$stage"; done
say "done: ${stages[*]}"
