"""Assets that are not registered here by themselves: of registries, and curated environments."""

from __future__ import annotations

from pathlib import Path

import pytest
from core_support import House

from emulator.difference import texts
from emulator.entities import Target
from emulator.environments import CuratedEnvironment, find_curated
from emulator.errors import BadArgument, ResourceNotFound
from emulator.profiles import overridden

OF_REGISTRY = "azureml://registries/shared"
ARM = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
CURATED = "azureml:AzureML-sklearn-1.5@latest"


@pytest.fixture
def with_model(house: House) -> House:
    house.register("m", version="2")
    return house


def register_environment(house: House, tmp_path: Path, name: str) -> None:
    file = tmp_path / "env.yml"
    file.write_text(f"name: {name}\ndependencies: [python=3.9, {{pip: [azureml-inference-server-http]}}]\n")
    house.workspace.environments.register(house.workspace.environments.read(file))


# registries


@pytest.mark.row("registry.references")
@pytest.mark.parametrize(
    "text", ["m:2", "azureml:m@latest", f"{ARM}/models/m/versions/2", f"azureml:{ARM}/models/m/labels/latest"]
)
def test_a_model_of_the_workspace_in_every_form(with_model: House, text: str) -> None:
    deployment = with_model.deploy(models=(text,))
    assert deployment.models == ("m:2",)
    assert not any("registry" in difference for difference in texts(deployment.differences))


@pytest.mark.row("registry.other_registries", "registry.references")
def test_assets_of_a_registry_are_taken_from_here(with_model: House, tmp_path: Path) -> None:
    register_environment(with_model, tmp_path, "e")
    deployment = with_model.deploy(
        models=(f"{OF_REGISTRY}/models/m/versions/2",), environment=f"{OF_REGISTRY}/environments/e/labels/latest"
    )
    assert (deployment.models, deployment.environment) == (("m:2",), "e:1")
    for what in ("model m:2", "environment e@latest"):
        assert f"the {what} is taken from the local workspace; the cloud takes it from registry 'shared'" in texts(
            deployment.differences
        )


@pytest.mark.row("registry.other_registries")
@pytest.mark.parametrize(
    ("target", "caller"),
    [("kubernetes", "K8SDeployment"), ("aks", "target aks"), ("aci", "target aci"), ("local", "target local")],
)
def test_where_they_are_refused(with_model: House, target: Target, caller: str) -> None:
    refused = {
        "models": {"models": (f"{OF_REGISTRY}/models/m/versions/2",)},
        "environments": {"environment": f"{OF_REGISTRY}/environments/e/versions/1"},
    }
    for kind, words in refused.items():
        with pytest.raises(BadArgument, match=f"Registry reference for {kind} is not supported for {caller}") as caught:
            with_model.deploy(target=target, **words)
        assert "copy it from registry 'shared' to the workspace" in caught.value.hint
    assert with_model.deploy(target=target, models=("azureml:m:2",), environment=CURATED).models == ("m:2",)


@pytest.mark.row("registry.other_registries")
def test_a_guess_can_be_chosen(with_model: House) -> None:
    with overridden({"aks": {"registry.other_registries": True}}):
        assert with_model.deploy(target="aks", models=(f"{OF_REGISTRY}/models/m/versions/2",)).models == ("m:2",)


def test_an_asset_of_a_registry_that_is_missing_here(house: House) -> None:
    with pytest.raises(ResourceNotFound, match="registered here, of registry 'shared' or of any other") as caught:
        house.deploy(models=(f"{OF_REGISTRY}/models/other/versions/3",))
    assert caught.value.hint == "amlemu model register --name other --version 3 --path PATH"
    with pytest.raises(ResourceNotFound, match="no environment named 'sklearn-1.5' is registered here"):
        house.workspace.environments.get(f"{OF_REGISTRY}/environments/sklearn-1.5/versions/1")


# curated environments


@pytest.mark.row("environment.curated")
@pytest.mark.parametrize(
    ("text", "id"),
    [
        (CURATED, "sklearn-1.5@latest"),
        ("sklearn-1.5", "sklearn-1.5@latest"),
        ("azureml:AzureML-sklearn-1.5:34", "sklearn-1.5:34"),
        ("azureml://registries/azureml/environments/sklearn-1.5/versions/34", "sklearn-1.5:34"),
        (f"{ARM}/environments/AzureML-sklearn-1.5/versions/34", "sklearn-1.5:34"),
        ("azureml://registries/azureml/environments/sklearn-1.5/labels/latest", "sklearn-1.5@latest"),
    ],
)
def test_one_is_rebuilt(house: House, text: str, id: str) -> None:
    curated = find_curated("sklearn-1.5")
    assert curated is not None
    deployment = house.deploy(environment=text)
    assert deployment.environment == id
    assert house.engine.builds[-1].requirements == curated.packages
    (told,) = (text for text in texts(deployment.differences) if "curated" in text)
    assert "scikit-learn~=1.5.0" in told
    assert "left out: OpenMPI" in told
    assert not any("registry" in text for text in texts(deployment.differences))


@pytest.mark.row("environment.curated")
def test_a_registered_one_of_that_name_wins(house: House, tmp_path: Path) -> None:
    register_environment(house, tmp_path, "sklearn-1.5")
    environments = house.workspace.environments
    assert environments.get("sklearn-1.5").requirements == ("azureml-inference-server-http",)
    assert environments.get("AzureML-sklearn-1.5").id == "sklearn-1.5@latest", "another name"
    with pytest.raises(ResourceNotFound, match="environment 'sklearn-1.5' has no version '34'; it has: 1"):
        environments.get("sklearn-1.5:34")


@pytest.mark.row("environment.curated")
def test_the_nearest_name_is_suggested(house: House, tmp_path: Path) -> None:
    register_environment(house, tmp_path, "my-environment")
    for text, near in {"AzureML-sklearn-0.24-ubuntu18-py37-cpu": "AzureML-sklearn-0.24-ubuntu18.04-py37-cpu",
                       "my-enviroment": "my-environment"}.items():  # fmt: skip
        with pytest.raises(ResourceNotFound) as caught:
            house.workspace.environments.get(text)
        assert caught.value.message == f"no environment named '{text}' is registered; did you mean '{near}'?"
        assert caught.value.hint.startswith("amlemu environment register -f FILE")


def test_the_list_of_curated_environments(tmp_path: Path) -> None:
    own = CuratedEnvironment("ours", "3.8", ("flask",))
    house = House(tmp_path, curated=(own,))
    assert [environment.id for environment in house.workspace.environments.list_curated()] == ["ours@latest"]
    assert house.workspace.environments.get("AzureML-ours").requirements == ("flask",)
