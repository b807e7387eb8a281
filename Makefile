# `make demo` and `make test` work on a fresh machine with nothing but Python 3.11 or newer.
PYTHON ?= python3
BIN := .venv/bin
# One process a core, each with one thread: tiny models gain nothing from more.
SPREAD := -n auto --dist loadscope

.PHONY: demo test test-fast contrib lint format docs clean

demo: .venv/.installed  ## tune a small model on the demo set, and show what it gained
	$(BIN)/ftcore run --method qlora

test: .venv/.dev  ## everything that runs without a GPU and without the network
	OMP_NUM_THREADS=1 $(BIN)/pytest $(SPREAD) -m "not gpu and not network and not real" --cov --cov-report=
	$(BIN)/pytest -m "real and not gpu and not network" --cov --cov-append --cov-report=term:skip-covered --cov-fail-under=95

test-fast: .venv/.dev  ## the same without the real model
	OMP_NUM_THREADS=1 $(BIN)/pytest $(SPREAD) -m "not gpu and not network and not real"

contrib: .venv/.dev  ## build, install and test each distribution in contrib/
	contrib/test.sh

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --constraint constraints.txt --editable '.[report]'
	touch $@

.venv/.dev: .venv/.installed
	$(BIN)/pip install --constraint constraints.txt --editable '.[report,dev]'
	touch $@

.venv/.docs: .venv/.installed
	$(BIN)/pip install --constraint constraints.txt --editable '.[docs]'
	touch $@

clean:
	rm -rf .venv site .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
