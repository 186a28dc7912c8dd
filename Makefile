# Each target first installs the project into a virtual environment in .venv.
PYTHON ?= python3
# Processes that tests start need not compile the source anew.
export PYTHONDONTWRITEBYTECODE :=

BIN := .venv/bin
# What is installed: the package, also what its tests need, also what `make durability` needs.
INSTALLED := .venv/installed
TESTS := .venv/installed-tests
DURABILITY := .venv/installed-durability
ZIG := .venv/ziglang
# Python compiles the modules that are used; to compile all of them would take 20 seconds and 190 MB.
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --no-compile

# Tests marked browser open pages in Chromium, those marked slurm start a cluster. CI installs both.
BROWSER := $(shell command -v chromium)
SLURM := $(CI)$(shell command -v sbatch)
LEFT_OUT := $(if $(BROWSER),,and not browser) $(if $(SLURM),,and not slurm)

.PHONY: sweep test check durability style types fast-tests durability-tests bench native \
  native-check wheels wheel-check hydra-check launcher-check newest-check floors docs-check \
  order-check site site-check clean

sweep: native  ## the architecture sweep: 18 networks, ten seeds each, on Japanese Vowels
	$(BIN)/seqsweep train -m sweep=architecture

test: $(TESTS) native  ## every promise; three processes, because some tests wait
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 3 --dist worksteal -m "not durability" \
	  $(if $(SHUFFLE),--shuffle $(SHUFFLE))

check: style  ## style, types, fast tests
	@$(MAKE) --no-print-directory -j 2 types fast-tests
	@$(BIN)/python scripts/rooms.py --above

durability: durability-tests $(ZIG)  ## all faults; then the checks, two at a time, long ones first
	@$(MAKE) --no-print-directory -j 2 -o native native-check docs-check wheels order-check newest-check \
	  hydra-check launcher-check wheel-check site-check ORDER="--of 4"

durability-tests: $(DURABILITY) native
	$(if $(BROWSER),,@echo "no chromium in PATH: the browser tests are left out")
	$(if $(SLURM),,@echo "no sbatch in PATH: the Slurm tests are left out")
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 3 --dist worksteal -m "durability $(LEFT_OUT)"

style: $(TESTS)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(TESTS) native
	$(BIN)/pyright

fast-tests: $(TESTS) native
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2 --dist worksteal -m "not slow and not durability"

bench: native  ## the cost of one run
	$(BIN)/python scripts/bench/single_run.py

native: $(INSTALLED)  ## builds the C++ library if its source has changed
	@$(BIN)/python src/seqsweep/native/build.py || echo "the PyTorch engine trains instead"

native-check: native $(ZIG)  ## checks that every compiler and CPU gives equal bits; sanitizers
	$(BIN)/python scripts/native_check.py

site: $(DURABILITY) native  ## the documents as a site in build/site, with a gallery of reports
	$(BIN)/python scripts/gallery.py
	@$(MAKE) --no-print-directory site-check

site-check: $(DURABILITY)  ## builds the site, and checks the links between its pages
	$(BIN)/sphinx-build -q -W -n docs build/site

wheels: $(ZIG) $(DURABILITY)  ## builds a wheel for each platform, into dist/
	$(BIN)/python scripts/wheels.py
	$(BIN)/twine check --strict dist/*.whl

wheel-check: $(ZIG)  ## installs the wheels in an empty environment and trains
	$(BIN)/python scripts/wheel_check.py

hydra-check: $(TESTS)  ## tests the oldest and the newest Hydra, in separate environments
	$(BIN)/python scripts/hydra_check.py

launcher-check: $(TESTS)  ## tests launchers of other packages, in separate environments
	$(BIN)/python scripts/launcher_check.py

newest-check: $(TESTS)  ## tests the newest dependencies, in a separate environment
	$(BIN)/python scripts/newest_check.py

floors: $(TESTS) native  ## the suite with the oldest versions, in a separate environment
	$(BIN)/python scripts/floors.py
	OMP_NUM_THREADS=1 .venv-floors/bin/pytest -q -n 3 --dist worksteal -m "not durability"

docs-check: $(DURABILITY) native  ## runs the commands of README and docs
	$(BIN)/python scripts/check_docs.py

order-check: $(TESTS) native  ## runs each file of tests alone; ORDER="--of 4": every fourth one
	OMP_NUM_THREADS=1 $(BIN)/python scripts/test_order.py $(ORDER)

clean:
	rm -rf .venv .venv-hydra .venv-launcher .venv-newest .venv-floors src/seqsweep/native/lib

$(INSTALLED): pyproject.toml hatch_build.py
	$(PYTHON) -c 'import sys; sys.exit("seqsweep needs Python 3.11 or newer, not " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	@$(BIN)/python src/seqsweep/native/build.py --compiler || $(PIP) ziglang || \
	  echo "no C++ compiler and no ziglang: installing without the native engine"
	$(PIP) --editable '.[baselines]'
	touch $@

$(TESTS): $(INSTALLED)
	$(PIP) --editable '.[test]'
	touch $@

$(DURABILITY): $(TESTS)
	$(PIP) --editable '.[durability]'
	touch $@

$(ZIG): $(TESTS)  # ziglang compiles for other platforms; lief reads the libraries
	$(PIP) ziglang lief
	touch $@
