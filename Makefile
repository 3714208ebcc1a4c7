# make search    search a space, in a .venv that this makes   (SPACE=wrn_sam ARGS="--n-trials 20")
# make test      the test suite, two tests at a time   (ARGS="-m 'not slow'")
# make test-end-to-end   whole searches, killed and resumed; data parallel; notebook, browser;
#                   a large study's report; Optuna's contract for storages
# make test-other-processor   trainer's tests, and a search, in the arithmetic of an older processor
# make faults    the driver killed at every step and at random moments: half an hour
# make bench-smoke   every benchmark at its smallest size, two at a time
# make gpu-check   on a machine with a GPU: is training there right, and how fast; two halves of under four
#                   minutes   (ARGS="--half correctness")
# make lint      ruff and mypy
# make bench     all benchmarks against their peers: under 20 minutes on a quiet machine

PYTHON ?= python3
SPACE ?= wrn_sam
ARGS ?=

BIN := .venv/bin
READY := .venv/ready

OTHER_PROCESSOR := ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41
# Without what computes nothing; with a whole search, resumed and replayed bit for bit.
ARITHMETIC := tests/trainers --ignore=tests/trainers/data tests/end_to_end/test_conditional_space.py
PYTEST := $(BIN)/python -m pytest
PARALLEL := --numprocesses 2 --dist loadfile --no-loadscope-reorder

.PHONY: search test test-end-to-end test-other-processor faults bench-smoke gpu-check lint bench clean

search: $(READY)
	$(BIN)/python -m search.run --space $(SPACE) $(ARGS)

test: $(READY)
	$(PYTEST) $(PARALLEL) $(ARGS)

test-end-to-end: $(READY)
	$(PYTEST) $(PARALLEL) tests/end_to_end $(ARGS)

test-other-processor: $(READY)
	$(OTHER_PROCESSOR) $(PYTEST) $(PARALLEL) $(ARITHMETIC) $(ARGS)

faults: $(READY)
	$(PYTEST) tests/faults $(ARGS)

bench-smoke: $(READY)
	$(PYTEST) --numprocesses 2 tests/benchmarks $(ARGS)

gpu-check: $(READY)
	$(BIN)/python -m benchmarks.gpu_check $(ARGS)

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
