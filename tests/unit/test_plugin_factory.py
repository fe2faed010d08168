"""The pytest plug-in's factory, beside a client that only remembers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from emulator.client.client import Client
from emulator.errors import ResourceNotFound, ResourceNotReady
from emulator.testing.factory import EndpointFactory


class RememberingClient:
    """What the factory asks of a client; `there` are the endpoints, `fails` lets the next deploys fail."""

    def __init__(self, *there: str) -> None:
        self.there = set(there)
        self.deployed: list[str] = []
        self.fails = False

    def get_endpoint(self, name: str) -> dict[str, Any]:
        if name not in self.there:
            raise ResourceNotFound("there is no such endpoint")
        return {"name": name, "scoring_uri": "http://x/score", "deployments": [], "differences": []}

    def put_deployment(self, endpoint: str, deployment: str, _request: Any, _on_event: Any) -> None:
        self.there.add(endpoint)
        self.deployed.append(f"{endpoint}/{deployment}")
        if self.fails:
            raise ResourceNotReady("it does not start")

    def delete_endpoint(self, name: str) -> None:
        self.get_endpoint(name)
        self.there.remove(name)


class World:
    """A factory with its client, and the names that it wants deleted at the end of the run."""

    def __init__(self, root: Path, *there: str) -> None:
        self.client = RememberingClient(*there)
        self.remembered: list[str] = []
        self.factory = EndpointFactory(cast(Client, self.client), root, self.remembered.append)
        (root / "src").mkdir()
        (root / "src/score.py").write_text("def init(): ...\n")


def test_the_same_call_is_deployed_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    first = world.factory(entry="src/score.py")
    assert world.factory(entry=Path("src/score.py")) is first
    assert world.factory(entry="src/score.py", fresh=True) is not first
    assert world.factory(entry="src/score.py", target="aci") is not first
    assert world.factory(entry="src/score.py") is first
    assert len(world.client.deployed) == 3 == len(set(world.remembered))
    assert world.factory.used[0] is first
    world.factory.begin_test()
    assert world.factory.used == []


def test_a_deleted_or_changed_endpoint_is_deployed_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    first = world.factory(entry="src/score.py")
    first.delete()
    first.delete()
    second = world.factory(entry="src/score.py")
    second.deploy(entry="src/score.py", deployment="green")
    third = world.factory(entry="src/score.py")
    assert len({first.name, second.name, third.name}) == 3
    assert f"{second.name}/green" in world.client.deployed


def test_generated_names_are_legal_and_unique(tmp_path: Path) -> None:
    world = World(tmp_path)
    (tmp_path / ("A folder_with a long name" * 3)).mkdir()
    script = tmp_path / ("A folder_with a long name" * 3) / "score.py"
    script.write_text("")
    names = {world.factory(entry=script, fresh=True).name for _ in range(3)}
    assert len(names) == 3 and all(len(name) <= 32 and name == name.lower() for name in names)


def test_an_endpoint_of_others_is_not_deleted(tmp_path: Path) -> None:
    world = World(tmp_path, "of-others")
    assert world.factory(entry="src/score.py", name="of-others").name == "of-others"
    assert world.factory(entry="src/score.py", name="mine").name == "mine"
    assert world.remembered == ["mine"]


@pytest.mark.parametrize("name", [None, "named"])
def test_a_failed_deploy_leaves_no_endpoint_with_a_generated_name(tmp_path: Path, name: str | None) -> None:
    world = World(tmp_path)
    world.client.fails = True
    with pytest.raises(ResourceNotReady) as raised:
        world.factory(entry="src/score.py", name=name)
    assert world.factory.failures == [raised.value]
    assert world.client.there == ({name} if name else set())
    world.client.fails = False
    assert world.factory(entry="src/score.py", name=name)
