# make run | make ui | make test | make check | make bench | make clean; the environment is .venv/
PYTHON ?= python3
BIN := .venv/bin
export DAGSTER_HOME := $(CURDIR)/dagster_home

.PHONY: install run ui test check bench clean

install: .venv/.installed

# Byte-compiled on purpose: uncompiled imports would cost every worker process its start-up.
.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'dualollama_pipeline needs Python 3.11 or newer; try: make PYTHON=python3.11 $(MAKECMDGOALS)'; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --compile -c constraints.txt -e '.[dev]'
	$(BIN)/python -m compileall -q dualollama_pipeline
	@touch $@

run: install
	@$(BIN)/dualollama run

# Dagster's UI on the same instance and warehouse, and the report, on this machine only.
ui: install
	@$(BIN)/dualollama ui

# Three at a time, for many of them wait for processes; in order, so that no long one comes last.
test: check
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/dg check defs
	$(BIN)/dagster definitions validate --workspace workspace.yaml

# Readers, kills, coverage of the intervals, scale: writes docs/benchmarks.md, kills.md, speed.md
# and statistics.md (with JSON beside them) in about 40 minutes; QUICK=1 takes a few and only prints.
bench: install
	@$(BIN)/python -c 'import aiohttp' 2>/dev/null \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check --compile -c constraints.txt -e '.[bench]'
	@$(BIN)/python -m dualollama_pipeline_tests.benchmarks $(if $(QUICK),--quick)
	@$(BIN)/python -m dualollama_pipeline_tests.benchmarks.kills $(if $(QUICK),--kills 20 --folder $(shell mktemp -d))
	@$(BIN)/python -m dualollama_pipeline_tests.benchmarks.speed $(if $(QUICK),--quick)
	@$(BIN)/python -m dualollama_pipeline_tests.benchmarks.coverage $(if $(QUICK),--quick --folder $(shell mktemp -d))

clean:
	rm -rf .venv data/warehouse .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
