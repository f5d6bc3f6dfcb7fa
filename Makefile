# Two commands do all set-up: `make run` starts Outgate with sample customers, `make test` runs every check and test.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: run test check corpus fuzz format requirements docs screenshots bench bench-relay bench-latency bench-admission bench-headers bench-deferred bench-large bench-portal bench-scan bench-detection crash clean system-packages

run: $(VENV)/.compiled
	@exec $(BIN)/outgate up --demo --state var

# Both markers hold what was installed, so that a changed pin is installed by the next command.
$(VENV)/.run: requirements/run.txt requirements/build.txt pyproject.toml
	@tools/venv $(PYTHON) $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt -r requirements/build.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# What is compiled is optional: without a C compiler or Python's headers Outgate runs in pure Python.
$(VENV)/.compiled: $(VENV)/.run tools/compile tools/compile_modules.py src/outgate/compiled.py $(wildcard src/outgate/*/_*.c) \
  $(wildcard $(addprefix src/outgate/,$(addsuffix /*.py,app smtp mail policy reception delivery net spool spool/segments portal/tracker)))
	@tools/compile $(BIN)/python
	@touch $@

$(VENV)/.test: $(VENV)/.run requirements/test.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/test.txt
	@touch $@

# What is compiled has been tested as it is; here the same once more as Python.
PURE := tests/smtp tests/reception tests/delivery tests/spool/segments tests/spool/test_sealed.py tests/spool/test_records.py tests/spool/test_event_log.py tests/spool/test_event_frames.py tests/portal/tracker/test_rows.py tests/net/test_listener.py tests/net/test_outbox.py tests/test_compiled.py

# The browser's driver keeps an event loop running in its process, beside which no other test could have one of its own.
test: $(VENV)/.test system-packages $(VENV)/.compiled corpus check
	$(BIN)/python -m pytest -n 3 --dist worksteal --ignore tests/browser
	$(BIN)/python -m pytest -n 3 --dist loadfile tests/browser
	OUTGATE_PURE=1 $(BIN)/python -m pytest -n 2 --dist worksteal $(PURE)

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

system-packages:
	@tools/system-packages

# Fuzzes each target for its share of MINUTES; prints a table. `make test` tries a few examples of each.
fuzz: $(VENV)/.test
	$(BIN)/python -m tests.fuzz.run --minutes $(or $(MINUTES),10)

# Real mail for the tests, fetched once into build/corpus.
corpus: system-packages
	@tools/corpus

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# A picture of each page of the portal, light, dark and as wide as a phone, into build/screenshots.
screenshots: $(VENV)/.test system-packages
	$(BIN)/python tools/screenshots

docs: $(VENV)/.run
	$(BIN)/python tools/generate_docs.py

# Everything that is measured, one after the other, with nothing else running. The tables stand in docs/performance.md.
bench: bench-relay bench-latency bench-large bench-deferred bench-admission bench-headers bench-portal bench-scan bench-detection

bench-admission: $(VENV)/.run
	$(BIN)/python bench/admission.py

bench-headers: $(VENV)/.compiled
	$(BIN)/python bench/headers.py

bench-latency: $(VENV)/.compiled
	$(BIN)/python bench/latency.py

bench-relay: $(VENV)/.compiled
	bench/relay

bench-deferred: $(VENV)/.compiled
	$(BIN)/python bench/deferred.py

bench-large: $(VENV)/.run
	$(BIN)/python bench/large.py

bench-portal: $(VENV)/.compiled
	$(BIN)/python bench/portal.py

# Needs root, and Debian's package rspamd.
bench-scan: $(VENV)/.compiled corpus
	$(BIN)/python bench/scan.py

# Needs root, and Debian's packages rspamd and spamd.
bench-detection: $(VENV)/.run corpus
	$(BIN)/python bench/detection.py

# Kill processes under load; docs/reliability.md has the table of one run.
crash: $(VENV)/.test $(VENV)/.compiled
	bench/crash --rounds $(or $(ROUNDS),1000) --seed $(or $(SEED),1)

# Pins with hashes, from pyproject.toml. Needs uv (any recent one) on the PATH.
requirements:
	uv pip compile --quiet --python-version 3.11 --generate-hashes --no-header --upgrade pyproject.toml -o requirements/run.txt
	uv pip compile --quiet --python-version 3.11 --generate-hashes --no-header --upgrade --group dev -c requirements/run.txt -o requirements/test.txt
	uv pip compile --quiet --python-version 3.11 --generate-hashes --no-header --upgrade requirements/build.in -c requirements/test.txt -o requirements/build.txt

clean:
	rm -rf $(VENV) var build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
