# What a developer types. Every target works on a fresh clone.

PYTHON ?= python3
BIN := .venv/bin
# Every folder with Node packages of its own.
NODE_FOLDERS := $(patsubst %/package-lock.json,%,$(wildcard tests/*/package-lock.json clients/*/package-lock.json))
# Without a browser its tests are left out; .ci/tools has said so, and fails on CI.
CHROMIUM ?= /usr/bin/chromium
TESTED_NODE_FOLDERS = $(if $(wildcard $(CHROMIUM)),$(NODE_FOLDERS),$(filter-out tests/browser,$(NODE_FOLDERS)))
NODE_STAMPS := $(addsuffix /node_modules/.installed,$(NODE_FOLDERS))

.DEFAULT_GOAL := help
.PHONY: help install run test test-python test-javascript test-nodes long lint bench proofs instructions model faults compliance fuzz docs clean tools soak traceability generated-models

help: ## Say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

install: .venv/.installed ## Make .venv, with the router, its client and what tests need

run: install ## Start a router with a demo tenant, and its store
	@$(BIN)/relevo demo

# Python's and JavaScript's beside each other: both wait more than they work.
test: install tools ## Run all tests but the long ones; what this machine lacks is installed or named
	@$(MAKE) --no-print-directory --jobs=2 test-python test-javascript
	@$(BIN)/pytest --quiet --numprocesses auto -m "network and not long" $(PYTEST_OPTIONS) tests/chaos

test-python: install
	@$(BIN)/pytest --quiet --numprocesses auto --dist worksteal -m "not long and not network" $(PYTEST_OPTIONS)

test-javascript:
	@mkdir -p build; $(MAKE) --no-print-directory test-nodes >build/javascript.log 2>&1; code=$$?; \
		cat build/javascript.log; exit $$code

test-nodes:
	@if command -v npm >/dev/null; then \
		$(MAKE) --no-print-directory $(NODE_STAMPS) && \
		for folder in $(TESTED_NODE_FOLDERS); do npm --prefix $$folder test --if-present || exit 1; done; \
	fi

long: install tools ## Run the long tests: mutants, faults under load, failovers with people at work
	@$(BIN)/pytest --quiet --numprocesses auto --dist worksteal -m long $(PYTEST_OPTIONS)

lint: install ## Check the form and the types of all code
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@if command -v npm >/dev/null; then \
		$(MAKE) --no-print-directory $(NODE_STAMPS) && \
		for folder in $(NODE_FOLDERS); do npm --prefix $$folder run lint --if-present || exit 1; done; \
	fi

bench: install ## Measure everything in about twelve minutes into docs/PERFORMANCE.md, or SCENARIO=fanout alone
	@$(BIN)/python -m bench $(or $(SCENARIO),all)
	@$(if $(SCENARIO),,$(BIN)/python -m bench.document docs/PERFORMANCE.md)

proofs: install ## Run the commands whose output docs/RELIABILITY.md and PERFORMANCE.md show; most of an hour
	@$(BIN)/python -m bench.document --run docs/RELIABILITY.md docs/PERFORMANCE.md

instructions: install ## Count the instructions of a transfer in router and store; needs valgrind
	@$(BIN)/python -m bench.instructions

model: install ## Run store commands against the model; EXAMPLES=n for long, SEED=n to repeat a run
	@EXAMPLES=$(or $(EXAMPLES),3000) $(BIN)/pytest --quiet $(if $(SEED),--hypothesis-seed=$(SEED)) \
		tests/stateful/test_commands_against_model.py

faults: install ## Break things at random under load for MINUTES=1; SEED=n brings the same faults again
	@$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) --minutes $(or $(MINUTES),1)

compliance: install ## Run the Autobahn suite against the transport; needs a Python 2.7
	@$(BIN)/python -m tests.compliance.autobahn

fuzz: install ## Look for bytes that the codec answers wrongly, for MINUTES=1
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[fuzz]'
	@mkdir -p build
	@$(BIN)/python -m tests.adversarial.fuzz_codec -max_total_time=$$((60 * $(or $(MINUTES),1))) -timeout=5 \
		-artifact_prefix=build/fuzz-

soak: install ## See whether memory stays flat under work, for MINUTES=10; SEED=n to repeat a run
	@$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),10) --seed $(or $(SEED),1)

traceability: install ## Print which test proves which limit, which fault, which bad input
	@$(BIN)/pytest --quiet --traceability

generated-models: install ## Read every example with models that public generators make; needs a JDK 17, Maven and Go
	@$(BIN)/pytest --quiet tests/protocol/generated/generated_models.py

docs: install ## Generate the protocol's documents and tables and the README's settings
	@$(BIN)/python -m protocol.asyncapi
	@$(BIN)/python -m protocol.openapi
	@$(BIN)/python -m protocol.reference docs/PROTOCOL.md
	@$(BIN)/python -m relevo.router.config README.md

clean: ## Remove what was installed and built, but no data
	@rm -rf .venv build dist clients/python/dist $(addsuffix /node_modules,$(NODE_FOLDERS))
	@rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find clients protocol router tests -name __pycache__ -prune -exec rm -rf {} +

# Node for the tests in JavaScript and of the protocol's document, a Redis beside the bundled Valkey.
tools:
	@.ci/tools

.venv/.installed: pyproject.toml clients/python/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or later is needed")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--editable clients/python --editable '.[bench,demo,dev]'
	@mkdir -p build/types && ln -sfn ../.. build/types/relevo
	@touch $@

%/node_modules/.installed: %/package-lock.json
	@npm --prefix $* ci --silent
	@touch $@
