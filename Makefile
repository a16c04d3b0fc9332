# make demo: everything on an infant that the program makes itself.  make test: all checks.
# make docs: the documentation, as a site in site/.
# make image: a container (docs/how-to/containers.md).
# Needs Python 3.11 to 3.13 and a package index, nothing else. PYTHON=python3.12 picks another one.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
WORKERS ?= 2
DEMO ?= demo
FORMS = $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input

.PHONY: demo test test-slow coverage lint lint-host hooks docs image clean
.DELETE_ON_ERROR:

demo: $(VENV)/.installed
	$(BIN)/bgpvs-wf run --demo $(DEMO) --plugin MultiProc
	@echo "Open $$(ls -d $(CURDIR)/$(DEMO)/out/sub-*.html | head -n 1) in a browser."
	@echo "To use the program in this shell: . $(BIN)/activate"

test: lint
	$(BIN)/python -m pytest -n $(WORKERS) --durations=25

test-slow: $(VENV)/.tested
	$(BIN)/python -m pytest -m slow --durations=25

# Told, not held to a number.
coverage: $(VENV)/.tested
	$(BIN)/python -m pytest -n $(WORKERS) --cov --cov-report=term:skip-covered --cov-report=xml

lint: $(VENV)/.tested lint-host
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=. $(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/codespell

# Workflows and forms by their schemas; actionlint looks deeper, where it is installed.
lint-host: $(VENV)/.tested
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms $(FORMS)
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff
	@if command -v actionlint >/dev/null; then actionlint; else echo "actionlint is not installed"; fi

# What lint checks, before each commit.
hooks: $(VENV)/.tested
	$(PIP) install --quiet --prefer-binary --editable '.[test,dev]'
	$(BIN)/pre-commit install

docs: $(VENV)/.documented
	$(BIN)/python docs/generate.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --clean --strict
	@echo "Open $(CURDIR)/site/index.html in a browser."

# ENGINE, TAG and BASE: containers/build.sh.
image:
	sh containers/build.sh

clean:
	rm -rf $(VENV) build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache .coverage* coverage.xml

# Stamps: installed once, and again when what is to be installed changes.
$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || \
	  { echo "$(PYTHON) is missing or not Python 3.11 to 3.13; name one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) cannot make virtual environments; apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.created setup.cfg pyproject.toml
	@echo "Installing bgpvs-wf and what it needs, PyTorch among it; that takes some minutes ..."
	$(PIP) install --quiet --prefer-binary --editable .
	@touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(PIP) install --quiet --prefer-binary --editable '.[test]'
	@touch $@

$(VENV)/.documented: $(VENV)/.installed
	$(PIP) install --quiet --prefer-binary --editable '.[docs]'
	@touch $@
