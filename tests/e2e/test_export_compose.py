"""`export --to compose`: containers that run without amlemu, from nothing but the folder."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from amlemu_process import Environ, amlemu, free_ports, temporary_environ

pytestmark = pytest.mark.docker

SCRIPT = """
import os

def init():
    global text
    text = open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "w.txt")).read()

def run(data):
    return {"text": text, "mode": os.environ["MODE"], "cwd": os.getcwd()}
"""
REQUIREMENTS = "azureml-inference-server-http==1.5.1\n"


@pytest.fixture(scope="module")
def on_docker() -> Iterator[Environ]:
    with temporary_environ("docker") as environ:
        yield environ


def compose(folder: Path, *words: str, **variables: str) -> str:
    command = ["docker", "compose", *words]
    environ = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), **variables}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_container_runs_alone(on_docker: Environ, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    for name, text in {"src/score.py": SCRIPT, "src/requirements.txt": REQUIREMENTS, "w.txt": "weights"}.items():
        (tmp_path / name).write_text(text)
    amlemu(on_docker, "model", "register", "--name", "w", "--path", "w.txt", cwd=tmp_path)
    words = ("--model", "w:1", "--entry", "src/score.py", "--env", "MODE=s3$cret", "--instance-type", "Standard_DS3_v2")
    amlemu(on_docker, "deploy", "--name", "alone", *words, cwd=tmp_path)
    expected = json.loads(amlemu(on_docker, "invoke", "alone", "--data", "{}").stdout)
    told = amlemu(on_docker, "export", "alone", "--to", "compose", "--out", "out", cwd=tmp_path).stderr
    assert "the container asks nobody for a key" in told
    amlemu(on_docker, "delete", "alone", "--yes")

    folder, port = tmp_path / "out", str(free_ports(1)[0])
    values = {"MODE": "s3$cret", "PUBLISHED_PORT": port}
    settled = json.loads(compose(folder, "config", "--format", "json", **values))
    assert settled["services"]["blue"]["environment"]["MODE"].replace("$$", "$") == "s3$cret"
    try:
        compose(folder, "up", "--wait", **values)
        answer = requests.post(f"http://127.0.0.1:{port}/score", json={}, timeout=30)
        assert answer.json() == expected
    finally:
        compose(folder, "down", "--timeout", "1", **values)
