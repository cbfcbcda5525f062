# Two commands matter: `make demo` and `make test`. Training: docs/training.md.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= 2

.PHONY: setup demo test lint types bench clean

setup: $(STAMP)

$(STAMP): pyproject.toml requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[standalone,train,eval,footage,detectors,dev]'
	@touch $(STAMP)

demo: setup
	@mkdir -p output
	$(BIN)/read-core generate --portrait assets/portrait.png --speech assets/speech.flac \
		--out output/demo.mp4 --sheet output/demo.png --overwrite
	$(BIN)/read-core generate --portrait assets/photo.jpg --speech assets/speech.flac \
		--out output/demo-photo.mp4 --sheet output/demo-photo.png --overwrite

# The models of the tests are tiny: more threads per process would only wait for each other.
test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy
	$(BIN)/python .ci/check_node_types.py

# All benchmarks of the CPU, on an idle machine; the tables are written to output/benchmarks.
bench: setup
	for name in stages before against_diffusers projections orders ranks presets writing finishing student compiled estimates; do $(BIN)/python benchmarks/$$name.py || exit 1; done
	$(BIN)/python benchmarks/against_diffusers.py --dtype float32 --out output/benchmarks/against_diffusers_float32.md
	$(BIN)/python benchmarks/memory.py --steps 1

clean:
	rm -rf $(VENV) output build *.egg-info

# --- Training. Every command goes on where it was stopped, so each target may be run again. ---

CORE := $(BIN)/read-core
TINY := output/tiny
PHOTO := output/photo
SHIPPED := read_core/checkpoints/read-tiny
VARIANTS := pretrained tuned scratch linear pooled synchronous
READ_TINY = FACES="$(FACES)" WORKERS=$(WORKERS) PYTHON=$(BIN)/python scripts/train_read_tiny.sh
MEASURED = $(if $(WEIGHTS),--weights $(WEIGHTS)) $(if $(wildcard $(FACES)/index.json),--faces $(FACES))

synthesisers: synthesizers  # the earlier name

.PHONY: synthesisers read-tiny read-tiny-drawn ship-read-tiny read-tiny-gpu variants paper synthesizers
.PHONY: photo-corpus photo-vae photo-a2v photo-voices photo-decoder photo-detail photo-eyelids photo-distill

# Corpora speak with espeak-ng and Festival; evaluation and the encoder's figures with flite too.
synthesizers: setup
	@$(BIN)/python -c "$$NEED" espeak festival flite

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

# The bundled checkpoint from nothing, up to a copy of it in $(PHOTO)/checkpoint. It learns from talking photographs, too: FACES is
# a folder of portraits (docs/training.md).
read-tiny: synthesizers
	$(READ_TINY) all
	$(CORE) evaluate --checkpoint $(PHOTO)/checkpoint --suite select --out $(PHOTO)/select --faces $(FACES)
	$(CORE) evaluate --checkpoint $(PHOTO)/checkpoint --out $(PHOTO)/evaluation --faces $(FACES)

# The parts of it one by one, once `scripts/train_read_tiny.sh drawn-corpus drawn` has run.
photo-corpus photo-voices: synthesizers

photo-corpus photo-vae photo-a2v photo-voices photo-decoder photo-detail photo-eyelids photo-distill: setup
	$(READ_TINY) $@

# The earlier read-tiny, for drawn presenters alone, in $(TINY)/checkpoint.
read-tiny-drawn: synthesizers
	$(READ_TINY) drawn-corpus drawn drawn-checkpoint

# Replace the bundled checkpoint by the one that `make read-tiny` left, or by FROM; nothing else does.
FROM ?= $(PHOTO)/checkpoint

ship-read-tiny:
	@test -f $(FROM)/model_index.json \
		|| { echo "$(FROM) holds no checkpoint; run 'make read-tiny' first" >&2; exit 1; }
	rm -rf $(SHIPPED).new $(SHIPPED).old
	cp -R $(FROM) $(SHIPPED).new
	mv $(SHIPPED) $(SHIPPED).old
	mv $(SHIPPED).new $(SHIPPED)
	rm -rf $(SHIPPED).old

read-tiny-gpu: setup
	PYTHON=$(BIN)/python scripts/train_on_gpu.sh all

# The ablations: Table 2 (SpeechAE) and Fig. 2 (asynchronous noise) at one reduced budget, on the parts of `make read-tiny`.
# SECOND=1 trains each with a second seed too. WEIGHTS is a folder of feature networks, FACES one of portraits.
VARIANT := output/variants
COMPARED := $(filter-out synchronous,$(VARIANTS))
NAME_pooled := averages# in tables; the others are called as their folders
row = $(or $(NAME_$(1)),$(1))
trained = $(VARIANT)/$(1)/checkpoint $(if $(SECOND),$(VARIANT)/$(1)-2/checkpoint)

variants: synthesizers $(VARIANTS:%=variant-%) $(if $(SECOND),$(VARIANTS:%=second-%))
	$(CORE) evaluate --suite table2 --out $(VARIANT)/table2 $(MEASURED) --variants \
		$(foreach v,$(COMPARED),$(addprefix $(call row,$(v))=,$(call trained,$(v))))
	$(CORE) evaluate --suite fig2 --out $(VARIANT)/fig2 $(MEASURED) \
		--checkpoint $(call trained,pretrained) --against $(call trained,synchronous)

variant-%:
	$(CORE) train configs/variants/$*/a2v.yaml
	$(CORE) checkpoint configs/variants/$*/checkpoint.yaml

second-%:
	$(CORE) train configs/variants/$*/a2v.yaml --output $(VARIANT)/$*-2/a2v --set loop.seed=1
	$(CORE) checkpoint configs/variants/$*/checkpoint.yaml --set output=$(VARIANT)/$*-2/checkpoint \
		--set transformer=$(VARIANT)/$*-2/a2v/export \
		$(if $(filter-out pretrained synchronous,$*),--set speech_ae=$(VARIANT)/$*-2/a2v/export/speech_ae)

# The paper's other experiments, with read-tiny.
paper: synthesizers
	$(CORE) evaluate --suite table1 --checkpoint $(PHOTO)/checkpoint --out $(PHOTO)/table1 $(MEASURED)
	$(CORE) evaluate --suite fig2 --checkpoint $(PHOTO)/checkpoint --out $(PHOTO)/fig2 $(MEASURED)
	$(CORE) evaluate --suite table3 --checkpoint $(PHOTO)/checkpoint --out $(PHOTO)/table3 $(MEASURED)
	$(CORE) evaluate --suite fig3 --checkpoint $(PHOTO)/checkpoint --out $(PHOTO)/fig3 $(MEASURED)
