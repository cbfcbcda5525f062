# Two commands matter: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo test lint types clean

setup: $(STAMP)

$(STAMP): pyproject.toml requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[standalone,train,dev]'
	@touch $(STAMP)

demo: setup
	@mkdir -p output
	$(BIN)/read-core generate --portrait assets/portrait.png --speech assets/speech.flac \
		--out output/demo.mp4 --sheet output/demo.png --overwrite

# The models of the tests are tiny: more threads would only wait for each other.
test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

clean:
	rm -rf $(VENV) output build *.egg-info
