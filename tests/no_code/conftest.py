"""The no-code script on the real scoring server beside the real mlflow: one program asks it about all models."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from scoring import HERE, Asker, Scored, answers_of, make_models, python_with, scoring, variables

from emulator.system.package_files import shipped_folder

SCRIPT = shipped_folder("images/mlflow") / "mlflow_score_script.py"


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the models, each under the name of its kind."""
    folder: Path = tmp_path_factory.mktemp("mlflow_models")
    make_models(folder)
    return folder


@pytest.fixture(scope="session")
def asker_with(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Asker]]:
    """The script at work beside that version of pandas."""
    logs: Path = tmp_path_factory.mktemp("servers")
    with ExitStack() as stack:

        @cache
        def asker(pandas: str) -> Asker:
            return stack.enter_context(scoring(python_with(pandas), SCRIPT, models, logs / f"{pandas}.log"))

        yield asker


@pytest.fixture(scope="session")
def answers_with(asker_with: Callable[[str], Asker]) -> Callable[[str, str], Any]:
    """All answers about the kind of model, beside that version of pandas."""
    return lambda pandas, kind: answers_of(asker_with(pandas), kind)


@pytest.fixture
def ask(asker_with: Callable[[str], Asker]) -> Callable[..., Scored]:
    """The answer about the kind of model, to a body or, without one, to a request for the Swagger document."""

    def ask(kind: str, body: str | None = None, content_type: str = "application/json") -> Scored:
        scored = {} if body is None else {"body": body, "content_type": content_type}
        return asker_with("pandas2").ask({"kind": kind, **scored})

    return ask


@pytest.fixture
def ask_script(models: Path) -> Callable[[], str]:
    """Runs the script's functions without a server; what they print."""

    def ask() -> str:
        command = [python_with("pandas2"), HERE / "ask_mlflow_script.py", SCRIPT.parent]
        ours = {"AZUREML_MODEL_DIR": str(models), "MLFLOW_MODEL_FOLDER": "unsigned"}
        environ = {**variables(), **ours, "PYTHONDONTWRITEBYTECODE": "1"}  # nothing beside the script
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return ask
