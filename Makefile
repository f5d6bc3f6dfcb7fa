# Two commands do all set-up: `make run` starts Outgate with sample customers, `make test` runs every check and test.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: run test check format requirements docs bench-relay clean system-packages

run: $(VENV)/.run
	@exec $(BIN)/outgate up --demo --state var

# Both markers hold what was installed, so that a changed pin is installed by the next command.
$(VENV)/.run: requirements/run.txt requirements/build.txt pyproject.toml
	@tools/venv $(PYTHON) $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt -r requirements/build.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test: $(VENV)/.run requirements/test.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/test.txt
	@touch $@

test: $(VENV)/.test system-packages check
	$(BIN)/python -m pytest -n 2 --dist worksteal

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

system-packages:
	@tools/system-packages

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.run
	$(BIN)/python tools/generate_docs.py

bench-relay: $(VENV)/.run
	bench/relay

# Pins with hashes, from pyproject.toml. Needs uv (any recent one) on the PATH.
requirements:
	uv pip compile --quiet --python-version 3.11 --generate-hashes --no-header --upgrade pyproject.toml -o requirements/run.txt
	uv pip compile --quiet --python-version 3.11 --generate-hashes --no-header --upgrade --group dev -c requirements/run.txt -o requirements/test.txt
	uv pip compile --quiet --python-version 3.11 --generate-hashes --no-header --upgrade requirements/build.in -c requirements/test.txt -o requirements/build.txt

clean:
	rm -rf $(VENV) var build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
