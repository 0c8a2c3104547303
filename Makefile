# `make demo` and `make test` set up everything they need inside this folder.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)

.DEFAULT_GOAL := help
.PHONY: help demo test suite quick near one fix lint rules migration bench scale day chaos lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-10s %s\n", $$1, $$2}' Makefile

demo: $(STAMP) ## see it work: a local Google, Redis and the real processes, a minute
	$(BIN)/lodestone demo

# mypy keeps one core busy for a minute: the other one begins with the tests.
test: $(STAMP) ## everything: lint, types and the whole suite
	@$(MAKE) --no-print-directory -j2 lint suite

suite: $(STAMP) ## the whole suite alone
	$(BIN)/pytest

quick: $(STAMP) ## lint, types and the tests nearest to what has changed
	@$(MAKE) --no-print-directory -j2 lint near

near: $(STAMP) ## the tests of what has changed alone, nearest first
	$(BIN)/python -m tests.quick

one: $(STAMP) ## some tests: T=tests/domain/test_quota.py, or T="tests/handlers/test_sorting.py -k thread"
	$(BIN)/pytest -n 0 -vv $(or $(T),$(error say which: make one T=tests/domain/test_quota.py))

fix: $(STAMP) ## mend what ruff can mend, and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lint: $(STAMP) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

rules: $(STAMP) ## which test proves which rule of docs/BEHAVIOUR.md
	$(BIN)/python -m tests.rules

migration: $(STAMP) ## begin the next migration: M="What is true after it"
	$(BIN)/python -m tests.migration "$(M)"

bench: $(STAMP) ## every budget of speed, measured; QUICK=1 for a look in two minutes
	$(BIN)/python -m tests.bench $(if $(QUICK),--quick)

scale: $(STAMP) ## a database of 100,000 mailboxes; ROWS="due purge" for some of it, DATABASE=sqlite for one of the two
	$(BIN)/python -m tests.scale --database $(or $(DATABASE),both) $(if $(ROWS),--only $(ROWS))

day: $(STAMP) ## a day of MAILBOXES mailboxes (1000) in MINUTES minutes (30)
	$(BIN)/python -m tests.scale.day --mailboxes $(or $(MAILBOXES),1000) --minutes $(or $(MINUTES),30)

chaos: $(STAMP) ## kill and break everything while mail flows, for MINUTES minutes (1), by SEED (1)
	$(BIN)/python -m tests.chaos --minutes $(or $(MINUTES),1) --seed $(or $(SEED),1)

lock: $(UV) ## resolve the dependencies of pyproject.toml anew
	$(UV) pip compile --universal --generate-hashes --no-header -q pyproject.toml -o requirements.lock
	$(UV) pip compile --universal --generate-hashes --no-header -q pyproject.toml --group dev -o requirements-dev.lock

$(STAMP): requirements-dev.lock pyproject.toml | $(UV)
	$(UV) venv -q --clear --python $(PYTHON) .venv
	$(UV) pip sync -q --require-hashes --compile-bytecode --python $(BIN)/python requirements-dev.lock
	$(UV) pip install -q --no-deps --no-build-isolation --python $(BIN)/python -e .
	$(BIN)/python -m compileall -q domain handlers infra workers
	@touch $@

.tools/bin/uv:
	$(PYTHON) -m venv .tools
	.tools/bin/pip install -q --disable-pip-version-check uv

clean: ## delete what make has set up, and what the demo left
	rm -rf .venv .tools .lodestone
