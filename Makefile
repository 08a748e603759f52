# `make demo` shows the main job, `make test` runs all checks. Both set up what they need: Python 3 is enough.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint fast clean

demo: .venv/demo
	@PATH="$(CURDIR)/$(BIN):$$PATH" tools/demo

test: lint
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

fast: lint  ## the tests that need no server
	$(BIN)/pytest -n 2 --dist worksteal -m "not engine and not server"

lint: .venv/test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

.venv/demo: setup.cfg | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/test: setup.cfg | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@ .venv/demo

# Debian's python3 comes without venv; as root that is mended here, else said.
.venv/bin/python:
	@$(PYTHON) -m venv .venv 2>/dev/null || { rm -rf .venv; \
	  [ "$$(id -u)" = 0 ] || { echo "install python3-venv first: apt-get install python3-venv" >&2; exit 1; }; \
	  apt-get -qq update && apt-get -qq install -y python3-venv >/dev/null && $(PYTHON) -m venv .venv; }

clean:
	rm -rf .venv .engine build examples/*/build examples/*/published examples/*/models examples/*/.panorama
