# `make demo` and `make test` set up everything they need inside this folder.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)

.PHONY: demo test suite rules lint bench scale day chaos lock clean
demo: $(STAMP)
	$(BIN)/lodestone demo

# mypy keeps one core busy for a minute: the other one begins with the tests.
test: $(STAMP)
	@$(MAKE) --no-print-directory -j2 lint suite

suite: $(STAMP)
	$(BIN)/pytest

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

rules: $(STAMP)
	$(BIN)/python -m tests.rules

# QUICK=1 for a look in two minutes.
bench: $(STAMP)
	$(BIN)/python -m tests.bench $(if $(QUICK),--quick)

# ROWS="due purge" for some of them, DATABASE=sqlite for one of the two.
scale: $(STAMP)
	$(BIN)/python -m tests.scale --database $(or $(DATABASE),both) $(if $(ROWS),--only $(ROWS))

# A day of MAILBOXES mailboxes in MINUTES minutes.
day: $(STAMP)
	$(BIN)/python -m tests.scale.day --mailboxes $(or $(MAILBOXES),1000) --minutes $(or $(MINUTES),30)

chaos: $(STAMP)
	$(BIN)/python -m tests.chaos --minutes $(or $(MINUTES),1) --seed $(or $(SEED),1)

lock: $(UV)
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

clean:
	rm -rf .venv .tools .lodestone
