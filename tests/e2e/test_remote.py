"""Every verb from another machine: files are sent, answers come back, and no path of either side crosses."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from amlemu_process import Environ, amlemu, json_of, running, temporary_environ, until, until_said
from far_away import remote, url_of
from projects import SERVER, project, script

MODELS = """
import os

def init():
    global found
    root, found = os.environ["AZUREML_MODEL_DIR"], {}
    for folder, _, names in os.walk(root):
        for name in names:
            with open(os.path.join(folder, name)) as file:
                found[os.path.relpath(os.path.join(folder, name), root)] = file.read()

def run(data):
    return {"found": found, "data": data}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Environ]:
    """The shell of whoever runs an emulator for others."""
    with temporary_environ(AMLEMU_BIND_HOST="0.0.0.0") as environ:
        amlemu(environ, "up", "--detach")
        yield environ


@pytest.fixture(scope="module")
def far(server: Environ, tmp_path_factory: pytest.TempPathFactory) -> Environ:
    """The shell of a deployer on another machine."""
    token = json_of(server, "token", "create", "deployer", "--role", "deployer")["token"]
    return remote(server, tmp_path_factory.mktemp("far"), token, AMLEMU_URL=url_of(server))


@pytest.fixture(scope="module")
def two_models(far: Environ, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An endpoint with two registered models; its code folder."""
    folder = tmp_path_factory.mktemp("two-models")
    for name, text in (("first.txt", "one"), ("second.txt", "two"), ("again.txt", "three")):
        (folder / name).write_text(text)
    for name, path in (
        ("my_first_model", "first.txt"),
        ("my_second_model", "second.txt"),
        ("my_second_model", "again.txt"),
    ):
        amlemu(far, "model", "register", "--name", name, "--path", path, cwd=folder)
    project(folder / "code", MODELS)
    models = ("--model", "my_first_model:1", "--model", "my_second_model:2")
    said = amlemu(far, "deploy", "--name", "two-models", *models, "--entry", "code/score.py", cwd=folder).stderr
    assert f"sending to {far['AMLEMU_URL']} the files that it does not have" in said
    return folder / "code"


def answer_of(environ: Environ, endpoint: str, *words: str) -> Any:
    return json.loads(amlemu(environ, "invoke", endpoint, "--data", "{}", *words).stdout)


def test_the_main_job(far: Environ, two_models: Path) -> None:
    found = {"my_first_model/1/first.txt": "one", "my_second_model/2/again.txt": "three"}
    assert answer_of(far, "two-models") == {"found": found, "data": "{}"}
    refused = amlemu(far, "invoke", "two-models", "--method", "OPTIONS", code=6).stderr
    assert refused.strip().startswith("RequestFailed: OPTIONS does not reach a container")


def test_no_path_crosses(server: Environ, far: Environ, two_models: Path) -> None:
    home = Path(server["AMLEMU_HOME"])
    shown = amlemu(far, "show", "two-models", "-o", "json").stdout
    assert str(home / "uploads") not in shown
    assert json.loads(shown)["deployments"][0]["code_configuration"] == {"code": "code", "scoring_script": "score.py"}
    kept = [path.read_text(errors="replace") for path in home.rglob("*.json")]
    assert kept
    assert not any(str(two_models.parent) in text for text in kept)


def test_looking(far: Environ, two_models: Path, tmp_path: Path) -> None:
    assert json_of(far, "list")[0]["name"] == "two-models"
    assert [m["name"] for m in json_of(far, "model", "list")] == ["my_first_model", *["my_second_model"] * 2]
    assert json_of(far, "model", "show", "my_second_model")["version"] == "2"
    assert "first.txt  3 B" in amlemu(far, "tree", "two-models").stdout
    answer_of(far, "two-models")
    assert "POST" in amlemu(far, "logs", "two-models", "--requests", "--tail", "5").stdout
    assert amlemu(far, "logs", "two-models", "--events").stdout
    amlemu(far, "model", "download", "my_second_model:1", "--path", tmp_path / "down")
    assert (tmp_path / "down/second.txt").read_text() == "two"
    amlemu(far, "export", "two-models", "--out", tmp_path / "export")
    assert (tmp_path / "export/deploy.sh").exists()
    assert set(json_of(far, "keys", "two-models")) == {"primaryKey", "secondaryKey"}


def test_azures_own_files_with_everything_inside(far: Environ, tmp_path: Path) -> None:
    """An inline model, an inline environment and code, all relative to the file."""
    project(tmp_path / "onlinescoring", MODELS)
    (tmp_path / "model").mkdir()
    (tmp_path / "model/weights.txt").write_text("inline")
    (tmp_path / "conda.yml").write_text(f"dependencies:\n  - python=3.11\n  - pip:\n    - {SERVER}")
    (tmp_path / "blue.yml").write_text(
        "name: blue\nendpoint_name: from-files\nmodel:\n  path: model\n"
        "code_configuration:\n  code: onlinescoring\n  scoring_script: score.py\n"
        "environment:\n  conda_file: conda.yml\n  image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:latest\n"
        "instance_type: Standard_DS3_v2\ninstance_count: 1\n"
    )
    amlemu(far, "deploy", "-f", "blue.yml", "--all-traffic", cwd=tmp_path)
    assert answer_of(far, "from-files")["found"] == {"model/weights.txt": "inline"}
    amlemu(far, "delete", "from-files", "--yes")


def test_environments(far: Environ, tmp_path: Path) -> None:
    (tmp_path / "conda.yml").write_text(f"name: mine\ndependencies:\n  - python=3.11\n  - pip:\n    - {SERVER}")
    assert json_of(far, "environment", "register", "-f", "conda.yml", cwd=tmp_path)["version"] == "1"
    assert (
        "BASE_IMAGE=python:3.11" in amlemu(far, "environment", "show", "conda.yml", "--dockerfile", cwd=tmp_path).stdout
    )
    amlemu(far, "environment", "build", "mine:1")
    (tmp_path / "broken.yml").write_text("dependencies: {}\n")
    broken = amlemu(far, "environment", "register", "-f", "broken.yml", code=2, cwd=tmp_path)
    assert "broken.yml:1" in broken.stderr


def test_watching(far: Environ, two_models: Path, tmp_path: Path) -> None:
    path = project(tmp_path / "watched")
    with running(far, "deploy", "--name", "watched", "--entry", path, "--watch") as (process, said):
        until_said(said, "watching")
        assert answer_of(far, "watched")["answer"] == "first"
        path.write_text(script("second"))
        until_said(said, "score.py changed: serving after")
        assert answer_of(far, "watched")["answer"] == "second"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    amlemu(far, "delete", "watched", "--yes")


def test_mistakes_are_told_as_on_this_machine(far: Environ, two_models: Path, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    broken = project(
        tmp_path / "bad", "def init():\n    raise KeyError('no such column')\n\ndef run(data):\n    pass\n"
    )
    failed = amlemu(far, "deploy", "--name", "two-models", "--entry", broken, code=5)
    assert "no such column" in failed.stderr
    assert answer_of(far, "two-models")["found"], "what served goes on"
    missing = amlemu(far, "deploy", "--model", "nobody:1", "--entry", two_models / "score.py", code=8)
    assert "nobody" in missing.stderr
    gone = amlemu(far, "model", "register", "--name", "m", "--path", tmp_path / "nothing", code=2)
    assert "does not exist" in gone.stderr
    unreachable = {**far, "AMLEMU_URL": "http://127.0.0.1:9"}
    assert "no emulator answers" in amlemu(unreachable, "list", code=3).stderr


def test_only_an_admin_ends_it(server: Environ, far: Environ) -> None:
    assert "needs admin" in amlemu(far, "down", code=2).stderr
    assert "needs admin" in amlemu(far, "prune", code=2).stderr
    admin = {**far, "AMLEMU_TOKEN": amlemu(server, "token").stdout.strip()}
    amlemu(admin, "prune")
    amlemu(admin, "down")
    amlemu(server, "up", "--detach")
    ready = f"{far['AMLEMU_URL']}/_amlemu/ready"
    until(lambda: requests.get(ready, timeout=5).status_code == 200, "what was deployed is back")
    assert answer_of(far, "two-models")["found"]
