#!/usr/bin/env bash
# Rehearses a training at full size at toy width, from nothing to a video, on a CPU with two cores.
#
#   scripts/rehearse_full_size.sh
#
# Renders videos of talking people, writes small files of the formats that LTX-Video, Whisper and T5 are
# published in, and runs the commands of docs/full-size.md on them with the configurations of configs/full:
# init, prepare, train (two processes, one of them killed and the run resumed), checkpoint, generate, evaluate;
# then the same checkpoint in ComfyUI. Widths are small and the weights random, so the videos show nothing.
#
# OUT           folder of all results; it must be empty or not there      output/rehearsal
# PYTHON        interpreter with the extras train, eval and footage       .venv/bin/python
# FACES         folder of photographs of faces to animate, too            none
# SHORT         1: the shortest run with every step, of the metrics FID   0
# COMFYUI_PATH  a ComfyUI with its environment in .venv (or COMFYUI_PYTHON) to make a video in
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

OUT=${OUT:-output/rehearsal}
PYTHON=${PYTHON:-.venv/bin/python}
FACES=${FACES:-}
SHORT=${SHORT:-0}
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1

people=6 seconds=6 size=192 steps=60 speech_steps=30 talks=2 workers=2 networks=(fid fvd sync efid)
[ "$SHORT" = 1 ] && people=2 seconds=2 size=160 steps=24 speech_steps=2 talks=1 workers=1 networks=(fid)
layout=0.2,0.42,0.634  # eyes nearer to each other than in a crop, so that a crop lies within its picture

used() {  # seconds of all processors, of this script and what it ran
    times >"$OUT/.times"
    awk 'function s(t) { split(t, a, "[ms]"); return 60 * a[1] + a[2] }
        { n += s($1) + s($2) } END { printf "%d", n }' "$OUT/.times"
}

step() {  # step TITLE COMMAND ...: run it, and print what it is and how long it took
    local title=$1 began=$SECONDS worked
    shift
    worked=$(cat "$OUT/.used")
    printf '\n== %s\n' "$title"
    "$@"
    used >"$OUT/.used"
    printf -- '-- %s: %d s, %d s of processor time\n' "$title" $((SECONDS - began)) $(($(cat "$OUT/.used") - worked))
}

read_core() { "$PYTHON" -m read_core.cli "$@"; }
sets() { for value in "$@"; do printf -- '--set\n%s\n' "$value"; done; }

footage() {  # videos named as HDTF names them: one person each
    local drawing=(--split train --count "$people" --seconds "$seconds" --size "$size" --layout "$layout"
        --synthesizer babble --workers $workers --preview "$people") number=0 file
    read_core corpus --out "$OUT/drawn" "${drawing[@]}"
    [ -z "$FACES" ] || read_core corpus --out "$OUT/photographs" --faces "$FACES" --find "${drawing[@]}"
    mkdir -p "$OUT/videos"
    for file in "$OUT"/drawn/train/preview/*.mp4 "$OUT"/photographs/train/preview/*.mp4; do
        [ -f "$file" ] || continue
        number=$((number + 1))
        mv "$file" "$OUT/videos/RD_Person${number}_000.mp4"
    done
}

published() { "$PYTHON" scripts/make_toy_originals.py "$OUT/published" --networks "${networks[@]}"; }

init() {
    read_core init --ltx "$OUT/published/ltx-video-2b-toy.safetensors" --whisper "$OUT/published/whisper-toy" \
        --t5 "$OUT/published/LTX-Video" --caption "a person talks into the camera" --out "$OUT/models/start"
}

prepare() {
    local voice=webrtc
    "$PYTHON" -c "import webrtcvad" 2>"$OUT/.voice" || voice=loudness  # without the extra footage
    read_core prepare "$OUT/videos" "$OUT/footage" --vae "$OUT/models/start/vae" --voice "$voice" \
        --whisper "$OUT/models/start/whisper" --layout hdtf --license "made for a rehearsal" --size 64 \
        --seconds 1.0 1.8 --span 4 --context 2 --workers $workers --device cpu
}

codes=(code_window=4 code_dim=32 hidden_dim=32)
small=(loop.warmup=1 loop.log_every=1 loop.sheet_every=0 loop.workers=0 'loop.mixed_precision="no"')

speech_ae() {
    local arguments
    mapfile -t arguments < <(sets whisper="$OUT/models/start/whisper" speech.recordings="$OUT/footage/sources" \
        speech.seconds=2 statistics=2 held_out=1 loop.steps=$speech_steps loop.batch_size=1 "${codes[@]}" "${small[@]}")
    read_core train configs/full/speech_ae.yaml --output "$OUT/speech_ae" "${arguments[@]}"
}

a2v() {
    local arguments
    mapfile -t arguments < <(sets footage="$OUT/footage" vae="$OUT/models/start/vae" 'windows=[4]' \
        whisper="$OUT/models/start/whisper" speech_ae="$OUT/speech_ae/export" ltx="$OUT/models/start/transformer" \
        prompt="$OUT/models/start/prompt.safetensors" 'model={code_dim: 32, code_slots: 4}' \
        loop.steps=$steps loop.save_minutes=0 "${small[@]}")
    "$PYTHON" -m torch.distributed.run --standalone --nproc_per_node 2 -m read_core.cli \
        train configs/full/a2v.yaml --output "$OUT/a2v" "${arguments[@]}" "$@"
}

killed() {  # kill one of two processes as soon as there is a state; the other ends with it
    local run worker
    a2v >"$OUT/killed.log" 2>&1 &
    run=$!
    until compgen -G "$OUT/a2v/state/step-????????" >/dev/null; do  # not the unfinished step-????????.tmp
        kill -0 $run 2>/dev/null || { tail -20 "$OUT/killed.log" >&2; return 1; }
        sleep 0.05
    done
    worker=$(workers $run | tail -1)
    kill -KILL "$worker"
    if wait $run; then
        echo "the training ended before its process $worker was killed" >&2
        return 1
    fi
    echo "killed process $worker; there is a state of $(basename "$OUT"/a2v/state/step-????????)"
}

workers() {  # processes below process $1 that train
    local child
    for child in $(cat "/proc/$1/task/$1/children"); do
        if tr '\0' ' ' <"/proc/$child/cmdline" | grep -q -- "read_core.cli train" &&
            ! tr '\0' ' ' <"/proc/$child/cmdline" | grep -q torch.distributed.run; then
            echo "$child"
        fi
        workers "$child"
    done
}

resumed() {  # the progress bar tells from which step it goes on
    local from
    a2v 2>&1 | tee "$OUT/resumed.log"
    from=$(grep -oE "[0-9]+/$steps " "$OUT/resumed.log" | awk -F/ 'NR == 1 { print $1 }')
    if [ "${from:-0}" -lt 1 ] || [ ! -d "$OUT/a2v/export" ]; then
        echo "the run did not go on from its state" >&2
        return 1
    fi
    echo "went on from step $from of $steps"
}

checkpoint() {
    local arguments
    mapfile -t arguments < <(sets vae="$OUT/models/start/vae" whisper="$OUT/models/start/whisper" \
        speech_ae="$OUT/a2v/export/speech_ae" transformer="$OUT/a2v/export" defaults.window=4 \
        prompt="$OUT/models/start/prompt.safetensors" card.name=read-toy 'card.resolution=[64, 64]' dtype=float32)
    read_core checkpoint configs/full/checkpoint.yaml --output "$OUT/models/read/read-toy" "${arguments[@]}"
    read_core info "$OUT/models/read/read-toy"
}

generate() {  # people that were not trained on say what they said
    local held item name
    mkdir -p "$OUT/generated" "$OUT/real"
    mapfile -t held < <("$PYTHON" - "$OUT/footage/manifest.json" $talks <<'PY'
import json, pathlib, sys
items = json.loads(pathlib.Path(sys.argv[1]).read_text())["items"]
for item in [item for item in items if item["split"] == "validation"][: int(sys.argv[2])]:
    print(item["file"].removesuffix(".safetensors"))
PY
    )
    for item in "${held[@]}"; do
        name=$(basename "$(dirname "$item")")-$(basename "$item")
        cp "$OUT/footage/$item.mp4" "$OUT/real/$name.mp4"
        read_core generate --checkpoint "$OUT/models/read/read-toy" --portrait "$OUT/real/$name.mp4" \
            --speech "$OUT/real/$name.mp4" --out "$OUT/generated/$name.mp4" --fit crop --device cpu --runtime
    done
}

evaluate() {
    local weights=(--weights "$OUT/published/networks" --device cpu) metrics=()
    [ "$SHORT" = 1 ] && metrics=(--metrics fid)
    read_core evaluate videos --generated "$OUT/generated" --reference "$OUT/real" "${weights[@]}" \
        "${metrics[@]}" --out "$OUT/evaluation"
    [ "$SHORT" = 1 ] || same
}

same() {  # random weights draw no faces; so the metrics that need one also measure real videos against themselves
    read_core evaluate videos --generated "$OUT/real" --reference "$OUT/real" "${weights[@]}" \
        --metrics sync,efid,mouth,identity --out "$OUT/same"
    "$PYTHON" - "$OUT/evaluation/videos.json" "$OUT/same/videos.json" <<'PY'
import json, pathlib, sys
made, same = ({t["title"]: t["rows"] for t in json.loads(pathlib.Path(f).read_text())["tables"]} for f in sys.argv[1:])
missing = [title for title in ("FID", "FVD", "Runtime", "Color") if not made[title]]
missing += [f"{title} of equal videos" for title in ("Sync", "E-FID", "Mouth", "Identity") if not same[title]]
if missing or not abs(same["E-FID"][0][1]) < 1e-3:
    sys.exit(f"not measured: {missing or 'E-FID: it is not 0 for equal videos'}")
PY
}

comfyui() {
    local python=${COMFYUI_PYTHON:-$COMFYUI_PATH/.venv/bin/python} base port host status=0
    base=$(realpath "$OUT")/comfyui
    mkdir -p "$base"/{custom_nodes,models,input,output,temp,user} "$OUT/from_comfyui"
    ln -sfn "$PWD" "$base/custom_nodes/read-talking-head"
    ln -sfn "$(realpath "$OUT/models/read")" "$base/models/read"
    sed 's/"read-tiny"/"read-toy"/; s/"duration": 0.0/"duration": 1.0/' workflows/api/READ_long_audio.json >"$base/prompt.json"
    port=$("$PYTHON" -c "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])")
    (cd "$COMFYUI_PATH" && exec "$python" main.py --cpu --listen 127.0.0.1 --port "$port" --disable-api-nodes \
        --base-directory "$base" --database-url "sqlite:///$base/comfyui.db") >"$base/host.log" 2>&1 &
    host=$!
    for _ in $(seq 600); do
        "$PYTHON" -c "import urllib.request as r; r.urlopen('http://127.0.0.1:$port/system_stats')" 2>"$base/.wait" && break
        kill -0 $host 2>/dev/null || { tail -20 "$base/host.log" >&2; return 1; }
        sleep 1
    done
    "$python" scripts/queue_workflow.py "$base/prompt.json" --host "http://127.0.0.1:$port" --seed 1 \
        --out "$OUT/from_comfyui" || status=$?
    kill $host  # TERM: a command in the background ignores INT
    wait $host || true
    [ $status = 0 ] || tail -20 "$base/host.log" >&2
    return $status
}

if [ -d "$OUT" ] && [ -n "$(ls -A "$OUT")" ]; then
    echo "$OUT is not empty; choose another folder with OUT, or remove it" >&2
    exit 2
fi
mkdir -p "$OUT"
echo 0 >"$OUT/.used"
step "render footage to mp4 files" footage
step "write files in the published formats" published
step "read-core init" init
step "read-core prepare" prepare
step "read-core train, SpeechAE" speech_ae
step "read-core train, A2V-DiT: two processes, one is killed" killed
step "read-core train, A2V-DiT: the same command again" resumed
step "read-core checkpoint" checkpoint
step "read-core generate" generate
step "read-core evaluate" evaluate
if [ -n "${COMFYUI_PATH:-}" ]; then
    step "a video in ComfyUI" comfyui
else
    printf '\n== no video in ComfyUI: COMFYUI_PATH is not set\n'
fi
printf '\n== done in %d s, %d s of processor time\n' $SECONDS "$(cat "$OUT/.used")"
