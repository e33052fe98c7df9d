# Every target sets up what it needs in .venv and then runs; a second call installs nothing again.
#   make report    an HTML compliance report of the emulated demo account, in reports/
#   make test      all tests on all processors, then the notebooks
#   make check     format, lint, types
#   make notebooks every notebook from top to bottom
#   make bench     speed and memory, as ratios against a baseline in the same run, as JSON lines
#   make lab       JupyterLab with the notebooks
#   make clean     remove .venv, caches and reports

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
SOURCES := pyproject.toml constraints.txt

# Compiled bytecode makes every start two to four times faster, so an environment that forbids it is overruled here.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: report test check notebooks bench lab clean
.DEFAULT_GOAL := report

$(BIN)/python:
	@echo "Making $(VENV) with $$($(PYTHON) --version)" >&2
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "ddreport needs Python 3.11 or newer; try: make PYTHON=python3.11" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "This Python cannot make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 2; }

# One stamp per extra: what is installed already is left alone until the requirements change.
$(VENV)/installed-%: $(SOURCES) | $(BIN)/python
	@echo "Installing ddreport[$*] (once)" >&2
	@$(PIP) -e '.[$*]'
	@touch $@

report: $(VENV)/installed-emulator,report
	$(BIN)/ddreport demo --out reports

test: $(VENV)/installed-test
	$(BIN)/python -m pytest --numprocesses auto --dist loadgroup --no-loadscope-reorder
	$(BIN)/python -m pytest --nbval-lax notebooks

check: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

notebooks: $(VENV)/installed-test
	$(BIN)/python -m pytest --nbval-lax notebooks

bench: $(VENV)/installed-test
	$(BIN)/python tests/benchmarks/run.py

lab: $(VENV)/installed-all
	$(BIN)/jupyter lab notebooks

clean:
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build tests/artefacts
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find reports -type f ! -name README.md -delete
