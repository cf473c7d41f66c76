# make run     sets up what is missing, starts the server on port 3000 and the page on 8501:  make run ARGS="--config config_scripts/rwkv7-2.9b.toml"
# make test    sets up what is missing and runs the tests:                  make test ARGS="tests/engine -x"
# make test-gpu  runs the tests of all kernels on this machine's GPU, and fails where there is none
# make bench   prints the tables of the benchmarks
# make bench-teaching   teaches facts to a server and asks what sticks:     make bench-teaching ARGS="--facts 10 --seeds 0,1"
# make clean   removes caches and benchmark output; never data, models or the virtual environment

VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
RUNTIME := $(VENV)/.runtime-installed
TESTING := $(VENV)/.testing-installed
WEB := for_client/for_web/node_modules/.package-lock.json
# Looked up only when a virtual environment has to be made.
PYTHON = $(shell for p in python3.11 python3 python3.12 python3.13; do \
	$$p -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v $$p; break; }; done)
TORCH = $(shell sed -n 's/^torch==\([0-9.]*\).*/\1/p' requirements.txt)
TORCH_CPU_INDEX := https://download.pytorch.org/whl/cpu
# ninja, and whatever else is started by name, is the one installed here.
export PATH := $(BIN):$(PATH)

# Whatever is compiled for a GPU, or computed differently there.
GPU_TESTS := $(addprefix tests/rwkv_models/test_, wkv7_triton.py fused.py graph_decode.py cuda.py alone.py graph_reading.py flat_adamw.py checksum.py)

.PHONY: help run test test-gpu bench bench-teaching clean
help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

run: $(RUNTIME) $(WEB)
	exec deepspeed --num_nodes=1 --num_gpus=1 app.py --deepspeed --page $(ARGS)

test: $(TESTING) $(WEB)
	OMP_NUM_THREADS=1 python -m pytest -n 2 --dist loadfile $(ARGS)

test-gpu: $(TESTING)
	@python -c 'import sys, torch; sys.exit(0 if torch.cuda.is_available() else "make test-gpu: torch sees no GPU here")'
	python -m pytest $(GPU_TESTS) $(ARGS)

bench: $(TESTING)
	python -m bench $(ARGS)

bench-teaching: $(TESTING)
	python -m bench.teaching $(ARGS)

clean:
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -rf .pytest_cache .hypothesis .ruff_cache bench/out

$(BIN)/python:
	@test -n "$(PYTHON)" || { \
		echo "make: no Python 3.11 or newer with its venv module was found: install it, or say PYTHON=/path/to/python" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

# torch's plain build brings gigabytes of CUDA libraries. Where no GPU answers, the CPU build of the same version is installed first,
# from the index that pip is set up with or, if that has none, from PyTorch's own; it then satisfies requirements.txt.
$(RUNTIME): requirements.txt | $(BIN)/python
	@echo "installing requirements.txt into $(VENV), once: a minute or so"
	@if [ "$$(uname -s)" = Linux ] && ! nvidia-smi -L >/dev/null 2>&1; then \
		echo "no GPU: taking the CPU build of torch $(TORCH)"; \
		python -m pip install --quiet "torch==$(TORCH)+cpu" 2>/dev/null \
		|| python -m pip install --quiet --index-url $(TORCH_CPU_INDEX) "torch==$(TORCH)+cpu"; \
	fi
	@python -m pip install --quiet -r requirements.txt
	@touch $@

# The libraries of the page under /app come from npm. Without npm, or without its registry, the rest runs, and the page says what it lacks.
$(WEB): for_client/for_web/package-lock.json
	@{ command -v npm >/dev/null && npm ci --silent --prefix for_client/for_web && touch $@; } \
	|| echo "npm did not install the libraries of the page under /app; the rest runs without"

$(TESTING): requirements-test.txt $(RUNTIME)
	@python -m pip install --quiet -r requirements-test.txt
	@touch $@
