.PHONY: setup docker images demo test test-slow bench check

PYTHON ?= python3
PIP_QUIET = --quiet --disable-pip-version-check

setup: .venv/.stamp

# uv makes the environment in a second; pip brings uv.
.venv/.stamp: pyproject.toml
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install $(PIP_QUIET) 'uv>=0.8' 'pip>=25.1'
	@.venv/bin/uv pip install --quiet --python .venv -e . --group dev
	@touch $@
