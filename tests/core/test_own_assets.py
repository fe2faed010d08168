"""Models and environments that come with a deployment: registered on the way, or found to be there already."""

from __future__ import annotations

from pathlib import Path

import pytest
from core_support import House

from emulator.difference import texts
from emulator.entities import ANONYMOUS, Environment, ModelRequest
from emulator.errors import BadArgument


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "Sub").mkdir(parents=True)
    (folder / "b.bin").write_text("one")
    (folder / "A.txt").write_text("two")
    (folder / "Sub" / "c").write_text("three")
    return folder


def ids(house: House) -> list[str]:
    return [model.id for model in house.workspace.models.list_versions()]


def test_an_anonymous_model_has_the_clouds_name(house: House, model: Path, tmp_path: Path) -> None:
    # Both names are what azure-ai-ml 1.35.2 gives the same files.
    (tmp_path / "one.pkl").write_text("x")
    deployment = house.deploy(models=(ModelRequest(path=str(model)), ModelRequest(path=str(tmp_path / "one.pkl"))))
    assert deployment.models == (
        "070d0e669d2051d9193ed4ccb9548c4432235a99254c36e94fd8df3eb65e6252:1",
        "1d7fc0ec78a5bf6dac14052406bb19813df3ce9654ba5a54e90e4931e347b59f:1",
    )
    assert ids(house) == []
    assert house.deploy(models=(ModelRequest(path=str(model)),)).models == deployment.models[:1]


def test_a_named_model_is_registered_once(house: House, model: Path) -> None:
    own = ModelRequest(name="own", path=str(model))
    assert house.deploy(models=(own,)).models == house.deploy(models=(own,)).models == ("own:1",)
    (model / "b.bin").write_text("changed")
    assert house.deploy(models=(own,)).models == ("own:2",)
    assert ids(house) == ["own:1", "own:2"]


def test_a_version_keeps_its_content(house: House, model: Path) -> None:
    own = ModelRequest(name="own", version="7", path=str(model))
    assert house.deploy(models=(own,)).models == house.deploy(models=(own,)).models == ("own:7",)
    (model / "b.bin").write_text("changed")
    with pytest.raises(BadArgument, match="registered already with other content"):
        house.deploy(models=(own,))
    assert house.state() == "Succeeded"


def test_nothing_is_registered_for_a_plan_that_fails(house: House, model: Path) -> None:
    with pytest.raises(BadArgument):
        house.deploy(models=(ModelRequest(name="own", path=str(model)),), scoring_script="none.py")
    assert ids(house) == []


def test_an_environment_with_a_name_is_registered(house: House) -> None:
    own = Environment(name="own", python_version="3.11", requirements=("flask",))
    assert house.deploy(environment=own).environment == house.deploy(environment=own).environment == "own:1"
    assert [e.id for e in house.workspace.environments.list_versions()] == ["own:1"]
    other = own.model_copy(update={"requirements": ("numpy",)})
    assert house.deploy(environment=other).environment == "own:2"


def test_one_without_a_name_is_not(house: House) -> None:
    own = Environment(name=ANONYMOUS, version="a" * 64, python_version="3.11", requirements=("flask",))
    assert house.deploy(environment=own).environment == f"{ANONYMOUS}:{'a' * 64}"
    assert house.workspace.environments.list_versions() == []


def test_a_version_of_an_environment_keeps_its_content(house: House) -> None:
    own = Environment(name="own", version="3", python_version="3.11", requirements=("flask",))
    document = own.model_dump(mode="json", exclude_unset=True)
    assert house.deploy(environment=document).environment == house.deploy(environment=document).environment == "own:3"
    with pytest.raises(BadArgument, match="version 3 is registered already with other content"):
        house.deploy(environment=document | {"requirements": ["numpy"]})


def test_names_of_microsofts_samples(house: House) -> None:
    deployment = house.deploy("my_endpoint", name="blue_deployment")
    assert [d for d in texts(deployment.differences) if "the cloud refuses" in d] == [
        "the cloud refuses the name 'my_endpoint': letters, digits and '-' only",
        "the cloud refuses the name 'blue_deployment': letters, digits and '-' only",
    ]
    with pytest.raises(BadArgument, match="'my_service' cannot name a service of target aks"):
        house.deploy("my_service", target="aks")


def test_an_environment_that_cannot_be_built_is_not_registered(house: House) -> None:
    own = Environment(name="own", python_version="3.11", image="no name of an image")
    with pytest.raises(BadArgument, match="cannot be the name of an image"):
        house.deploy(environment=own)
    assert house.workspace.environments.list_versions() == []
