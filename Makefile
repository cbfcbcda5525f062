# Two commands matter: `make demo` and `make test`. Training: docs/training.md.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo test lint types bench clean

setup: $(STAMP)

$(STAMP): pyproject.toml requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[standalone,train,eval,dev]'
	@touch $(STAMP)

demo: setup
	@mkdir -p output
	$(BIN)/read-core generate --portrait assets/portrait.png --speech assets/speech.flac \
		--out output/demo.mp4 --sheet output/demo.png --overwrite
	$(BIN)/read-core generate --portrait assets/photo.jpg --speech assets/speech.flac \
		--out output/demo-photo.mp4 --sheet output/demo-photo.png --overwrite

# The models of the tests are tiny: more threads would only wait for each other.
test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy
	$(BIN)/python .ci/check_node_types.py

# All benchmarks of the CPU, on an idle machine; the tables are written to output/benchmarks.
bench: setup
	for name in stages before against_diffusers projections orders presets; do $(BIN)/python benchmarks/$$name.py || exit 1; done
	$(BIN)/python benchmarks/against_diffusers.py --dtype float32 --out output/benchmarks/against_diffusers_float32.md
	$(BIN)/python benchmarks/memory.py --steps 1

clean:
	rm -rf $(VENV) output build *.egg-info

# --- Training. Every command goes on where it was stopped, so each target may be run again. ---

CORE := $(BIN)/read-core
WORKERS ?= 2
TINY := output/tiny
SHIPPED := read_core/checkpoints/read-tiny
VARIANTS := pretrained tuned scratch linear pooled synchronous

.PHONY: read-tiny ship-read-tiny read-tiny-gpu variants paper synthesisers

# The corpus speaks with espeak-ng; evaluation and the encoder's figures with flite too.
synthesisers: setup
	@$(BIN)/python -c "$$NEED" espeak flite

define NEED
import sys
from read_core.corpus.speech.synthesis import require_synthesizer
from read_core.errors import ReadError
try:
    for name in sys.argv[1:]:
        require_synthesizer(name)
except ReadError as error:
    sys.exit(str(error))
endef
export NEED

# The bundled checkpoint from nothing, up to a copy of it in $(TINY)/checkpoint.
# The VAE learns from many short videos, in a folder of their own; A2V-DiT from long ones, half of them with
# the head elsewhere or in another size.
read-tiny: synthesisers
	$(CORE) corpus --out $(TINY)/faces --split train --count 3000 --seconds 2.6 --workers $(WORKERS)
	$(CORE) corpus --out $(TINY)/faces --split validation --count 24 --workers $(WORKERS)
	$(CORE) corpus --out $(TINY)/clips --split train --count 1200 --framing 0.5 --workers $(WORKERS)
	$(CORE) corpus --out $(TINY)/clips --split validation --count 24 --framing 0.5 --workers $(WORKERS)
	$(CORE) train configs/tiny/vae.yaml
	$(CORE) train configs/tiny/vae-2.yaml
	$(CORE) train configs/tiny/whisper.yaml
	$(CORE) train configs/tiny/speech_ae.yaml
	$(CORE) train configs/tiny/a2v.yaml
	$(CORE) train configs/tiny/a2v-2.yaml
	$(CORE) train configs/tiny/whisper-2.yaml
	$(CORE) train configs/tiny/speech_ae-2.yaml
	$(CORE) train configs/tiny/a2v-3.yaml
	$(CORE) train configs/tiny/whisper-3.yaml
	$(CORE) train configs/tiny/speech_ae-3.yaml
	$(CORE) train configs/tiny/a2v-4.yaml
	$(CORE) checkpoint configs/tiny/checkpoint.yaml --set overwrite=true
	$(CORE) evaluate --checkpoint $(TINY)/checkpoint --suite select --out $(TINY)/select $(if $(FACES),--faces $(FACES))
	$(CORE) evaluate --checkpoint $(TINY)/checkpoint --out $(TINY)/evaluation $(if $(FACES),--faces $(FACES))

# Replace the bundled checkpoint by the one that `make read-tiny` left; nothing else does.
ship-read-tiny:
	@test -f $(TINY)/checkpoint/model_index.json \
		|| { echo "$(TINY)/checkpoint holds no checkpoint; run 'make read-tiny' first" >&2; exit 1; }
	rm -rf $(SHIPPED).new $(SHIPPED).old
	cp -R $(TINY)/checkpoint $(SHIPPED).new
	mv $(SHIPPED) $(SHIPPED).old
	mv $(SHIPPED).new $(SHIPPED)
	rm -rf $(SHIPPED).old

# The next read-tiny, which learns from talking photographs beside drawn presenters; FACES is a folder of portraits.
LAYOUT := 0.28,0.36,0.66
PHOTO := output/photo
FACES ?= faces
TWO := OMP_NUM_THREADS=1 $(BIN)/python -m torch.distributed.run --standalone --nproc_per_node=2 -m read_core.cli

.PHONY: photo-corpus photo-vae photo-detail photo-a2v photo-distill

photo-corpus: synthesisers
	$(CORE) corpus --out $(PHOTO)/faces --faces $(FACES) --layout $(LAYOUT) --split train --count 1000 --seconds 2.6 --workers $(WORKERS)
	$(CORE) corpus --out $(PHOTO)/faces --layout $(LAYOUT) --split train --count 400 --seconds 2.6 --workers $(WORKERS)
	$(CORE) corpus --out $(PHOTO)/faces --faces $(FACES) --layout $(LAYOUT) --split validation --count 40 --seconds 2.6 --workers $(WORKERS)
	$(CORE) corpus --out $(PHOTO)/faces --layout $(LAYOUT) --split validation --count 16 --seconds 2.6 --workers $(WORKERS)
	$(CORE) corpus --out $(PHOTO)/large --faces $(FACES) --layout $(LAYOUT) --split train --count 400 --seconds 2.6 --size 256 --workers $(WORKERS)
	$(CORE) corpus --out $(PHOTO)/large --layout $(LAYOUT) --split train --count 120 --seconds 2.6 --size 256 --workers $(WORKERS)
	$(CORE) corpus --out $(PHOTO)/large --faces $(FACES) --layout $(LAYOUT) --split validation --count 24 --seconds 2.6 --size 256 --workers $(WORKERS)
	$(CORE) corpus --out $(PHOTO)/clips --faces $(FACES) --layout $(LAYOUT) --split train --count 1200 --workers $(WORKERS)
	$(CORE) corpus --out $(PHOTO)/clips --layout $(LAYOUT) --split train --count 400 --workers $(WORKERS)
	$(CORE) corpus --out $(PHOTO)/clips --faces $(FACES) --layout $(LAYOUT) --split validation --count 24 --workers $(WORKERS)
	$(CORE) corpus --out $(PHOTO)/clips --layout $(LAYOUT) --split validation --count 8 --workers $(WORKERS)

photo-vae: setup
	$(TWO) train configs/photo/vae.yaml
	$(TWO) train configs/photo/vae-2.yaml
	$(TWO) train configs/photo/vae-3.yaml

photo-detail: setup
	$(TWO) train configs/photo/detail.yaml

photo-a2v: setup
	$(TWO) train configs/photo/a2v.yaml

photo-distill: setup
	$(TWO) train configs/photo/distill.yaml
	$(TWO) train configs/photo/distill-2.yaml

read-tiny-gpu: setup
	PYTHON=$(BIN)/python scripts/train_on_gpu.sh all

# The ablations: Table 2 (SpeechAE) and Fig. 2 (asynchronous noise) at one reduced budget, on the parts of `make read-tiny`.
# SECOND=1 trains each of Table 2 with a second seed too. WEIGHTS is a folder of feature networks, FACES one of portraits.
VARIANT := output/variants
COMPARED := $(filter-out synchronous,$(VARIANTS))
MEASURED = $(if $(WEIGHTS),--weights $(WEIGHTS)) $(if $(wildcard $(FACES)/index.json),--faces $(FACES))

variants: synthesisers $(VARIANTS:%=variant-%) $(if $(SECOND),$(COMPARED:%=second-%))
	$(CORE) evaluate --suite table2 --out $(VARIANT)/table2 $(MEASURED) --variants \
		$(foreach v,$(COMPARED),$(v)=$(VARIANT)/$(v)/checkpoint $(if $(SECOND),$(v)=$(VARIANT)/$(v)-2/checkpoint))
	$(CORE) evaluate --suite fig2 --out $(VARIANT)/fig2 $(MEASURED) \
		--checkpoint $(VARIANT)/pretrained/checkpoint --against $(VARIANT)/synchronous/checkpoint

variant-%:
	$(CORE) train configs/variants/$*/a2v.yaml
	$(CORE) checkpoint configs/variants/$*/checkpoint.yaml

second-%:
	$(CORE) train configs/variants/$*/a2v.yaml --output $(VARIANT)/$*-2/a2v --set loop.seed=1
	$(CORE) checkpoint configs/variants/$*/checkpoint.yaml --set output=$(VARIANT)/$*-2/checkpoint \
		--set transformer=$(VARIANT)/$*-2/a2v/export \
		$(if $(filter-out pretrained,$*),--set speech_ae=$(VARIANT)/$*-2/a2v/export/speech_ae)

# The paper's other experiments, with read-tiny.
paper: synthesisers
	$(CORE) evaluate --suite table1 --checkpoint $(TINY)/checkpoint --out $(TINY)/table1 $(MEASURED)
	$(CORE) evaluate --suite table3 --checkpoint $(TINY)/checkpoint --out $(TINY)/table3 $(MEASURED)
	$(CORE) evaluate --suite fig3 --checkpoint $(TINY)/checkpoint --out $(TINY)/fig3 $(MEASURED)
