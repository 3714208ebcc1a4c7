# make search    search a space, in a .venv that this makes   (SPACE=wrn_sam ARGS="--n-trials 20")
# make test      the test suite
# make faults    the driver killed at every step and at random moments; minutes
# make lint      ruff and mypy
# make bench     all benchmarks against their peers: under 20 minutes on a quiet machine

PYTHON ?= python3
SPACE ?= wrn_sam
ARGS ?=

BIN := .venv/bin
READY := .venv/ready

.PHONY: search test faults lint bench clean

search: $(READY)
	$(BIN)/python -m search.run --space $(SPACE) $(ARGS)

test: $(READY)
	$(BIN)/python -m pytest $(ARGS)

faults: $(READY)
	$(BIN)/python -m pytest -m faults tests/faults $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python -m benchmarks $(ARGS)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "sharpsearch needs Python 3.11 or newer; name one with PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[test]"
	touch $(READY)

clean:
	rm -rf .venv
