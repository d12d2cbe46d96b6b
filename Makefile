# Everything a developer does here, by one word. Needs Python 3.11 or newer and make; the rest is
# installed into .venv from the hash-pinned requirements-dev.lock.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
JOBS ?= 3

.PHONY: help install run demo test check lint bench chaos lock clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' Makefile

install: $(STAMP) ## make .venv with the `lending` command in it

$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; say which with: make PYTHON=/path/to/python3")'
	@echo "installing into .venv ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

run: $(STAMP) ## serve on http://127.0.0.1:8000, with an embedded PostgreSQL unless DATABASE_URL is set
	@exec $(BIN)/lending serve

demo: $(STAMP) ## four agents carry several applications through
	@exec $(BIN)/lending demo --self-contained

test: $(STAMP) ## every test but chaos and bench
	@$(BIN)/python -m pytest -q -n $(JOBS)

check: lint test ## what a change must pass: style, types, imports, tests

lint: $(STAMP)
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . || { echo "run: $(BIN)/ruff format ."; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo >.venv/imports.txt 2>&1 || { cat .venv/imports.txt; exit 1; }

bench: $(STAMP) ## the speed, as ratios measured in one run; BENCH=--write puts the table into the documentation
	@$(BIN)/python -m tests.bench $(BENCH)

chaos: $(STAMP) ## processes, servers and connections killed at random moments
	@$(BIN)/python -m pytest -q -s -n 0 -m chaos --timeout 0

lock: $(STAMP) ## remake both lock files from pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --upgrade --python-version 3.11 --custom-compile-command "make lock" pyproject.toml --group build -o requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --upgrade --python-version 3.11 --custom-compile-command "make lock" pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock

clean: ## remove what was installed and built; the ledger's data in .lending stay
	@rm -rf .venv dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find lending projections tests -name __pycache__ -type d -prune -exec rm -rf {} +
