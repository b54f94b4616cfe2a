# `make help` lists the targets.
.DEFAULT_GOAL := help
SHELL := bash

VENV := .venv
PYTHON := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
WORKERS ?= auto

.PHONY: help venv tools programs parts manifests lint format test test-unit test-metrics test-operator test-healing test-outage test-faults test-mlflow test-properties test-simulate test-stores \
	cluster cluster-down kwok demo demo-all demo-break e2e e2e-contour e2e-demo e2e-install e2e-proxy e2e-slow e2e-smoke \
	bench-active bench-capture bench-check bench-decision bench-disagreement bench-engine bench-guards bench-intake bench-observer bench-pods bench-reaction bench-reference bench-scrapes bench-settled bench-shift bench-situations

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

venv: $(INSTALLED) ## Install the project and its development tools in .venv

tools: $(INSTALLED) ## Build etcd, kube-apiserver, kubectl, Prometheus and Helm for the tests
	@$(PYTHON) -m e2e.cluster tools

manifests: $(INSTALLED) ## Generate manifests/ from the Helm chart
	@$(PYTHON) -m e2e.manifests

programs: $(INSTALLED) ## Build every Go program of the tests and the cluster
	@$(PYTHON) -m e2e.cluster programs

parts: $(INSTALLED) ## Fetch and build everything else that the cluster and the demo need
	@$(PYTHON) -m e2e.cluster parts
	@$(PYTHON) -m demo parts

lint: $(INSTALLED) ## Check format, style, types and imports
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: $(INSTALLED) ## Format every file
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

# Minutes with an empty cache, as CONTRIBUTING.md says: 60 in all, 45 without what fills the cache.
STAGES := lint=0.5 programs+parts=15 test-unit=6 test-metrics=2 test-operator=6 cluster=1 \
	e2e-smoke=1.5 e2e-proxy=2.5 e2e=10 e2e-install=2 e2e-demo=13 cluster-down=0.5

test: $(INSTALLED) ## Run everything that CI runs, with a time budget per stage (DRY_RUN=1 shows them)
	@$(PYTHON) -m e2e.stages $(STAGES) $(if $(DRY_RUN),--dry-run) $(if $(CI),--again=e2e)

test-unit: $(INSTALLED) ## Run the fast tests: no cluster, about 9 min after `make tools`
	$(PYTHON) -m pytest tests -n $(WORKERS) --dist loadgroup -m "not slow and not whole and not chart and not fillers and not prometheus"

test-metrics: $(INSTALLED) ## Run the tests against a real Prometheus and a real proxy
	$(PYTHON) -m pytest tests -n $(WORKERS) --dist loadgroup -m "prometheus and not slow"

test-operator: $(INSTALLED) ## Run the whole operator, chart and manifests on a real API server, and what fills caches
	$(PYTHON) -m pytest tests/e2e_cluster tests/engine tests/helm tests/manifests -n $(WORKERS) --dist loadfile -m "(whole or chart or fillers) and not slow"

cluster: $(INSTALLED) ## Start or repair a real Kubernetes cluster (PROVIDER=kind|local, AUDIT=1)
	@$(PYTHON) -m e2e.cluster up $(if $(AUDIT),--audit)

cluster-down: $(INSTALLED) ## Delete the cluster
	@$(PYTHON) -m e2e.cluster down

kwok: $(INSTALLED) ## Add simulated nodes to the local cluster (NODES=10)
	@$(PYTHON) -m e2e.cluster kwok $(if $(NODES),--nodes $(NODES))

demo: $(INSTALLED) ## Roll out real models on the cluster: promoted, rolled back, compared with a plain Deployment
	@$(PYTHON) -m demo play

demo-all: $(INSTALLED) ## Play all scenes of the demo: also A/A, Prometheus down, Git revert, answers compared
	@$(PYTHON) -m demo play --all

demo-break: $(INSTALLED) ## Roll out a version with faults of your choice (ERRORS=2% SLOW=rare|cache|all)
	@$(PYTHON) -m demo break $(if $(ERRORS),--errors $(ERRORS)) $(if $(SLOW),--slow $(SLOW))

e2e-demo: $(INSTALLED) ## Test scenes 1 to 3 and 9 of the demo
	$(PYTHON) -m pytest e2e/demo -s -m "not slow" --timeout=1500

e2e-smoke: $(INSTALLED) ## Test the traffic split with 2,000 requests through the gateway
	$(PYTHON) -m pytest e2e/smoke -s

e2e-proxy: $(INSTALLED) ## Test a pod with its proxy on the cluster: answers, metrics, clean shutdown
	$(PYTHON) -m pytest e2e/proxy -s

e2e: $(INSTALLED) ## Test whole rollouts on the cluster: promoted, rolled back, through outages
	$(PYTHON) -m pytest e2e/scenes -s -m "not slow" --timeout=900

e2e-slow: $(INSTALLED) ## Slow: test longer outages, random kills of the operator, gRPC, and scenes 4 and 10 of the demo
	$(PYTHON) -m pytest e2e/scenes e2e/demo -s -m slow --timeout=1800

e2e-contour: $(INSTALLED) ## Slow: test traffic split and rollouts behind Contour instead of Envoy Gateway
	GATEWAY=contour $(PYTHON) -m pytest e2e/smoke e2e/scenes/test_rollouts.py -s -m "not slow" --timeout=900

e2e-install: $(INSTALLED) ## Test the Helm chart on the cluster: install, upgrade, uninstall
	$(PYTHON) -m pytest e2e/install -s

test-healing: $(INSTALLED) ## Slow: end each process of the cluster in turn and test that `make cluster` repairs it
	$(PYTHON) -m pytest e2e/healing -s --timeout=1800

test-outage: $(INSTALLED) ## Slow: two operators while the API server is away for five minutes, silent, or busy
	$(PYTHON) -m pytest tests/engine -n $(WORKERS) -m "whole and slow" --timeout=900

test-faults: $(INSTALLED) ## Slow: play 10,000 histories with faults in virtual time (COUNT=n; SEED=n tells one)
	$(PYTHON) -m tests.faults $(if $(SEED),replay $(SEED),run --count $(or $(COUNT),10000))

test-properties: $(INSTALLED) ## Slow: test properties with examples that no run has had (RUNS=10 for each)
	@for run in $$(seq $(or $(RUNS),10)); do \
		$(PYTHON) -m pytest tests -n $(WORKERS) --dist loadgroup -q --timeout=900 \
			-m "hypothesis and not slow and not whole and not prometheus" \
			--hypothesis-profile=others || exit 1; \
	done

test-simulate: $(INSTALLED) ## Slow: hold what `simulate` says against rollouts through the intake
	$(PYTHON) -m pytest tests/simulation -n $(WORKERS) -m slow -rP --timeout=900

MLFLOW := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/model-rollouts/mlflow-3.17.2

$(MLFLOW): $(INSTALLED)
	python3 -m venv $@.new
	$@.new/bin/pip install --quiet mlflow==3.17.2
	mv $@.new $@

test-mlflow: $(MLFLOW) ## Slow: read a model from a real MLflow server, installed first (RECORD=1 keeps its answers)
	MLFLOW_PYTHON=$(MLFLOW)/bin/python3 $(PYTHON) -m pytest tests/cli/mdep -m slow -rP --timeout=600

test-stores: tools ## Slow: judge versions by samples from VictoriaMetrics, built first
	@$(PYTHON) -m e2e.cluster stores
	$(PYTHON) -m pytest tests/stores -n $(WORKERS) -rP

bench-active: $(INSTALLED) ## Measure what many canaries cost at once (benchmarks/results/active.md)
	$(PYTHON) -m benchmarks.active

bench-capture: $(INSTALLED) ## Slow: measure what capture, slices and a fallback cost the proxy (benchmarks/results/capture.md)
	$(PYTHON) -m benchmarks.capture

bench-check: $(INSTALLED) ## Measure short benchmarks again and fail outside benchmarks/check/ranges.toml
	$(PYTHON) -m benchmarks.check

bench-decision: $(INSTALLED) ## Slow: measure error rates and duration of decisions (benchmarks/results/decision.md)
	$(PYTHON) -m benchmarks.decision

bench-disagreement: $(INSTALLED) ## Measure how often and how soon other answers roll a version back (benchmarks/results/disagreement.md)
	$(PYTHON) -m benchmarks.disagreement

bench-engine: $(INSTALLED) ## Slow: measure the operator with many ModelDeployments (benchmarks/results/engine.md)
	$(PYTHON) -m benchmarks.engine

bench-guards: $(INSTALLED) ## Measure how soon guards roll a bad version back (benchmarks/results/guards.md)
	$(PYTHON) -m benchmarks.guards

bench-intake: $(INSTALLED) ## Slow: measure how fast samples are counted (benchmarks/results/intake.md)
	$(PYTHON) -m benchmarks.intake

bench-observer: $(INSTALLED) ## Slow: measure what the observer takes for a record (benchmarks/results/observer.md)
	$(PYTHON) -m benchmarks.observer

bench-pods: $(INSTALLED) ## Slow: measure what the operator keeps of pods (benchmarks/results/pods.md)
	$(PYTHON) -m benchmarks.pods

bench-reaction: $(INSTALLED) ## Slow: measure how long users get a bad version (benchmarks/results/reaction.md)
	$(PYTHON) -m benchmarks.reaction

bench-reference: $(INSTALLED) ## Slow: measure references of large data files (benchmarks/results/reference.md)
	$(PYTHON) -m benchmarks.reference

bench-scrapes: $(INSTALLED) ## Find bad versions when pods are scraped seldom (benchmarks/results/scrapes.md)
	$(PYTHON) -m benchmarks.scrapes

bench-settled: $(INSTALLED) ## Measure what a version costs after its watch (benchmarks/results/settled.md)
	$(PYTHON) -m benchmarks.settled

bench-shift: $(INSTALLED) ## Slow: measure how often and how soon tests say that inputs moved (benchmarks/results/shift.md)
	$(PYTHON) -m benchmarks.shift

bench-situations: $(INSTALLED) ## Slow: measure outages of both versions and scrapes that fail (benchmarks/results/situations.md)
	$(PYTHON) -m benchmarks.situations
