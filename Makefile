# Each target sets itself up: a virtual environment in .venv with the project in it.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed

# Tests marked browser look at pages in Chromium; CI installs it.
BROWSER := $(shell command -v chromium)

.PHONY: sweep test check bench wheel-check hydra-check clean

sweep: $(INSTALLED)  ## the architecture sweep: 24 networks on Japanese Vowels
	$(BIN)/seqsweep train -m sweep=architecture

test: $(INSTALLED)  ## the whole suite
	$(if $(BROWSER),,@echo "no chromium in PATH: the tests that look at pages are left out")
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2 --dist worksteal $(if $(BROWSER),,-m "not browser")

check: $(INSTALLED)  ## style, types, fast tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2 --dist worksteal -m "not slow"

bench: $(INSTALLED)  ## what one run costs
	$(BIN)/python scripts/bench/single_run.py

wheel-check: $(INSTALLED)  ## the wheel, in an empty environment outside the checkout
	$(BIN)/python scripts/wheel_check.py

hydra-check: $(INSTALLED)  ## the oldest and the newest Hydra, in an environment of their own
	$(BIN)/python scripts/hydra_check.py

clean:
	rm -rf .venv .venv-hydra

$(INSTALLED): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("seqsweep needs Python 3.11 or newer, not " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@
