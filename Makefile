# Everything happens in .venv, which is made from $(PYTHON); every target can be run again at any time.
#
#   make install     .venv with this package (editable), AllenNLP and the tested versions of what they need
#   make demo        explains a sentence by the archive that comes with the package, then trains small models and GraphMask on
#                    star graphs and on the fixtures, and prints what matters
#   make test        ruff, mypy and the tests
#   make lint        ruff and mypy alone
#   make test-long   the tests that take minutes
#   make test-reliability   the long tests of docs/reliability.md
#   make test-browser   the HTML views in Chromium, which must be installed (or named: CHROMIUM=/path/to/it)
#   make test-cluster   `allennlp explain-corpus` with Ray, started on this machine
#   make docs        the documentation site, into build/site (its search needs a server: python -m http.server -d build/site)
#   make test-gpu    models, maskers and interpreters on a GPU against the CPU
#   make dist        wheel and source distribution, each tried in an empty environment
#   make clean       removes what these targets made
#
# make PYTHON=/path/to/python3.12 install   makes .venv from that Python (after `make clean`, if there is one).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
DEMO := demo_output
SENTENCE := "The old teacher told the children a story about the ship that never came back."

# The versions of AllenNLP's own pins have no solution on current Python, hence --no-deps (see setup.py).
ALLENNLP := allennlp==2.10.1 fairscale==0.4.13

# The models here are small: one thread each is fastest, and leaves the other cores to the other test processes.
export OMP_NUM_THREADS ?= 1
TEST_PROCESSES ?= 2

.PHONY: help install demo test lint test-long test-reliability test-browser test-cluster test-gpu docs dist clean
.DELETE_ON_ERROR:

help:
	@sed -n 's/^#   make/  make/p' Makefile

$(VENV)/created:
	@command -v $(PYTHON) > /dev/null || { \
	  echo "'$(PYTHON)' was not found. Install Python 3.11 or later, or name one: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "'$(PYTHON)' is $$($(PYTHON) -V 2>&1), but Python 3.11 or later is needed. Name one: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { \
	  echo "'$(PYTHON)' has no module venv or ensurepip. On Debian and Ubuntu: apt install python3-venv (or python3.11-venv)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/installed: $(VENV)/created setup.py constraints.txt pyproject.toml allennlp_graphmask/version.py
	$(PIP) install --quiet --constraint constraints.txt --editable .
	$(PIP) install --quiet --no-deps $(ALLENNLP)
	@touch $@

$(VENV)/installed-for-tests: $(VENV)/installed
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

install: $(VENV)/installed
	@echo "Installed. Use it by: source $(BIN)/activate"

COMMA := ,

# $(call logged,WHAT,FILE,COMMAND): what a command prints goes to a file, of which the end is shown if it fails.
define logged
	@echo "$(1) (log: $(2))"
	@$(3) > $(2) 2>&1 || { tail -n 30 $(2) >&2; exit 1; }
endef

demo: $(VENV)/installed
	@mkdir -p $(DEMO)/stars
	@echo
	@$(BIN)/allennlp explain pretrained:propbank-srl --text $(SENTENCE) -o $(DEMO)/sentence.jsonl --view text --force \
	  2> $(DEMO)/pretrained.log || { tail -n 30 $(DEMO)/pretrained.log >&2; exit 1; }
	@$(BIN)/python -m allennlp_graphmask.views $(DEMO)/sentence.jsonl -o $(DEMO)/pages > /dev/null
	@echo "To be looked at in a browser: $(DEMO)/pages/0001.html"
	@echo
	$(call logged,Training a model of star graphs$(COMMA) for which it is known which edges matter,$(DEMO)/stars/model.log,\
	  $(BIN)/allennlp train training_config/star_graphs/demo.jsonnet -s $(DEMO)/stars/model -f)
	$(call logged,Training GraphMask on it,$(DEMO)/stars/graphmask.log,\
	  GRAPHMASK_TARGET=$(DEMO)/stars/model/model.tar.gz \
	  $(BIN)/allennlp train training_config/star_graphs/demo_graphmask.jsonnet -s $(DEMO)/stars/graphmask -f)
	$(call logged,Explaining 200 other star graphs,$(DEMO)/stars/predict.log,\
	  $(BIN)/allennlp predict $(DEMO)/stars/graphmask/model.tar.gz test --silent \
	  --use-dataset-reader --batch-size 200 --output-file $(DEMO)/stars/explanations.jsonl)
	@echo
	@$(BIN)/python -m allennlp_graphmask.views $(DEMO)/stars/explanations.jsonl --max 1
	@echo
	@$(BIN)/allennlp compare-interpreters $(DEMO)/stars/graphmask/model.tar.gz test -o $(DEMO)/stars/comparison --force \
	  --interpreters graphmask --metrics kept,changed,truth 2> $(DEMO)/stars/comparison.log \
	  || { tail -n 30 $(DEMO)/stars/comparison.log >&2; exit 1; }
	@echo
	$(call logged,Training a tiny role labeller on fixtures/propbank,$(DEMO)/model.log,\
	  $(BIN)/allennlp train training_config/propbank/demo.jsonnet -s $(DEMO)/model -f)
	$(call logged,Training GraphMask on it,$(DEMO)/graphmask.log,\
	  GRAPHMASK_TARGET=$(DEMO)/model/model.tar.gz \
	  $(BIN)/allennlp train training_config/propbank/demo_graphmask.jsonnet -s $(DEMO)/graphmask -f)
	$(call logged,Explaining fixtures/propbank/demo.conll09,$(DEMO)/predict.log,\
	  $(BIN)/allennlp predict $(DEMO)/graphmask/model.tar.gz fixtures/propbank/demo.conll09 --silent \
	  --use-dataset-reader --output-file $(DEMO)/explanations.jsonl)
	@echo
	@$(BIN)/python -m allennlp_graphmask.views $(DEMO)/explanations.jsonl
	@echo
	@echo "The model:               $(DEMO)/model/model.tar.gz"
	@echo "GraphMask trained on it: $(DEMO)/graphmask/model.tar.gz"
	@echo "The explanations:        $(DEMO)/explanations.jsonl"

lint: $(VENV)/installed-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy allennlp_graphmask allennlp_graphmask_compat benchmarks

test: lint
	$(BIN)/python -m pytest -q -n $(TEST_PROCESSES) --dist loadfile -m 'not long and not browser and not reliability and not gpu and not cluster'

test-long: $(VENV)/installed-for-tests
	$(BIN)/python -m pytest -q -m long

test-reliability: $(VENV)/installed-for-tests
	$(BIN)/python -m pytest -q -n $(TEST_PROCESSES) --dist loadfile -m reliability

$(VENV)/installed-for-browser-tests: $(VENV)/installed-for-tests
	$(PIP) install --quiet --constraint constraints.txt --editable '.[browser]'
	@touch $@

test-browser: $(VENV)/installed-for-browser-tests
	$(BIN)/python -m pytest -q -m browser tests/browser

$(VENV)/installed-for-cluster-tests: $(VENV)/installed-for-tests
	$(PIP) install --quiet --constraint constraints.txt --editable '.[cluster]'
	@touch $@

test-cluster: $(VENV)/installed-for-cluster-tests
	$(BIN)/python -m pytest -q -m cluster tests/commands/test_explain_corpus.py tests/corpus

test-gpu: $(VENV)/installed-for-tests
	$(BIN)/python -m pytest -q -rs -m gpu tests/gpu

# The environments are made anew each time, outside of this folder, so that nothing of the checkout is found there.
dist: $(VENV)/installed-for-tests
	rm -rf dist
	$(PIP) wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
	$(BIN)/python -c "from setuptools import build_meta; build_meta.build_sdist('dist')"
	@for file in dist/*; do \
	  folder=$$(mktemp -d); echo "Trying $$file in $$folder"; \
	  $(PYTHON) -m venv $$folder/env && cp $$file constraints.txt $$folder/ && cd $$folder && \
	  env/bin/pip install --quiet --constraint constraints.txt ./$$(basename $$file) && \
	  env/bin/pip install --quiet --no-deps $(ALLENNLP) && \
	  env/bin/allennlp explain pretrained:propbank-srl --text $(SENTENCE) > explanation.txt && \
	  cd - > /dev/null && rm -r $$folder || { echo "FAILED: $$file, in $$folder" >&2; exit 1; }; \
	done
	@ls -l dist

$(VENV)/installed-for-docs: $(VENV)/installed
	$(PIP) install --quiet --constraint constraints.txt --editable '.[docs]'
	@touch $@

docs: $(VENV)/installed-for-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs --quiet build --strict

clean:
	rm -rf $(VENV) $(DEMO) build dist allennlp_graphmask.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
