PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run demo test check soak bench clean

$(VENV)/.run: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --no-deps --editable .
	touch $@

$(VENV)/.test: requirements-test.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes -r requirements-test.lock
	$(BIN)/pip install --quiet --no-deps --editable .
	touch $@ $(VENV)/.run

run: $(VENV)/.run
	$(BIN)/crossdock serve

demo: $(VENV)/.test
	$(BIN)/crossdock demo

check: $(VENV)/.test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

test: check
	$(BIN)/pytest -n 2 -m "not soak"

soak: $(VENV)/.test
	$(BIN)/pytest -m soak --timeout 7200

bench: $(VENV)/.test
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
