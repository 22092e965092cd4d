# `make help` lists what can be done. Everything is installed into .venv, clients of others into .venv-clients, the identity
# service that tests ask into .venv-keystone; only the tools that tests need come from Debian packages.

VENV := .venv
BIN := $(VENV)/bin
CLIENTS := .venv-clients
KEYSTONE := .venv-keystone
BENCH := .venv-bench
API_PORT ?= 9292
REGISTRY_PORT ?= 9191
PYTEST_PROCESSES ?= 2
PYTEST_ARGS ?=

# Else each of the programs that are started here would compile its sources anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run stop test test-slow test-databases test-postgresql test-mariadb faults test-all lint format bench bench-stores profile docs tools

help: ## what can be done
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/installed ## start both servers in the background, with everything they keep under ./var, or DIR=...
	@$(BIN)/python tools/local_service.py start $(if $(DIR),--dir "$(DIR)") --api-port $(API_PORT) --registry-port $(REGISTRY_PORT)

stop: $(VENV)/installed ## stop them, those of DIR=... where that was given
	@$(BIN)/python tools/local_service.py stop $(if $(DIR),--dir "$(DIR)")

test: lint tools $(CLIENTS)/installed $(KEYSTONE)/installed ## all that a change must pass
	$(BIN)/pytest -n $(PYTEST_PROCESSES) --dist loadfile -m "not slow" $(PYTEST_ARGS)

test-slow: $(VENV)/installed-dev tools ## the tests that take minutes
	$(BIN)/pytest -n $(PYTEST_PROCESSES) --dist loadfile -m slow $(PYTEST_ARGS)

test-databases: $(VENV)/installed-dev tools ## the registry and the API on PostgreSQL and on MariaDB
	@$(MAKE) --no-print-directory --jobs 2 --output-sync test-postgresql test-mariadb

# Neither another server in front, nor what the contract of the registry tries on every database by itself, would show more.
test-postgresql test-mariadb: test-%:
	$(BIN)/pytest --database $* -k "not threads and not Sockets and not every_case" \
		tests/contract/test_registry_http.py tests/contract/test_quotas.py tests/api $(PYTEST_ARGS)

faults: $(VENV)/installed-dev tools ## the experiments of docs/reliability.md in their long form, which takes hours, and its table anew
	$(BIN)/pytest tests/faults -m "slow or not slow" --long --results docs/reliability.md $(PYTEST_ARGS)

test-all: test test-slow test-databases ## every test there is

lint: $(VENV)/installed-dev ## style, types and imports, without running anything
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/installed-dev ## bring the code into its style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/installed-dev tools ## measure everything that docs/performance.md claims, beside nginx and whom BENCH_ARGS names
	@command -v wrk >/dev/null && test -x /usr/sbin/nginx || tools/apt_install.sh nginx-light wrk
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

profile: $(VENV)/installed-dev tools ## where the processor time of show, list, upload and download goes, by layer
	@command -v wrk >/dev/null || tools/apt_install.sh wrk
	$(BIN)/python -m benchmarks.layers $(BENCH_ARGS)

bench-stores: $(VENV)/installed-dev tools $(BENCH)/installed ## measure Swift and S3, beside the command lines of both
	$(BIN)/python -m benchmarks.stores $(BENCH_ARGS)

docs: $(VENV)/installed ## write anew what is generated from the code: samples in etc/, tables in docs/reference
	$(BIN)/python tools/generate_reference.py

tools:
	tools/install_test_tools.sh

$(VENV)/bin/python $(CLIENTS)/bin/python $(KEYSTONE)/bin/python $(BENCH)/bin/python:
	tools/make_venv.sh $(@:/bin/python=)

$(VENV)/installed: $(VENV)/bin/python requirements.txt setup.py
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

$(CLIENTS)/installed: $(CLIENTS)/bin/python tests/compat/requirements-clients.txt
	$(CLIENTS)/bin/pip install --quiet --disable-pip-version-check -r tests/compat/requirements-clients.txt
	@touch $@

$(KEYSTONE)/installed: $(KEYSTONE)/bin/python tests/requirements-keystone.txt
	$(KEYSTONE)/bin/pip install --quiet --disable-pip-version-check -r tests/requirements-keystone.txt
	@touch $@

$(BENCH)/installed: $(BENCH)/bin/python benchmarks/requirements.txt
	$(BENCH)/bin/pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	@touch $@
