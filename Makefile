# The interpreter that makes .venv; the first one that is 3.11 or 3.12 if unset.
PYTHON ?=
DEMO := output/demo
# What `make bench` measures, and where it keeps what it prints.
BENCH_PIPELINE := pipelines/toy.config
BENCH_OUTPUT := output/bench
BIN := .venv/bin
STAMP := .venv/.installed
# Modules stay together: what their tests share is made once; they begin in the
# order of tests/conftest.py.
PYTEST := $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 \
  --dist loadfile --no-loadscope-reorder
TYPED := featsr_tf/config featsr_tf/data featsr_tf/geometry
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))

# Exact versions are known for these machines; others take the ranges of
# setup.cfg, and so does `make install LOCK=`.
LOCK := requirements.lock
LOCKED := import platform, sys; sys.exit(not ( \
  sys.platform == "linux" and platform.machine() == "x86_64" \
  and platform.libc_ver()[0] == "glibc"))
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# What needs tools of its own has them here, away from .venv.
TOOLS := .venv/tools

.DELETE_ON_ERROR:
.PHONY: help install demo test test-slow test-research check format bench \
  docs lock audit licences clean

help: ## print this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

install: $(STAMP) ## make .venv with everything in it; needed by all the rest

demo: $(STAMP) ## train, evaluate and show small detectors on toy images
	$(BIN)/python -m tfrecords_tools.create_toy_tf_record \
	  --output_path $(DEMO)/records
	$(BIN)/python -m featsr_tf.train --pipeline pipelines/toy.config \
	  --model_dir $(DEMO)/model
	$(BIN)/python -m featsr_tf.train \
	  --pipeline pipelines/toy_second_look.config \
	  --base_from $(DEMO)/model --model_dir $(DEMO)/second_look_model
	$(BIN)/python -m featsr_tf.evaluate --model_dir $(DEMO)/model \
	  --output $(DEMO)/the_paper.json
	$(BIN)/python -m featsr_tf.evaluate --model_dir $(DEMO)/second_look_model \
	  --output $(DEMO)/second_look.json
	$(BIN)/python -m featsr_tf.predict --model_dir $(DEMO)/second_look_model \
	  --images $(DEMO)/records/pictures --output $(DEMO) \
	  --compare $(DEMO)/model
	$(BIN)/python -m featsr_tf.report \
	  --metrics $(DEMO)/the_paper.json $(DEMO)/second_look.json \
	  --history $(DEMO)/second_look_model/history.jsonl \
	  --pictures $(DEMO)/pictures --output $(DEMO)/report.html

test: $(STAMP) ## run the fast tests and the journey of a user
	$(PYTEST)

test-slow: $(STAMP) ## run all tests, the slow ones (minutes each) too
	$(PYTEST) -m "slow or not slow"

test-research: $(STAMP) ## run the fast tests of what research/ measures
	$(PYTEST) research/tests

check: $(STAMP) ## format, lint, types and the tests of a minute
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --follow-imports=silent $(TYPED)
	$(PYTEST) -m "not slow and not journey and not heavy"

format: $(STAMP) ## put all files into the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP) $(DEMO)/records/label_map.pbtxt ## measure speed and memory
	$(BIN)/python -m research --pipeline $(BENCH_PIPELINE) \
	  --output $(BENCH_OUTPUT)

$(DEMO)/records/label_map.pbtxt: | $(STAMP)
	$(BIN)/python -m tfrecords_tools.create_toy_tf_record \
	  --output_path $(DEMO)/records

docs: $(STAMP) ## build the docs as a site, with the API (build/docs)
	@$(BIN)/python -m venv $(TOOLS)
	@$(TOOLS)/bin/python -m pip install --quiet 'sphinx>=8.2,<9' \
	  'myst-parser>=4,<6' 'furo>=2025' 'sphinx-autoapi>=3.6,<4'
	$(TOOLS)/bin/sphinx-build --quiet --fail-on-warning --keep-going \
	  --builder html -c docs . build/docs
	@echo "wrote build/docs/docs/index.html"

lock: $(STAMP) ## choose exact versions anew (requirements.lock)
	@$(BIN)/python -m venv $(TOOLS)
	@$(TOOLS)/bin/python -m pip install --quiet 'uv>=0.8,<1'
	@for version in 3.11 3.12; do \
	  $(TOOLS)/bin/uv pip compile --quiet setup.cfg --extra dev --upgrade \
	    --python-version $$version \
	    --python-platform x86_64-manylinux_2_28 --generate-hashes \
	    --allow-unsafe --no-annotate --no-header \
	    $$(test $$version = 3.11 || echo "--constraint $(TOOLS)/3.11.txt") \
	    --output-file $(TOOLS)/$$version.txt || exit 1; \
	done
	@cmp $(TOOLS)/3.11.txt $(TOOLS)/3.12.txt
	@sed '/^[^#]/,$$d' $(LOCK) > $(TOOLS)/lock
	@cat $(TOOLS)/3.12.txt >> $(TOOLS)/lock
	@mv $(TOOLS)/lock $(LOCK)

audit: $(STAMP) ## look for known vulnerabilities of the exact versions
	@$(BIN)/python -m venv $(TOOLS)
	@$(TOOLS)/bin/python -m pip install --quiet 'pip-audit>=2.9,<3'
	@$(TOOLS)/bin/pip-audit --strict --requirement $(LOCK) --disable-pip || \
	  { echo "make audit: vulnerabilities were found, or their list could" \
	    "not be reached: see above" >&2; exit 1; }

licences: $(STAMP) ## write the licences of all dependencies (docs/licences.md)
	$(BIN)/python -m tests.licences --write

clean: ## remove .venv and everything that the commands here have written
	rm -rf .venv output build *.egg-info .pytest_cache .ruff_cache .mypy_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# TensorFlow takes 19 s to import where nothing has compiled its byte code.
$(STAMP): setup.cfg pyproject.toml $(LOCK)
	@found=; for python in $(or $(PYTHON),python3 python3.12 python3.11); do \
	  if $$python -c '$(SUPPORTED)' 2>/dev/null; then \
	    found=$$python; break; \
	  fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "error: Python 3.11 or 3.12 is needed; none of these is one:" \
	    "$(or $(PYTHON),python3 python3.12 python3.11)." \
	    "Name one: make PYTHON=/path/to/python3.12" >&2; \
	  exit 2; \
	fi; \
	echo "Installing into .venv; the first time takes some minutes."; \
	$$found -m venv .venv
	@if test -n "$(LOCK)" && $(BIN)/python -c '$(LOCKED)'; then \
	  $(INSTALL) --require-hashes --requirement $(LOCK) \
	    2>.venv/install.log && \
	  $(INSTALL) --no-deps --no-build-isolation --editable . && exit 0; \
	  cat .venv/install.log >&2; \
	  if grep -q 'DO NOT MATCH THE HASHES' .venv/install.log; then exit 1; fi; \
	  echo "The exact versions of $(LOCK) are not to be had here: taking those" \
	    "that setup.cfg allows." >&2; \
	fi; \
	$(INSTALL) --editable '.[dev]'
	@$(BIN)/python -m compileall -q -j 0 .venv/lib >/dev/null 2>&1 || true
	@touch $@
