#!/usr/bin/env bash
# Trains read-tiny from nothing, step by step.
#
#   FACES=FOLDER scripts/train_read_tiny.sh STEP [STEP ...]
#
# drawn-corpus   videos of drawn presenters
# drawn          their VAE, Whisper encoder, SpeechAE and A2V-DiT: what the photographs' training starts from
# photo-corpus   videos of talking photographs and of aligned drawn presenters
# photo-vae      the VAE of aligned faces: a first round, and one with more blinks
# photo-a2v      A2V-DiT and SpeechAE
# photo-voices   videos in more languages, spoken by Festival; then the Whisper encoder and photo-a2v once more,
#                and the mean of both rounds
# photo-decoder  the VAE's decoder alone
# photo-detail   the detail network
# photo-eyelids  the eyelid network
# photo-distill  the student for fewer steps; after photo-voices
# checkpoint     put the parts together
# all            everything in this order
#
# Not part of all:
# drawn-checkpoint  the earlier read-tiny, for drawn presenters alone; after drawn
#
# A step that was stopped goes on when it is run again.
#
# FACES      folder of portraits with their landmarks, see "Talking photographs" in docs/training.md
# OUT        folder in which output/ is made                           the repository
# PYTHON     interpreter with the train and corpus extras              .venv/bin/python
# WORKERS    processes that draw                                       2
# PROCESSES  that train on photographs; each has a batch of its own    2
# TOY        1: every command at toy size, for a trial in minutes      0
# DRY        1: print the commands and run nothing                     0
set -euo pipefail

[ $# -gt 0 ] || { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 2; }
absolute() { case $1 in /*) echo "$1" ;; *) echo "$PWD/$1" ;; esac; }
FACES=${FACES:+$(absolute "$FACES")}
OUT=${OUT:+$(absolute "$OUT")}
case ${PYTHON:-} in */*) PYTHON=$(absolute "$PYTHON") ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."
OUT=${OUT:-$PWD}
PYTHON=${PYTHON:-$PWD/.venv/bin/python}
CONFIGS=$PWD/configs SCRIPTS=$PWD/scripts
WORKERS=${WORKERS:-2}
PROCESSES=${PROCESSES:-2}
TOY=${TOY:-0}
DRY=${DRY:-0}
TINY=output/tiny PHOTO=output/photo
LAYOUT=0.28,0.36,0.66

toy_vae=() toy_photo_vae=() toy_whisper=() toy_speech_ae=() toy_a2v=() toy_detail=() toy_eyelids=() toy_distill=() toy_checkpoint=()
if [ "$TOY" = 1 ]; then
    few=(loop.steps=2 loop.batch_size=2 loop.warmup=1 loop.log_every=1 loop.sheet_every=0 'loop.mixed_precision="no"')
    toy_vae=("${few[@]}" start_clips=4 held_out=1 model.latent_channels=16 'model.block_out_channels=[48,48,48,48]'
        'model.decoder_block_out_channels=[8,16,32]' reader.presenters=4 reader.steps=20)
    toy_photo_vae=("${few[@]}" start_clips=4 start_crops=4 held_out=1 'model.grid=[2,2]' model.latent_channels=16
        model.inner.latent_channels=16 'model.inner.block_out_channels=[48,48]'
        'model.inner.decoder_block_out_channels=[8,16]')
    toy_whisper=("${few[@]}" held_out=1 'held_out_synthesizers=[babble]' speech.synthesizer=babble speech.seconds=3
        encoder.dim=32 encoder.feed_forward=64 encoder.layers=2 encoder.positions=150)
    toy_speech_ae=("${few[@]}" held_out=1 statistics=2 probe=2 speech.synthesizer=babble speech.seconds=3 hidden_dim=32)
    toy_a2v=("${few[@]}" 'windows=[4,5]' model.num_layers=2 model.in_channels=16 model.out_channels=16)
    toy_detail=("${few[@]}" codec.frames=9 held_out=1 'model={widths: [8, 12, 16], features: 4, refine_width: 8}')
    toy_eyelids=(--steps 2 --batch 2 --photographs 1 --drawn 1 --poses 2)
    toy_distill=("${few[@]}" 'windows=[4]' rank=4)
    toy_checkpoint=(defaults.window=5 'card.resolution=[64,64]')
fi

run() {  # a command in OUT, so that the paths in the configurations are below it
    if [ "$DRY" = 1 ]; then
        printf '%q ' "$@"
        echo
    else
        echo "== ${*:2}"
        (cd "$OUT" && "$@")
    fi
}

core() { run "$PYTHON" -m read_core.cli "$@"; }

two() {  # the same with PROCESSES processes
    if [ "$PROCESSES" = 1 ]; then
        core "$@"
    else
        OMP_NUM_THREADS=1 run "$PYTHON" -m torch.distributed.run --standalone --nproc_per_node "$PROCESSES" \
            -m read_core.cli "$@"
    fi
}

# Settings as the arguments of `read-core train`.
sets() { for value in "$@"; do printf -- '--set\n%s\n' "$value"; done; }

# train LAUNCHER FILE TOY: one configuration; TOY names what it differs by at toy size.
train() {
    local toy="toy_$3[@]" arguments
    mapfile -t arguments < <(sets "${!toy}")
    "$1" train "$CONFIGS/$2.yaml" "${arguments[@]}"
}

# average BEFORE AFTER OUT: the mean of two rounds' exports, three quarters of it the later one.
average() { run "$PYTHON" "$SCRIPTS/average_weights.py" "$1/export" "$2/export" --share 0.75 --out "$3"; }

# draw FOLDER SPLIT COUNT [ARGUMENT ...]: videos; a later argument replaces an earlier one.
draw() {
    local folder=$1 split=$2 count=$3 size=64
    shift 3
    if [ "$TOY" = 1 ]; then
        [ "$(basename "$folder")" != large ] || size=128
        count=$((count > 200 ? 6 : 2))
        set -- "$@" --seconds 1.96 --size "$size" --synthesizer babble
    fi
    core corpus --out "$folder" --split "$split" --count "$count" --workers "$WORKERS" "$@"
}

photographs() { draw "$PHOTO/$1" "$2" "$3" --faces "$FACES" --layout "$LAYOUT" "${@:4}"; }

presenters() { draw "$PHOTO/$1" "$2" "$3" --layout "$LAYOUT" "${@:4}"; }

need_faces() {
    [ -f "$FACES/index.json" ] && [ -f "$FACES/landmarks.npy" ] && return
    echo "FACES is '$FACES'; expected a folder of portraits with images/, index.json and landmarks.npy" \
        "(see docs/training.md, \"Talking photographs\")" >&2
    exit 2
}

# The VAE learns from many short videos; A2V-DiT from long ones, half of them with the head elsewhere or in
# another size.
step_drawn_corpus() {
    draw $TINY/faces train 3000 --seconds 2.6
    draw $TINY/faces validation 24
    draw $TINY/clips train 1200 --framing 0.5
    draw $TINY/clips validation 24 --framing 0.5
}

step_drawn() {
    train core tiny/vae vae
    train core tiny/whisper whisper
    train core tiny/speech_ae speech_ae
    train core tiny/a2v a2v
    train core tiny/a2v-2 a2v
    train core tiny/whisper-2 whisper
    train core tiny/speech_ae-2 speech_ae
    train core tiny/a2v-3 a2v
    train core tiny/whisper-3 whisper
    train core tiny/speech_ae-3 speech_ae
    train core tiny/a2v-4 a2v
}

step_photo_corpus() {
    photographs faces train 1000 --seconds 2.6
    presenters faces train 400 --seconds 2.6
    photographs faces validation 40 --seconds 2.6
    presenters faces validation 16 --seconds 2.6
    photographs clips train 1200
    presenters clips train 400
    photographs clips validation 24
    presenters clips validation 8
    photographs large train 400 --seconds 2.6 --size 256
    presenters large train 120 --seconds 2.6 --size 256
    photographs large validation 24 --seconds 2.6 --size 256
}

step_photo_vae() {
    train two photo/vae photo_vae
    train two photo/vae-2 photo_vae
}

step_photo_a2v() { train two photo/a2v a2v; }

step_photo_voices() {
    photographs clips train 376 --seed 5000 --synthesizer festival
    presenters clips train 120 --seed 5000 --synthesizer festival
    photographs clips validation 6 --synthesizer festival
    presenters clips validation 3 --synthesizer festival
    train core photo/whisper whisper
    train two photo/a2v-2 a2v
    average $TINY/singing/whisper $PHOTO/whisper $PHOTO/voices/whisper
    average $PHOTO/a2v $PHOTO/a2v-2 $PHOTO/voices/a2v
}

step_photo_decoder() { train two photo/vae-3 photo_vae; }

step_photo_detail() { train two photo/detail detail; }

step_photo_eyelids() {
    run "$PYTHON" "$SCRIPTS/fit_eyelids.py" --faces "$FACES" --out "$PHOTO/eyelids/export" "${toy_eyelids[@]}"
}

step_photo_distill() {
    train two photo/distill distill
    train two photo/distill-2 distill
}

step_checkpoint() {
    local arguments
    mapfile -t arguments < <(sets "${toy_checkpoint[@]}" overwrite=true)
    core checkpoint "$CONFIGS/photo/checkpoint.yaml" "${arguments[@]}"
}

step_drawn_checkpoint() {
    local arguments
    mapfile -t arguments < <(sets "${toy_checkpoint[@]}" overwrite=true)
    train core tiny/vae-2 vae
    core checkpoint "$CONFIGS/tiny/checkpoint.yaml" "${arguments[@]}"
}

steps=()
for step in "$@"; do
    case $step in
        all) steps+=(drawn-corpus drawn photo-corpus photo-vae photo-a2v photo-voices photo-decoder photo-detail photo-eyelids photo-distill checkpoint) ;;
        *) steps+=("$step") ;;
    esac
done
for step in "${steps[@]}"; do
    [ "$(type -t "step_${step//-/_}")" = function ] || { echo "no step $step; see scripts/train_read_tiny.sh" >&2; exit 2; }
    case $step in photo-corpus | photo-voices | photo-eyelids) need_faces ;; esac
done
[ "$DRY" = 1 ] || mkdir -p "$OUT"
for step in "${steps[@]}"; do "step_${step//-/_}"; done
