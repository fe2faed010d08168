"""A no-code script on the real scoring server's app beside the real mlflow: the process of score_models.py, asked.

As a program it asks a script, and writes what it answers to where the tests compare ours with it:

    python tests/no_code/scoring.py MLFLOW_SCORE_SCRIPT

The script of the cloud is assets/inference/environments/mlflow-py312-inference/context/mlflow_score_script.py of
github.com/Azure/azureml-assets.  Its answers are facts and kept here; it is not.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parents[1] / "benchmarks"))

from pairs import Pair, pairs, request  # noqa: E402 - where the line above leads
from scoring_server import server_python  # noqa: E402

RECORDED = HERE / "recorded"
NO_START = "does not start"
KINDS = tuple(dict.fromkeys(pair.kind for pair in pairs()))
# The same versions whenever and wherever it is asked: the answers are theirs too.  mlflow asks for scipy where it looks
# at samples.
REQUIREMENTS = (
    "azureml-inference-server-http==1.5.1",
    "inference-schema[numpy-support,pandas-support]==1.8",
    "azureml-ai-monitoring==1.0.0",
    "mlflow-skinny==3.17.2",
    "scipy",
)
# pandas 3 reads no JSON that it is given as text, and both scripts do that.
PANDAS = {"pandas2": "pandas==2.3.3", "pandas3": "pandas==3.1.1"}


class Scored(NamedTuple):
    """An answer to a request; status 0 and why, of a model with which the script does not start."""

    status: int
    body: str


class Asker:
    """A script that runs, and is asked about models by their kind."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, line: Mapping[str, str]) -> Scored:
        """The answer to such a line as score_models.py reads."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()
        said = self._process.stdout.readline()
        assert said, "score_models.py ended; its log says why"
        answer = json.loads(said)
        return Scored(0, answer["error"]) if "error" in answer else Scored(answer["status"], answer["body"])


def python_with(pandas: str) -> Path:
    """An interpreter with what a no-code container has, and one of PANDAS."""
    return server_python(*REQUIREMENTS, PANDAS[pandas])


def make_models(folder: Path) -> None:
    """Fill the folder with the models, each under the name of its kind; any pandas reads them."""
    command = [python_with("pandas2"), HERE / "make_mlflow_models.py", folder]
    done = subprocess.run(command, cwd=folder, env=variables(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@contextmanager
def scoring(python: Path, script: Path, models: Path, log: Path) -> Iterator[Asker]:
    """The script at work; what the server says goes to the log."""
    command = [python, HERE / "score_models.py", script, models]
    with log.open("wb") as stream:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": stream}
        process = subprocess.Popen(command, env=variables(), text=True, **pipes)
        try:
            yield Asker(process)
        finally:
            process.communicate(timeout=30)


def variables() -> dict[str, str]:
    """This process's; what is imported is compiled once, and not for each process."""
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}


def compared(pair: Pair, answer: Scored) -> Any:
    """What has to be the same: not the words with which a start fails, nor the frame of a Swagger document."""
    if not answer.status:
        return NO_START
    if pair.body != "swagger" or answer.status != 200:
        return [answer.status, answer.body]
    schemas = json.loads(answer.body)["components"]["schemas"]
    return [schemas["ServiceInput"], schemas["ServiceOutput"]]


def recorded(pandas: str) -> dict[str, Any]:
    """What the cloud's script answered, by kind of model and name of body; NO_START for a model without answers."""
    answers: dict[str, Any] = json.loads((RECORDED / "pandas2.json").read_text())
    if pandas == "pandas2":
        return answers
    others = json.loads((RECORDED / f"{pandas}.json").read_text())
    return {kind: _with(answer, others.get(kind, {})) for kind, answer in answers.items()}


def _with(answer: Any, other: Any) -> Any:
    return {**answer, **other} if isinstance(answer, dict) and isinstance(other, dict) else other or answer


def answers_of(asker: Asker, kind: str) -> Any:
    """The script's answers to all that the kind of model is asked, as in `recorded`."""
    answers = {pair.body: compared(pair, asker.ask(request(pair))) for pair in pairs() if pair.kind == kind}
    return NO_START if NO_START in answers.values() else answers


def other_kinds(pandas: str) -> tuple[str, ...]:
    """The kinds of models about which the script has other answers beside that pandas."""
    usual = recorded("pandas2")
    return tuple(kind for kind, answer in recorded(pandas).items() if answer != usual[kind])


def record(script: Path) -> None:
    """Ask the script, and write what `recorded` reads: with another pandas only what is other."""
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder, "models")
        models.mkdir()
        make_models(models)
        for pandas in PANDAS:
            with scoring(python_with(pandas), script, models, Path(folder, "log")) as asker:
                _write(pandas, {kind: answers_of(asker, kind) for kind in KINDS})


def _write(pandas: str, found: Mapping[str, Any]) -> None:
    if pandas != "pandas2":
        usual = recorded("pandas2")
        found = {kind: _without(answer, usual[kind]) for kind, answer in found.items()}
    lines = ",\n".join(f" {json.dumps(kind)}: {_lines(answers)}" for kind, answers in found.items() if answers)
    (RECORDED / f"{pandas}.json").write_text(f"{{\n{lines}\n}}\n")


def _without(answer: Any, usual: Any) -> Any:
    if isinstance(answer, dict) and isinstance(usual, dict):
        return {body: said for body, said in answer.items() if said != usual[body]}
    return None if answer == usual else answer


def _lines(answers: Any) -> str:
    if answers == NO_START:
        return json.dumps(answers)
    inner = ",\n".join(f"  {json.dumps(body)}: {json.dumps(answer)}" for body, answer in answers.items())
    return f"{{\n{inner}\n }}"


if __name__ == "__main__":
    record(Path(sys.argv[1]))
