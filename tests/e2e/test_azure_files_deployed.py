"""`deploy -f` with Azure ML's own files, against a real emulator on the process engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from amlemu_process import Environ, amlemu, json_of

SCRIPT = """
import os

def init():
    global text
    folder = os.environ["AZUREML_MODEL_DIR"]
    text = open(os.path.join(folder, "model", "weights.txt")).read()

def run(data):
    return {"weights": text, "mode": os.environ["MODE"], "dir": os.environ["AZUREML_MODEL_DIR"]}
"""
ENDPOINT = """\
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json
name: {{ENDPOINT_NAME}}
auth_mode: key
"""
DEPLOYMENT = """\
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json
name: COLOUR
endpoint_name: {{ENDPOINT_NAME}}
model: {path: ../model}
code_configuration: {code: ../src, scoring_script: score.py}
environment:
  image: python:3.11-slim-bookworm
  conda_file: ../env/conda.yml
environment_variables: {MODE: COLOUR}
instance_type: Standard_DS3_v2
instance_count: 1
"""
CONDA = "dependencies: [python=3.11, pip, {pip: [azureml-inference-server-http==1.5.1]}]\n"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    texts = {
        "src/score.py": SCRIPT,
        "model/weights.txt": "w1",
        "env/conda.yml": CONDA,
        "deploy/endpoint.yml": ENDPOINT,
        "deploy/blue.yml": DEPLOYMENT.replace("COLOUR", "blue"),
        "deploy/green.yml": DEPLOYMENT.replace("COLOUR", "green"),
        "deploy/model.yml": "name: other\npath: ../model\n",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def answer(environ: Environ, *words: str) -> Any:
    return json.loads(amlemu(environ, "invoke", "iris", "--data", "{}", *words).stdout)


def test_files_from_nothing_to_an_answer(environ: Environ, files: Path) -> None:
    def deploy(*words: str, code: int = 0, name: str = "iris") -> Any:
        named = ("--name", name) if name else ()
        return amlemu(environ, "deploy", *words, *named, cwd=files, code=code)

    # What is wrong is told, and nothing is made.
    told = deploy("-f", "deploy/endpoint.yml", "-f", "deploy/blue.yml", code=2, name="").stderr
    assert "deploy/endpoint.yml:2: name: the placeholder {{ENDPOINT_NAME}} is not filled: give --name NAME" in told
    traffic = ("--set", "traffic={blue: 50, green: 50}")
    told = deploy("-f", "deploy/endpoint.yml", "-f", "deploy/blue.yml", *traffic, code=2).stderr
    assert "--set traffic: traffic.green: there will be no deployment 'green'; it will have: blue" in told
    assert json_of(environ, "list") == []

    shown = json.loads(
        deploy("-f", "deploy/endpoint.yml", "-f", "deploy/blue.yml", "-f", "deploy/green.yml", *traffic, "-o", "json")
        .stdout
    )  # fmt: skip
    assert shown["traffic"] == {"blue": 50, "green": 50}
    assert {answer(environ, "--deployment", name)["mode"] for name in ("blue", "green")} == {"blue", "green"}
    first = answer(environ, "--deployment", "blue")
    assert first["weights"] == "w1"
    name = first["dir"].rsplit("/", 2)[1]
    assert (len(name), json_of(environ, "model", "list")) == (64, [])

    # The same files again, with a value of the command line's, and a deployment alone that takes everything.
    deploy("-f", "deploy/green.yml", "--all-traffic", "--set", "environment_variables.MODE=night")
    assert json_of(environ, "show", "iris")["traffic"] == {"green": 100}
    assert answer(environ)["mode"] == "night"

    # A registered model in place of the file's.
    registered = json_of(environ, "model", "register", "-f", "deploy/model.yml", "--version", "7", cwd=files)
    assert (registered["name"], registered["version"]) == ("other", "7")
    deploy("-f", "deploy/green.yml", "--set", "model=azureml:other@latest", "--env", "MODE=day")
    assert answer(environ) == {"weights": "w1", "mode": "day", "dir": "/var/azureml-app/azureml-models/other/7"}

    # An endpoint's file alone changes only the endpoint.
    deploy("-f", "deploy/endpoint.yml", "--set", "description=flowers", "--set", "public_network_access=disabled")
    shown = json_of(environ, "show", "iris")
    assert (shown["description"], shown["traffic"], len(shown["deployments"])) == ("flowers", {"green": 100}, 2)
    assert shown["differences"] == [
        "public_network_access: disabled is only for the cloud: the endpoint listens where the emulator does"
    ]


def test_a_deployments_file_alone_makes_its_endpoint(environ: Environ, files: Path) -> None:
    told = amlemu(environ, "deploy", "-f", "deploy/blue.yml", "--name", "pets", cwd=files).stderr
    assert "endpoint 'pets' is new: target managed, auth_mode key" in told
    # As in the cloud it has no traffic: nobody reaches it, but with the header; and so it is said.
    assert json_of(environ, "show", "pets")["traffic"] == {}
    assert "deployment blue has 0 %: requests without the header azureml-model-deployment get 404" in told
    assert "invoke pets --deployment blue --data" in told
    assert "gives none of its traffic" in amlemu(environ, "invoke", "pets", "--data", "{}", code=6).stderr
    amlemu(environ, "invoke", "Pets", "--deployment", "Blue", "--data", "{}", code=None)
    amlemu(environ, "traffic", "pets", "BLUE=100")
    assert amlemu(environ, "traffic", "pets").stdout == "blue=100\n"
    told = amlemu(environ, "delete", "pets", "--deployment", "blue", "--yes", code=2).stderr
    assert "`amlemu traffic pets blue=0`" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("-f", "deploy/blue.yml", "--entry", "src/score.py"), "with -f, the files name the script"),
        (("-f", "deploy/endpoint.yml", "--name", "iris", "--all-traffic"), "name one file of a deployment"),
        (("--entry", "src/score.py", "--set", "a=b"), "--set goes with -f FILE"),
        ((), "--entry names the scoring script"),
        (("-f", "deploy/none.yml"), "does not exist"),
    ],
)
def test_words_that_do_not_go_together(environ: Environ, files: Path, words: tuple[str, ...], told: str) -> None:
    assert told in amlemu(environ, "deploy", *words, cwd=files, code=2).stderr
