"""Azure ML v1's three files, unmodified, against a real emulator on the process engine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
from amlemu_process import Environ, amlemu, json_of
from projects import SERVER

SCRIPT = """
import os
import helper

def init():
    global model
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.txt")) as file:
        model = file.read()

def run(data):
    names = ("AZUREML_ENTRY_SCRIPT", "AZUREML_SOURCE_DIRECTORY", "AZUREML_MODEL_DIR", "SCORING_TIMEOUT_MS", "MINE")
    seen = {name: os.getenv(name) for name in names}
    return {"model": model, "helper": helper.NAME, "in_source": os.path.isdir("source_dir"), **seen}
"""
INFERENCE = {
    "entryScript": "score.py",
    "sourceDirectory": "./source_dir",
    "environment": {
        "name": "my-deploy-env",
        "version": None,
        "environmentVariables": {"MINE": "of the environment"},
        "python": {
            "userManagedDependencies": False,
            "condaDependencies": {
                "name": "project_environment",
                "channels": ["conda-forge"],
                "dependencies": ["python=3.11", {"pip": [SERVER.strip(), "azureml-defaults"]}],
            },
        },
        "docker": {"baseImage": "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04", "shmSize": "2g"},
        "inferencingStackVersion": "latest",
    },
}
DEPLOYMENTS: Mapping[str, dict[str, Any]] = {
    "local": {"computeType": "Local"},
    "aci": {
        "computeType": "aci",
        "containerResourceRequirements": {"cpu": 0.5, "memoryInGB": 1.0},
        "authEnabled": True,
        "sslEnabled": False,
        "appInsightsEnabled": False,
    },
    "aks": {
        "computeType": "AKS",
        "autoScaler": {"autoscaleEnabled": True, "minReplicas": 1, "maxReplicas": 3},
        "scoringTimeoutMs": 4000,
        "authEnabled": True,
        "keys": {"primaryKey": "a-key-of-the-file", "secondaryKey": None},
        "gpuCores": 0,
        "enableAppInsights": True,
    },
}
ONE_MODEL = "azureml-models/v1_model/1"
EXPECTED: Mapping[str, dict[str, Any]] = {
    "local": {"AZUREML_MODEL_DIR": ONE_MODEL, "SCORING_TIMEOUT_MS": None},
    "aci": {"AZUREML_MODEL_DIR": f"/var/azureml-app/{ONE_MODEL}", "SCORING_TIMEOUT_MS": None},
    "aks": {"AZUREML_MODEL_DIR": f"/var/azureml-app/{ONE_MODEL}", "SCORING_TIMEOUT_MS": "4000"},
}


@pytest.fixture(scope="module")
def project(environ: Environ, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder as it is at a user's of v1, with its model registered."""
    folder = tmp_path_factory.mktemp("v1")
    (folder / "source_dir").mkdir()
    (folder / "source_dir/score.py").write_text(SCRIPT)
    (folder / "source_dir/helper.py").write_text('NAME = "taken along"\n')
    (folder / "model.txt").write_text("trained")
    (folder / "inferenceconfig.json").write_text(json.dumps(INFERENCE, indent="\t"))
    for name, document in DEPLOYMENTS.items():
        (folder / f"{name}.json").write_text(json.dumps(document, indent=4))
    amlemu(environ, "model", "register", "--name", "v1_model", "--path", "model.txt", cwd=folder)
    return folder


def deploy(environ: Environ, project: Path, name: str, target: str, *more: str) -> dict[str, Any]:
    words = ("deploy", "--name", name, "--model", "v1_model:1", "--ic", "inferenceconfig.json", "--dc")
    return dict(json_of(environ, *words, f"{target}.json", *more, cwd=project))


@pytest.mark.parametrize("target", DEPLOYMENTS)
def test_three_files_serve(environ: Environ, project: Path, target: str) -> None:
    name = f"v1-{target}"
    endpoint = deploy(environ, project, name, target)
    assert (endpoint["target"], endpoint["provisioning_state"]) == (target, "Succeeded")
    assert json.loads(amlemu(environ, "invoke", name, "--data", "{}").stdout) == {
        "model": "trained",
        "helper": "taken along",
        "in_source": True,
        "MINE": "of the environment",
        "AZUREML_ENTRY_SCRIPT": "source_dir/score.py",
        "AZUREML_SOURCE_DIRECTORY": "source_dir",
        **EXPECTED[target],
    }
    (deployment,) = endpoint["deployments"]
    assert any("mcr.microsoft.com" in text for text in deployment["differences"])
    amlemu(environ, "delete", name, "--yes")


def test_what_the_files_say_of_the_front_door(environ: Environ, project: Path) -> None:
    endpoint = deploy(environ, project, "v1-door", "aks", "--request-timeout-ms", "5000")
    keys = json_of(environ, "keys", "v1-door")
    assert keys["primaryKey"] == "a-key-of-the-file"
    without = requests.post(endpoint["scoring_uri"], json={}, timeout=20, proxies={"no_proxy": "*"})
    assert without.status_code == 401
    (deployment,) = endpoint["deployments"]
    assert deployment["request_settings"]["request_timeout_ms"] == 5000
    told = "\n".join(deployment["differences"])
    assert "unknown key 'enableAppInsights' is ignored, as in the cloud; did you mean 'appInsightsEnabled'?" in told
    assert "the cloud scales from 1 to 3 containers; here it is always 1" in told
    amlemu(environ, "delete", "v1-door", "--yes")


def test_a_saved_environment_is_registered_and_named(environ: Environ, project: Path, tmp_path: Path) -> None:
    """`Environment.save_to_directory`, then `-e NAME` with a file that names no environment."""
    saved = {key: value for key, value in INFERENCE["environment"].items() if key != "python"}  # type: ignore[attr-defined]
    saved["python"] = {"userManagedDependencies": False}
    (tmp_path / "azureml_environment.json").write_text(json.dumps({**saved, "name": "saved-env"}))
    conda = f"dependencies:\n  - python=3.11\n  - pip:\n    - azureml-defaults\n    - {SERVER}"
    (tmp_path / "conda_dependencies.yml").write_text(conda)
    registered = json_of(environ, "environment", "register", "-f", tmp_path / "azureml_environment.json")
    assert (registered["name"], registered["version"]) == ("saved-env", "1")
    (project / "bare.yml").write_text("entryScript: score.py\nsourceDirectory: source_dir\n")
    words = ("--model", "v1_model:1", "--ic", "bare.yml", "--dc", "local.json")
    named = json_of(environ, "deploy", "--name", "v1-named", *words, "-e", "saved-env", cwd=project)
    assert named["deployments"][0]["environment"] == "saved-env:1"
    again = json_of(environ, "deploy", "--name", "v1-named", *words, "-e", tmp_path, cwd=project)
    assert again["deployments"][0]["image"] == named["deployments"][0]["image"]
    amlemu(environ, "delete", "v1-named", "--yes")


def test_faults_of_both_files_are_told_at_once(environ: Environ, project: Path) -> None:
    (project / "bad_ic.json").write_text('{\n  "entryScript": "my-score.py"\n}')
    (project / "bad_dc.json").write_text('{\n  "computeType": "iot"\n}')
    failed = amlemu(environ, "deploy", "--ic", "bad_ic.json", "--dc", "bad_dc.json", cwd=project, code=2)
    assert "BadArgument: bad_dc.json has one fault; bad_ic.json has one fault" in failed.stderr
    assert "bad_ic.json:2: entryScript: 'my-score.py' cannot be imported" in failed.stderr
    assert (
        "bad_dc.json:2: computeType: Error parsing --deploy-config-file. unknown deployment type: iot" in failed.stderr
    )
