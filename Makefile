# make demo   try it: environment, install, the main job on the sample
# make test   the whole test suite, against the built wheel
# make check  format, lint, types, import contracts, bandit, known faults of dependencies
# make docs   the pages of docs/ as a site in build/docs; warnings are errors
# make fuzz   damaged files and memories for every reader, a minute each (docs/fuzzing.md)
# make bench  timings beside stock Volatility and MemProcFS
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SAMPLE := samples/lab-win11-22621.dmp

.PHONY: demo test check fuzz docs bench sample layouts clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || { $(PYTHON) -m pip install --quiet virtualenv && $(PYTHON) -m virtualenv --quiet $(VENV); }
	$(BIN)/python -m pip install --quiet --upgrade pip

# the dependencies; each only when pyproject.toml has changed
$(VENV)/.installed: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet .
	touch $@

$(VENV)/.dev: $(VENV)/.installed pyproject.toml
	$(BIN)/python -m pip install --quiet ".[dev]"
	touch $@

# the checkout as it is now, built into a wheel
.PHONY: install
install: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --no-deps --force-reinstall .

demo: install
	$(BIN)/anatomy show $(SAMPLE) findings --set severity=high
	$(BIN)/anatomy show $(SAMPLE) crossview --pid 7148
	$(BIN)/anatomy show $(SAMPLE) --pid 5212

test: $(VENV)/.dev install
	$(BIN)/python -m pytest -n auto --dist worksteal

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python scripts/check_absent.py
	$(BIN)/lint-imports --no-cache
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive structs process_anatomy plugins
	$(BIN)/python scripts/audit.py

docs: $(VENV)/.dev install
	@mkdir -p build/example
	$(BIN)/anatomy report $(SAMPLE) -o build/example/report-of-the-sample.html --overwrite
	$(BIN)/python -m sphinx -W -n --keep-going -q -c docs . build/docs
	@echo build/docs/index.html

fuzz: $(VENV)/.dev
	$(BIN)/python -m fuzz $(TARGETS) --seconds $(or $(SECONDS),60)
	if $(BIN)/python -c "import atheris" 2>/dev/null; then \
	  for target in $(TARGETS); do $(BIN)/python -m fuzz.guided $$target --seconds $(or $(SECONDS),60) || exit 1; done; fi

bench: $(VENV)/.dev install
	$(BIN)/python benchmarks/compare.py

sample: $(VENV)/.dev install
	$(BIN)/python -m process_anatomy.forge --output samples --overwrite

layouts: $(VENV)/.dev
	$(BIN)/python scripts/import_layouts.py $(FACTS)

clean:
	rm -rf $(VENV) build dist *.egg-info
