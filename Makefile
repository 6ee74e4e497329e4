# `make help` lists what there is. The first target that needs it makes a virtual environment in .venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PACKAGES := shared gateway services/customer services/sales services/marketing services/service-desk services/reporting clients/python deploy/local
PROCESSES ?= 2
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: help run test check bench format images manifests clean
.DEFAULT_GOAL := help

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

$(VENV)/.run: constraints.txt $(PACKAGES:%=%/pyproject.toml)
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) setuptools wheel
	$(INSTALL) --no-build-isolation $(PACKAGES:%=--editable %)
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.txt
	$(INSTALL) --requirement requirements-dev.txt
	@touch $@

run: $(VENV)/.run ## start the whole platform here (PORT, HOST, DATA_DIR, ADMIN_EMAIL, ADMIN_PASSWORD, SAMPLE=0)
	$(BIN)/python -m crm_local

test: $(VENV)/.dev ## run every test (REQUIRE_SERVERS=1: fail, not skip, where RabbitMQ or PostgreSQL is missing; PROCESSES)
	$(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist loadfile $(ARGS)

check: $(VENV)/.dev ## lint, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## put the code into its one format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev ## measure, on RabbitMQ and PostgreSQL; table here, JSON in bench/results
	$(BIN)/python -m bench $(ARGS)

images: ## build the container images (SERVICES="sales reporting" for some of them)
	$(PYTHON) deploy/compose/images.py $(SERVICES)

$(VENV)/.manifests: deploy/k8s/tools/requirements.txt deploy/k8s/tools/constraints.txt
	$(PYTHON) -m venv $(VENV)/manifests
	$(VENV)/manifests/bin/python -m pip install --quiet --disable-pip-version-check --constraint deploy/k8s/tools/constraints.txt --requirement deploy/k8s/tools/requirements.txt
	@touch $@

manifests: $(VENV)/.manifests ## validate and scan the Kubernetes manifests and the Dockerfiles
	TOOLS=$(VENV)/manifests/bin deploy/k8s/check.sh

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
