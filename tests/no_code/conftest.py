"""The no-code script on a bare azmlinfsrv beside the real mlflow: one server for each kind of model."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
from scoring_server import scoring_server, server_python

from emulator.shipped import shipped_folder

HERE = Path(__file__).parent
SCRIPT = shipped_folder("images/mlflow") / "mlflow_score_script.py"
REQUIREMENTS = (
    "azureml-inference-server-http",
    "inference-schema[numpy-support,pandas-support]",
    "azureml-ai-monitoring",
    "mlflow-skinny",
    "pandas",
    "numpy",
)


@pytest.fixture(scope="session")
def python() -> Path:
    """An interpreter with what a no-code container has."""
    return server_python(*REQUIREMENTS)


@pytest.fixture(scope="session")
def models(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the models, each under the name of its kind."""
    folder: Path = tmp_path_factory.mktemp("mlflow_models")
    command = [python, HERE / "make_mlflow_models.py", folder]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def port_of(python: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], int]]:
    """The port of the server that scores the model of that kind."""
    logs: Path = tmp_path_factory.mktemp("servers")
    with ExitStack() as stack:

        @cache
        def port(kind: str) -> int:
            server = scoring_server(python, SCRIPT, logs / f"{kind}.log", variables=variables(models, kind))
            return stack.enter_context(server)

        yield port


def variables(models: Path, kind: str) -> dict[str, str]:
    """What leads the script to a model; nothing is compiled beside the script."""
    return {"AZUREML_MODEL_DIR": str(models), "MLFLOW_MODEL_FOLDER": kind, "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture
def ask_script(python: Path, models: Path) -> Callable[[], str]:
    """Runs the script's functions without a server; what they print."""

    def ask() -> str:
        command = [python, HERE / "ask_mlflow_script.py", SCRIPT.parent]
        environ = {**os.environ, **variables(models, "unsigned")}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return ask
