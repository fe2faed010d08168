"""`export` and `deploy -f` of what it wrote, against a real emulator on the process engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from amlemu_process import Environ, amlemu, json_of

SCRIPT = """
import os
from helper import read

def init():
    global found
    folder = os.environ["AZUREML_MODEL_DIR"]
    found = [read(os.path.join(folder, name)) for name in ("one/1/one.txt", "two/1/two/deep.txt")]

def run(data):
    return {"models": found, "mode": os.environ["MODE"]}
"""
HELPER = "def read(path):\n    return open(path).read()\n"
CONDA = "dependencies: [python=3.11, pip, {pip: [azureml-inference-server-http==1.5.1]}]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    code = {"src/score.py": SCRIPT, "src/helper.py": HELPER, "src/conda.yml": CONDA}
    texts = {**code, "one.txt": "1", "two/deep.txt": "2"}
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def answer(environ: Environ, name: str = "pair") -> Any:
    return json.loads(amlemu(environ, "invoke", name, "--data", "{}").stdout)


def test_a_v1_service_of_two_models_moves_to_v2(environ: Environ, folder: Path) -> None:
    for name, path in (("one", "one.txt"), ("two", "two")):
        amlemu(environ, "model", "register", "--name", name, "--path", path, cwd=folder)
    words = ("--entry", "score.py", "--source-dir", "src", "--target", "aci", "--env", "MODE=s3cret")
    amlemu(environ, "deploy", "--name", "pair", "--model", "one:1", "--model", "two:1", *words, cwd=folder)
    before = answer(environ)

    done = amlemu(environ, "export", "pair", "--out", "out", cwd=folder)
    assert "out/deploy.sh" in done.stdout.splitlines()
    assert "change: endpoint.yml: auth_mode: none becomes key" in done.stderr
    texts = [path.read_text() for path in (folder / "out").rglob("*") if path.is_file()]
    assert not any("s3cret" in text for text in texts)

    # Whole again from nothing but the folder.
    amlemu(environ, "delete", "pair", "--yes")
    files = ("-f", "out/endpoint.yml", "-f", "out/blue-deployment.yml", "--all-traffic")
    told = amlemu(environ, "deploy", *files, cwd=folder, code=2).stderr
    assert "environment_variables.MODE: the placeholder {{MODE}} is not filled" in told
    amlemu(environ, "deploy", *files, "--set", "environment_variables.MODE=s3cret", cwd=folder)
    assert answer(environ) == before == {"models": ["1", "2"], "mode": "s3cret"}
    shown = json_of(environ, "show", "pair")
    assert (shown["target"], shown["auth_mode"], shown["traffic"]) == ("managed", "key", {"blue": 100})

    # What is exported now is what was: nothing piles up.
    again = json_of(environ, "export", "pair", "--out", "again", "--include-values", cwd=folder)
    assert "score_with_models_with_models.py" not in "".join(again["files"])
    amlemu(environ, "deploy", "-f", "again/endpoint.yml", "-f", "again/blue-deployment.yml", cwd=folder)
    assert answer(environ) == before


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("none", "--out", "new"), 8, "no endpoint named 'none'"),
        (("steady", "--out", "src"), 2, "the folder 'src' has files"),
        (("steady", "--out", "one.txt"), 2, "is a file"),
        (("steady", "--out", "new", "--deployment", "green"), 8, "there is no deployment 'green'"),
        (("steady", "--out", "one.txt/x"), 2, "cannot be written"),
        (("steady",), 2, "Missing option '--out'"),
        (("steady", "--out", "new", "--to", "compose"), 2, "has no image: it runs on the process engine"),
        (("steady", "--out", "new", "--to", "compose", "--as", "managed"), 2, "--as goes with --to az-ml"),
        (("steady", "--out", "new", "--image", "x"), 2, "--image goes with --to kubernetes"),
    ],
)
def test_what_cannot_be_exported(
    environ: Environ, steady: str, folder: Path, words: tuple[str, ...], code: int, told: str
) -> None:
    assert told in amlemu(environ, "export", *words, cwd=folder, code=code).stderr
    assert not (folder / "new").exists()
