# The verbs of the house. `make demo` and `make test` are all that a newcomer needs; each builds its own .venv.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.ONESHELL:
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3
BIN := .venv/bin
CORE := .venv/installed-core
DEV := .venv/installed-dev
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help demo test test-all check golden bench docs clean

help: ## say what each verb does
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */  make \1\t/' | expand -t 20

# One stamp per set of packages: newer settings or pins install again, everything else is reused.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=/path/to/python3")'
	$(PYTHON) -m venv .venv

$(CORE): pyproject.toml constraints.txt | $(BIN)/python
	@start=$$SECONDS
	echo "installing the core packages ..."
	$(PIP) -e .
	touch $@
	echo "installation took $$((SECONDS - start)) s (counted apart)"

$(DEV): pyproject.toml constraints.txt | $(BIN)/python
	@start=$$SECONDS
	echo "installing the core and the development packages ..."
	$(PIP) -e '.[dev]'
	touch $(CORE) $@
	echo "installation took $$((SECONDS - start)) s (counted apart)"

demo: $(CORE) ## the main job end to end on packaged data, offline; writes demo/report.html
	@start=$$SECONDS
	$(BIN)/biolect demo -o demo --overwrite
	echo "demo took $$((SECONDS - start)) s"

test: $(DEV) ## the tests that run on every change
	@start=$$SECONDS
	$(BIN)/python -m pytest -q -n $${TEST_WORKERS:-2} --durations=10
	echo "tests took $$((SECONDS - start)) s"

test-all: $(DEV) ## every test, slow ones too, with coverage of the lower floors
	$(BIN)/python -m pytest -q -n $${TEST_WORKERS:-2} -m "not gpu" --hypothesis-profile=drawn --cov --cov-report=term

check: $(DEV) ## lint, format and types; changes nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

golden: $(DEV) ## write the golden files anew; say why in the commit message
	$(BIN)/python -m pytest -q tests/golden --write-golden

bench: $(DEV) ## speed and memory, ours beside peers, in one run
	@for script in benchmarks/bench_*.py; do echo "== $$script"; $(BIN)/python $$script; done

docs: $(DEV) ## check links and render docs/ and the list of public names to site/
	$(BIN)/python docs/build.py site

clean: ## remove what the other verbs made, but not the environment
	rm -rf demo site dist build .pytest_cache .ruff_cache .hypothesis .coverage htmlcov
