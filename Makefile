# The commands of this project, for people and for CI alike; each does its own set-up.
.POSIX:
.PHONY: help demo test test-all lint setup-demo setup-test format
.PHONY: fuzz-router mutate-router bench-router bench-deploy bench-redeploys bench-clone
.PHONY: bench-golden bench-api-calls bench-assets

help:
	@echo 'make demo     two review apps on this machine, in a few minutes'
	@echo 'make test     the tests, on a real Nomad, Consul, Docker, nginx and PostgreSQL'
	@echo 'make test-all those and the slow ones: kills everywhere, several nodes, Terraform'
	@echo 'make lint     all linters'
	@echo 'make format   write all code as the linters want it'
	@echo 'make bench-router, bench-deploy, bench-redeploys, bench-clone, bench-golden,'
	@echo '     bench-api-calls, bench-assets   figures, as ratios'

setup-demo:
	@tools/setup demo

setup-test:
	@tools/setup test

demo: setup-demo
	@tools/demo

test: setup-test
	.venv/bin/pytest -m 'not slow' $(PYTEST)

test-all: setup-test
	.venv/bin/pytest $(PYTEST)

lint: setup-test
	@tools/lint

format: setup-test
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

# Benchmarks, each with its ratio in the last line; arguments in BENCH, as in
# `make bench-clone BENCH='--megabytes 100'`. Those of deploys use the local cluster.
bench-router: setup-test
	.venv/bin/python bench/router.py $(BENCH)

bench-deploy: setup-test
	.venv/bin/reviewapps local up
	.venv/bin/python bench/deploy.py $(BENCH)

bench-redeploys: setup-test
	.venv/bin/reviewapps local up
	.venv/bin/python bench/redeploys.py $(BENCH)

bench-clone: setup-test
	.venv/bin/python -m bench.clone $(BENCH)

bench-golden: setup-test
	.venv/bin/reviewapps local up
	.venv/bin/python -m bench.golden $(BENCH)

# A cluster of its own, with the local AWS; `reviewapps local down --name bench` removes it.
bench-api-calls: setup-test
	.venv/bin/reviewapps local up --name bench --aws 1
	REVIEWAPPS_SETTINGS=~/.reviewapps/bench/settings.yml .venv/bin/python -m bench.api_calls $(BENCH)

bench-assets: setup-test
	.venv/bin/python bench/assets.py --aws .venv/bin/aws $(BENCH)

# The router, harder than the tests try it: a million odd requests, and broken on purpose.
fuzz-router: setup-test
	.venv/bin/python -m tests.router.fuzz --requests 1000000

mutate-router: setup-test
	.venv/bin/python -m tests.router.mutations
