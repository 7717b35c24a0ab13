# `make repro` and `make test` do all set-up themselves; Python 3.11, make and git are all they need.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2
# Two single-threaded stages at a time use two cores best; numerical libraries must not add threads of their own.
export OMP_NUM_THREADS = 1
# Studies with `native` kernels, whose results are committed, were run so; the phantom's bytes depend on it.
export OPENBLAS_CORETYPE = Haswell
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: audit-dependencies setup check test smoke repro clean

setup: $(VENV)/.installed  ## virtual environment with the locked versions

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

check: setup audit-dependencies  ## formatter, linter, type checker, params, known vulnerabilities
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/augbench check

audit-dependencies: setup  ## versions that fit together, and (with a network) without known vulnerabilities
	$(BIN)/python -m pip check
	$(BIN)/python tools/audit_dependencies.py

test: setup  ## all tests, with one run of the smoke study; tests that share it run in one process
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup

smoke: setup  ## the smoke study in a scratch copy of this checkout
	$(BIN)/python -m pytest -m pipeline

repro: setup  ## the whole study as params.yaml says; results in reports/report.html
	$(BIN)/augbench repro --jobs $(JOBS)

MADE := cohort generators synthetic models pictures predictions scores sheets
clean:  ## remove what the stages of all studies made; reports stay
	rm -rf .augbench studies/*/.augbench $(foreach name,$(MADE),data/$(name) studies/*/data/$(name))
