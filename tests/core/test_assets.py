"""Models and environments as deployments name them, and what the containers are given."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from core_support import House

from emulator.difference import texts
from emulator.entities import ModelRequest, Target
from emulator.errors import BadArgument, BadDocument, ResourceNotFound

# models


@pytest.mark.row("registry.archived")
def test_latest_and_archived(house: House) -> None:
    models = house.workspace.models
    for content in ("a", "b", "c"):
        house.register(content=content)
    assert models.resolve("m").version == "3"
    assert models.archive("m", "3").archived
    assert models.resolve("m@latest").version == "2"
    assert models.resolve("azureml:m:3").version == "3", "it must be named to be used"
    assert [model.version for model in models.list_versions("m")] == ["1", "2"]
    assert [model.version for model in models.list_versions(include_archived=True)] == ["1", "2", "3"]
    models.restore("m", "3")
    assert models.get("m").version == "3"


def test_latest_is_the_one_that_was_made_last(house: House) -> None:
    house.register(version="10")
    house.register(version="9", content="other")
    assert house.workspace.models.resolve("m").version == "9"


def test_not_found_lists_what_exists(house: House) -> None:
    models = house.workspace.models
    house.register("my_model")
    cases = {
        "my_model:7": "model 'my_model' has no version '7'; it has: 1",
        "my_modle": "no model named 'my_modle' is registered; did you mean 'my_model'.",
        "other": "no model named 'other' is registered$",
    }
    for reference, told in cases.items():
        with pytest.raises(ResourceNotFound, match=told):
            models.resolve(reference)
    models.archive("my_model", "1")
    with pytest.raises(ResourceNotFound, match=r"has no version 'latest'; it has: 1 \(archived\)"):
        models.resolve("my_model")


@pytest.mark.parametrize("name", ["..", ".", "a/b", "", "a\0"])
def test_a_name_cannot_be_a_path(house: House, name: str) -> None:
    """The documents of the workspace itself lie one folder above."""
    with pytest.raises(BadArgument, match="cannot name a model"):
        house.workspace.models.get(name, "workspace")
    if name:
        with pytest.raises(BadArgument, match="cannot name a model"):
            house.workspace.models.list_versions(name)


def test_files_of_a_model(house: House, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/a").write_text("A")
    house.workspace.models.create(ModelRequest(name="m", path=str(tmp_path / "model")))
    assert [(path, stored.read_text()) for path, stored in house.workspace.models.files("m")] == [("model/a", "A")]


# environments


def environment_of(house: House) -> str:
    return house.deployment().environment_source


def test_the_file_beside_the_script(house: House) -> None:
    house.write_code("src", requirements_txt="numpy\n", conda_yml="dependencies: [python=3.9]\n")
    house.deploy()
    assert environment_of(house) == "conda.yml"
    assert house.engine.builds[-1].python_version == "3.9"


def test_beside_the_script_not_at_the_top_of_the_folder(house: House) -> None:
    house.write_code("src", requirements_txt="numpy\n")
    house.write_code("src/inner", conda_yml="dependencies: [python=3.10]\n")
    house.deploy(scoring_script="inner/score.py", explicit_source_dir=True)
    assert environment_of(house) == "conda.yml"


def test_the_default(house: House) -> None:
    house.deploy()
    assert environment_of(house) == "the built-in default environment"


def test_a_file_that_is_named_and_includes_others(house: House, tmp_path: Path) -> None:
    (tmp_path / "envs/more").mkdir(parents=True)
    (tmp_path / "envs/req.txt").write_text("-r more/base.txt\nscipy\n")
    (tmp_path / "envs/more/base.txt").write_text("numpy\n-r also.txt\n")
    (tmp_path / "envs/more/also.txt").write_text("pandas\n")
    house.deploy(environment=str(tmp_path / "envs/req.txt"))
    assert house.engine.builds[-1].requirements == ("numpy", "pandas", "scipy")


def test_a_registered_one(house: House, tmp_path: Path) -> None:
    environments = house.workspace.environments
    file = tmp_path / "env.yml"
    ids = []
    for number in range(11):
        file.write_text(f"name: sk\ndependencies: [python=3.9, {{pip: ['scikit-learn=={number}']}}]\n")
        ids.append(environments.register(environments.read(file)).id)
    assert ids == [f"sk:{number}" for number in range(1, 12)]
    assert environments.register(environments.read(file)).id == "sk:11", "the same again is the same"
    for reference in ("sk", "sk@latest", "azureml:sk", "azureml:sk@latest", "sk:11", "azureml:sk:11"):
        assert environments.get(reference).version == "11"
    house.deploy(environment="sk:2")
    assert house.deployment().environment == "sk:2"
    assert house.engine.builds[-1].requirements == ("scikit-learn==1",)
    with pytest.raises(ResourceNotFound, match="environment 'sk' has no version '12'; it has: 1, 2, 3"):
        environments.get("sk:12")


def test_many_registered_at_once_get_a_version_each(house: House, tmp_path: Path) -> None:
    together = threading.Barrier(10)

    def work(number: int) -> None:
        file = tmp_path / f"{number}.yml"
        file.write_text(f"name: sk\ndependencies: [{{pip: ['scikit-learn=={number}']}}]\n")
        together.wait()
        house.workspace.environments.register(house.workspace.environments.read(file))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    versions = [environment.version for environment in house.workspace.environments.list_versions()]
    assert versions == [str(number) for number in range(1, 11)]


@pytest.mark.parametrize("name", ["../../evil", "my env", "a/b"])
def test_an_environment_is_registered_under_a_legal_name(house: House, tmp_path: Path, name: str) -> None:
    file = tmp_path / "conda.yml"
    file.write_text(f"name: {name}\ndependencies: [python=3.9]\n")
    with pytest.raises(BadArgument, match="cannot name an environment"):
        house.workspace.environments.register(house.workspace.environments.read(file))
    house.deploy(environment=str(file))


def test_the_built_in_one_has_a_name(house: House) -> None:
    assert house.workspace.environments.get("amlemu-default").requirements


def test_a_bad_file_beside_the_script(house: House) -> None:
    house.write_code("src", requirements_txt="numpy=1\n")
    with pytest.raises(BadDocument) as caught:
        house.deploy()
    assert [str(fault) for fault in caught.value.faults] == [
        "requirements.txt:1: pip writes 'numpy==1': one '=' is conda's"
    ]


# what containers are given


VARIABLES: dict[Target, dict[str, str]] = {
    "managed": {
        "AML_APP_ROOT": "/var/azureml-app/src",
        "AZUREML_ENTRY_SCRIPT": "score.py",
        "AZUREML_MODEL_DIR": "/var/azureml-app/azureml-models/m/1",
    },
    "kubernetes": {
        "AML_APP_ROOT": "/var/azureml-app/src",
        "AZUREML_ENTRY_SCRIPT": "score.py",
        "AZUREML_MODEL_DIR": "/var/azureml-app/azureml-models/m/1",
    },
    "aks": {
        "AML_APP_ROOT": "/var/azureml-app",
        "AZUREML_ENTRY_SCRIPT": "score.py",
        "AZUREML_MODEL_DIR": "/var/azureml-app/azureml-models/m/1",
        "SERVICE_NAME": "iris",
        "SERVICE_PATH_PREFIX": "api/v1/service/iris",
        "SCORING_TIMEOUT_MS": "60000",
    },
    "aci": {
        "AML_APP_ROOT": "/var/azureml-app",
        "AZUREML_ENTRY_SCRIPT": "score.py",
        "AZUREML_MODEL_DIR": "/var/azureml-app/azureml-models/m/1",
        "SERVICE_NAME": "iris",
    },
    "local": {
        "AML_APP_ROOT": "/var/azureml-app",
        "AZUREML_ENTRY_SCRIPT": "score.py",
        "AZUREML_MODEL_DIR": "azureml-models/m/1",
    },
}


@pytest.mark.parametrize("target", VARIABLES)
def test_variables_by_target(house: House, target: Target) -> None:
    house.register()
    deployment = house.deploy(target=target, models=["m"])
    assert house.engine.variables() == VARIABLES[target]
    assert house.workspace.deployments.platform_variables(deployment) == VARIABLES[target]
    (running,) = house.engine.containers()
    assert running.spec.working_dir == VARIABLES[target]["AML_APP_ROOT"]


@pytest.mark.row("container.user_variables_win")
def test_the_users_variables_win_with_a_difference(house: House) -> None:
    deployment = house.deploy(environment_variables={"AML_APP_ROOT": "/mine", "TOKEN": "s3cret"})
    assert house.engine.variables()["AML_APP_ROOT"] == "/mine"
    assert any("AML_APP_ROOT set by the deployment" in text for text in texts(deployment.differences))
    (running,) = house.engine.containers()
    assert "s3cret" not in f"{running.spec.labels} {running.spec!r} {running.container!r}"


@pytest.mark.row("layout.several_models")
def test_several_models(house: House) -> None:
    for name in ("m", "n"):
        house.register(name)
    house.deploy(models=["m", "n:1"])
    assert house.engine.variables()["AZUREML_MODEL_DIR"] == "/var/azureml-app/azureml-models"
    assert [path for path, _ in house.workspace.deployments.tree("iris", None)] == [
        "azureml-models/m/1/m.pkl",
        "azureml-models/n/1/n.pkl",
        "src/score.py",
    ]


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        ({}, ["main.py", "score.py"]),
        ({"explicit_source_dir": True}, ["src/help.txt", "src/score.py"]),
    ],
)
@pytest.mark.row("layout.script_alone")
def test_the_layout_of_target_local(house: House, changes: dict[str, Any], paths: list[str]) -> None:
    house.write_code("src", help_txt="not taken along without a source directory\n")
    house.deploy(target="local", **changes)
    assert [path for path, _ in house.workspace.deployments.tree("iris", None)] == paths


def test_a_script_of_target_local_that_is_called_main_already(house: House) -> None:
    (house.code / "main.py").write_text((house.code / "score.py").read_text())
    house.deploy(target="local", scoring_script="main.py")
    assert [path for path, _ in house.workspace.deployments.tree("iris", None)] == ["main.py"]


def test_labels_hold_names_and_numbers_only(house: House) -> None:
    house.deploy(instance_count=2)
    assert [dict(container.labels) for container in house.running()] == [
        {
            "amlemu.workspace": house.store.workspace_id,
            "amlemu.endpoint": "iris",
            "amlemu.deployment": "blue",
            "amlemu.generation": "1",
            "amlemu.instance": str(instance),
        }
        for instance in range(2)
    ]
