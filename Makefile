# Every target that a person needs; `make help` lists them.
.DEFAULT_GOAL := help
SHELL := bash

VENV := .venv
PYTHON := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
WORKERS ?= auto

.PHONY: help venv tools programs parts manifests lint format test test-unit test-metrics test-operator test-healing \
	cluster cluster-down kwok demo demo-all demo-break e2e e2e-demo e2e-install e2e-proxy e2e-slow e2e-smoke \
	bench-decision bench-engine bench-intake bench-reaction

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

# Two makes may find it missing at once: one installs, the other waits and then finds it done.
$(INSTALLED): pyproject.toml constraints.txt
	@mkdir -p $(VENV)
	@exec 9> $(VENV)/.lock; \
	flock --nonblock 9 || { echo "Waiting for another make that installs into $(VENV)"; flock 9; }; \
	if [ pyproject.toml -nt $@ ] || [ constraints.txt -nt $@ ]; then \
		echo "Installing into $(VENV)" && python3 -m venv $(VENV) \
		&& $(PYTHON) -m pip install --quiet --constraint constraints.txt --editable '.[dev]' \
		&& touch $@; \
	fi

venv: $(INSTALLED) ## Install the project and its development tools into .venv

tools: $(INSTALLED) ## Build etcd, kube-apiserver, kubectl, Prometheus and Helm, which tests run against
	@$(PYTHON) -m e2e.cluster tools

manifests: $(INSTALLED) ## Write what is generated in manifests/ from the Helm chart
	@$(PYTHON) -m e2e.manifests

programs: $(INSTALLED) ## Build every Go program of tests and cluster; the cluster's are built when it starts, too
	@$(PYTHON) -m e2e.cluster programs

parts: $(INSTALLED) ## Fetch and build what else cluster and demo need; they do it themselves when it is missing
	@$(PYTHON) -m e2e.cluster parts
	@$(PYTHON) -m demo parts

lint: $(INSTALLED) ## Check format, style, types and the imports between rooms
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: $(INSTALLED) ## Put every file into the project's format
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

# Minutes with an empty cache, as CONTRIBUTING.md says: 60 in all, 45 without what fills the cache.
STAGES := lint=1 programs+parts=15 test-unit=3 test-metrics=2 test-operator=3 cluster=3 e2e-smoke=2 \
	e2e-proxy=2 e2e=10 e2e-install=2 e2e-demo=14 cluster-down=1

test: $(INSTALLED) ## Everything that CI runs, with a time budget for each stage (DRY_RUN=1 shows them)
	@$(PYTHON) -m e2e.stages $(STAGES) $(if $(DRY_RUN),--dry-run)

test-unit: $(INSTALLED) ## The fast lane: no cluster, about two minutes once `make tools` ran
	$(PYTHON) -m pytest tests -n $(WORKERS) --dist loadgroup -m "not slow and not whole and not prometheus"

test-metrics: $(INSTALLED) ## What is asked of a real Prometheus, and counted by a real proxy
	$(PYTHON) -m pytest tests -n $(WORKERS) --dist loadgroup -m "prometheus and not slow"

test-operator: $(INSTALLED) ## The whole operator on a real API server, with a Prometheus of the tests
	$(PYTHON) -m pytest tests/engine -m whole

cluster: $(INSTALLED) ## Start a real Kubernetes cluster, or repair it (PROVIDER=kind|local, AUDIT=1)
	@$(PYTHON) -m e2e.cluster up $(if $(AUDIT),--audit)

cluster-down: $(INSTALLED) ## Stop the cluster and leave nothing of it
	@$(PYTHON) -m e2e.cluster down

kwok: $(INSTALLED) ## Add pretended nodes to the local cluster (NODES=10)
	@$(PYTHON) -m e2e.cluster kwok $(if $(NODES),--nodes $(NODES))

demo: $(INSTALLED) ## Versions of a model on a real cluster: promoted, rolled back, and beside a plain Deployment
	@$(PYTHON) -m demo play

demo-all: $(INSTALLED) ## The same with every scene: shadow, A/A, Prometheus outage, Git reverted
	@$(PYTHON) -m demo play --all

demo-break: $(INSTALLED) ## A version with faults of your choice (ERRORS=2% SLOW=rare|cache|all)
	@$(PYTHON) -m demo break $(if $(ERRORS),--errors $(ERRORS)) $(if $(SLOW),--slow $(SLOW))

e2e-demo: $(INSTALLED) ## Scenes 1 to 4 of the demo, by the status and by what users got
	$(PYTHON) -m pytest e2e/demo -s --timeout=900

e2e-smoke: $(INSTALLED) ## 2,000 requests through the gateway: is the split what the route says?
	$(PYTHON) -m pytest e2e/smoke -s

e2e-proxy: $(INSTALLED) ## A revision's pod on the cluster: answers, metrics, and an end without errors
	$(PYTHON) -m pytest e2e/proxy -s

e2e: $(INSTALLED) ## Whole rollouts on the cluster: promoted, rolled back, and through every outage
	$(PYTHON) -m pytest e2e/scenes -s -m "not slow" --timeout=900

e2e-slow: $(INSTALLED) ## Slow: the same with longer outages and the operator killed at random
	$(PYTHON) -m pytest e2e/scenes -s -m slow --timeout=1800

e2e-install: $(INSTALLED) ## The operator installed with Helm: it runs, is upgraded, and leaves what it should
	$(PYTHON) -m pytest e2e/install -s

test-healing: $(INSTALLED) ## Slow: end each process of the cluster in turn; does `make cluster` heal it?
	$(PYTHON) -m pytest e2e/healing -s --timeout=1800

bench-decision: $(INSTALLED) ## Slow: measure the decision engine, write benchmarks/results/decision.md
	$(PYTHON) -m benchmarks.decision

bench-engine: $(INSTALLED) ## Slow: the operator with many ModelDeployments, write benchmarks/results/engine.md
	$(PYTHON) -m benchmarks.engine

bench-intake: $(INSTALLED) ## Slow: measure the intake of samples, write benchmarks/results/intake.md
	$(PYTHON) -m benchmarks.intake

bench-reaction: $(INSTALLED) ## Slow: how long bad versions are served, write benchmarks/results/reaction.md
	$(PYTHON) -m benchmarks.reaction
