# `make demo` and `make test` do all of their own set-up; the rest is for working on amlemu.
.PHONY: setup lock docker images sandbox demo test test-unit test-slow coverage parity schemas reference picture \
	workspace-fixture bench check format

# What `make test` needs of base images where no image registry answers.
PYTHONS = 3.8 3.11

setup: .venv/.stamp

.venv/.stamp: pyproject.toml requirements-dev.lock .ci/setup
	@bash .ci/setup

# requirements-dev.lock anew: every version with its hashes for all Pythons and platforms, and no index or URL of this machine.
lock: setup
	.venv/bin/uv pip compile pyproject.toml --group dev --universal --python-version 3.10 --upgrade --quiet --generate-hashes \
		--no-header --no-emit-index-url --no-emit-find-links --output-file requirements-dev.lock

# A running Docker Engine with buildx and compose, installed where that is allowed, and what compose.yaml builds from.
docker:
	@bash .ci/install-engine && bash .ci/base-image

# Stand-ins for python:X.Y-slim-bookworm; nothing where the real ones can be had.
images:
	@bash images/python/build

# A team's emulator in the background, ready when this ends; docs/sandbox.md.
sandbox: docker
	docker compose up --build --wait

demo: setup
	@.venv/bin/amlemu demo

check: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

format: setup
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

# What needs neither Docker nor a network.  Bytecode is kept, because rewriting assertions takes longer than most tests.
UNIT = env -u PYTHONDONTWRITEBYTECODE PYTHONHASHSEED=0 .venv/bin/python -m pytest -q -p no:schemathesis -m "not slow" \
	tests/unit tests/core tests/test_layers.py
UNIT_PROCESSES ?= 3

test-unit: setup
	@$(UNIT) -n $(UNIT_PROCESSES)

# The same with branch coverage, which may not fall below the floor in pyproject.toml.
coverage: setup
	@$(UNIT) -n $(UNIT_PROCESSES) --cov --cov-report=term:skip-covered

test: check
	@PYTHONS="$(PYTHONS)" bash .ci/test -m "not slow"

test-slow: check
	@PYTHONS="$(PYTHONS)" bash .ci/test

# The pages of the parity table anew, from a run of every test that proves a row; no row needs Docker for its proof.  The
# "=" is needed: a folder that exists is else taken for a place of tests.
parity: setup
	.venv/bin/python -m pytest -q -m "row and not docker" --parity=docs

# docs/schemas anew, from the models of the files and the routes of the control API.
schemas: setup
	@for kind in settings endpoint managed-deployment kubernetes-deployment model environment; do \
		.venv/bin/amlemu schema $$kind > docs/schemas/$$kind.json; done
	.venv/bin/python -m emulator.control_api > docs/schemas/control-api.json

# docs/settings.md and docs/cli.md anew, from the declarations of the settings and the commands.
reference: setup
	.venv/bin/python -m emulator.cli.cli_page > docs/cli.md
	.venv/bin/python -m emulator.config.settings_docs > docs/settings.md

# docs/session.svg anew: the README's session, run on this machine's engine.
picture: setup
	.venv/bin/python docs/record_session.py

# A home as this version leaves it, as the next tests/survival/workspace_N: for each version whose documents are new.
workspace-fixture: setup
	@PYTHONPATH=tests:tests/e2e .venv/bin/python tests/survival/write_workspace.py

bench: setup
	@bash .ci/install-engine && bash images/python/build 3.11
	.venv/bin/python benchmarks/gateway.py --rounds 7 --seconds 2 --workers 1
	.venv/bin/python benchmarks/gateway_at_rest.py
	.venv/bin/python benchmarks/control_api.py
	.venv/bin/python benchmarks/uploads.py
	.venv/bin/python benchmarks/deploy.py
