# Every target sets up what it needs from nothing: a virtual environment in .venv, from PyPI.
# Use another interpreter with `make PYTHON=python3.13 test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
# Compiled bytecode is what makes every verb start fast; an empty value means "write it".
export PYTHONDONTWRITEBYTECODE :=
# The workers' and humans' own settings must not leak into a test or a demo.
unexport LOOOP_DATA_DIR LOOOP_CONFIG

.PHONY: help setup demo test check lint types arch docs docs-check fix bench test-runners clean

help:           ## this list
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/:/' | sort

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "looop needs Python 3.11 or newer; try: make PYTHON=python3.13"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  -c constraints.txt -e . --group dev
	@touch $@

setup: $(STAMP) ## make the environment, and nothing else

demo: setup     ## watch the real loop work, in a throw-away profile
	@$(BIN)/looop demo

test: setup     ## the whole test suite
	$(BIN)/pytest -n auto

test-runners: setup ## the same decisions through real agent CLIs, installed from npm
	$(BIN)/pytest -m runners tests/runners -n 0 --timeout 600

lint: setup     ## formatting and lint
	$(BIN)/ruff format --check src tests bench tools
	$(BIN)/ruff check src tests bench tools

types: setup    ## pyright, strict, over everything
	$(BIN)/pyright

arch: setup     ## the import contracts
	$(BIN)/lint-imports

docs: setup     ## write the generated reference pages anew
	$(BIN)/python tools/reference.py

docs-check: setup ## fail if a generated page has drifted
	$(BIN)/python tools/reference.py --check

check: lint types arch docs-check test ## everything that must be green before a commit

fix: setup      ## format, and mend what can be mended
	$(BIN)/ruff format src tests bench tools
	$(BIN)/ruff check --fix src tests bench tools

bench: setup    ## measure, and print the table of targets
	$(BIN)/python bench/run.py

clean:          ## remove what make made
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
