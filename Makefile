# Every target makes what it needs: .venv, from the versions in constraints.txt, on its first call.
PYTHON ?= python3
VENV ?= .venv
OLDEST ?= .venv-oldest
JOBS ?= 2
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
OLDEST_BIN := $(OLDEST)/Scripts
else
BIN := $(VENV)/bin
OLDEST_BIN := $(OLDEST)/bin
endif
PY := $(BIN)/python
PIP := $(PY) -m pip install --disable-pip-version-check --quiet --constraint constraints.txt

GUIDE := $(filter-out docs/auto_examples/% docs/generated/%, \
	$(wildcard docs/*.rst docs/*.md docs/*/*.rst docs/*/*.md))

# One thread a process: on small models more threads are slower, and the tests run side by side.
export OMP_NUM_THREADS ?= 1
export MPLBACKEND ?= Agg

.PHONY: help demo test test-oldest golden doctest lint format docs ci clean
help:
	@echo "make demo      fit, tune and score a classifier on the bundled JapaneseVowels"
	@echo "make test      run the tests (JOBS=$(JOBS) processes)"
	@echo "make golden    fit the small models of tests/golden anew, show what differs; WRITE=1 keeps it"
	@echo "make test-oldest   run the tests on the oldest versions that the ranges promise"
	@echo "make doctest   run the examples in docstrings, README and user guide"
	@echo "make lint      ruff and mypy"
	@echo "make format    let ruff rewrite the files"
	@echo "make docs      build the documentation into docs/_build/html"
	@echo "make ci        all that continuous integration runs"
	@echo "make clean     remove what these targets built, .venv included"
	@echo "PYTHON=python3.12 chooses the interpreter that .venv is made from (3.11 or newer)."

demo: $(VENV)/.installed-demo
	$(PY) examples/demo.py

test: $(VENV)/.installed-dev
	$(PY) -m pytest --numprocesses $(JOBS) --dist worksteal $(ARGS)

golden: $(VENV)/.installed-dev
	$(PY) tests/golden/golden.py $(if $(WRITE),--write)

# A virtual environment of its own, from constraints-oldest.txt.
test-oldest: $(OLDEST)/.installed-test
	$(OLDEST_BIN)/python -m pytest --numprocesses $(JOBS) --dist worksteal $(ARGS)

doctest: $(VENV)/.installed-dev
	$(PY) -m pytest --doctest-modules --doctest-glob='*.md' --doctest-glob='*.rst' \
		sklearn_rnn README.md $(GUIDE) $(ARGS)

lint: $(VENV)/.installed-dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

format: $(VENV)/.installed-dev
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

docs: $(VENV)/.installed-dev
	$(PY) -m sphinx -W --keep-going -b html docs docs/_build/html

ci:
	.ci/run

clean:
	rm -rf $(VENV) $(OLDEST) docs/_build docs/generated docs/auto_examples .mypy_cache .ruff_cache .pytest_cache

# .venv, and the build backend in it, so that building the package fetches nothing unpinned.
$(VENV)/.made: constraints.txt
	@command -v $(PYTHON) > /dev/null || { echo "No '$(PYTHON)' here: install Python 3.11 or newer, or name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "sklearn-rnn needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Name a newer one: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PY) -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(PIP) hatchling editables
	@touch $@

$(VENV)/.installed-demo: $(VENV)/.made pyproject.toml
	$(PIP) --no-build-isolation --editable '.[plot,progress]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.made pyproject.toml
	$(PIP) --no-build-isolation --editable '.[dev]'
	@touch $@ $(VENV)/.installed-demo

# What constraints-oldest.txt does not name, pip chooses.
$(OLDEST)/.installed-test: constraints-oldest.txt pyproject.toml
	$(PYTHON) -m venv --clear $(OLDEST)
	$(OLDEST_BIN)/python -m pip install --disable-pip-version-check --quiet \
		--constraint constraints.txt hatchling editables
	$(OLDEST_BIN)/python -m pip install --disable-pip-version-check --quiet --no-build-isolation \
		--constraint constraints-oldest.txt --editable '.[test]'
	@touch $@
