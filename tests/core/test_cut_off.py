"""What an emulator that was killed between two steps leaves, and what the next one makes of it."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from core_support import House, Said
from fake_engine import Behaviour
from no_room import limited_files

from emulator.entities import EndpointKeys
from emulator.errors import OutOfQuota, ResourceNotFound, ResourceNotReady


def begun_again(house: House) -> House:
    again = house.restarted()
    again.workspace.reconcile()
    again.settle()
    return again


def test_the_first_deployment_gets_its_traffic(house: House) -> None:
    """It was written down as serving, and the endpoint not yet."""
    deployment = house.deploy()
    house.store.put_deployment(deployment.model_copy(update={"provisioning_state": "Creating"}))
    endpoint = house.workspace.endpoints.get("iris")
    house.store.put_endpoint(endpoint.model_copy(update={"traffic": {}}))
    again = begun_again(house)
    assert again.state() == "Succeeded"
    assert again.deployment().error is None
    assert again.workspace.endpoints.get("iris").traffic == {"blue": 100}
    assert again.gateway.routes["iris"].by_name["blue"].weight == 100


def test_a_second_deployment_gets_none(house: House) -> None:
    house.deploy()
    second = house.deploy(name="green")
    house.store.put_deployment(second.model_copy(update={"provisioning_state": "Creating"}))
    again = begun_again(house)
    assert again.state(name="green") == "Succeeded"
    assert again.workspace.endpoints.get("iris").traffic == {"blue": 100}


def test_a_deletion_of_an_endpoint_is_finished(house: House) -> None:
    house.deploy()
    folder = house.store.endpoint_folder("iris")
    folder.rename(folder.with_name(".removed-0123456789abcdef"))
    house.store.logs.keep_container("iris", "blue", ["its last words"])
    again = begun_again(house)
    assert again.running() == []
    assert list(folder.parent.iterdir()) == []
    assert again.layouts() == []
    assert again.workspace.prune(dry_run=False) == [f"image {house.engine.builds[0].digest[:8]}"]
    again.deploy(name="green")
    assert [d.name for d in again.workspace.deployments.list_of("iris")] == ["green"], "the old ones are not back"
    assert again.names() == ["Pulled", "Created", "Started"], "nor is what was told of them"
    assert again.store.logs.kept_container("iris", "blue") == []


def test_keys_without_an_endpoint_are_removed(house: House) -> None:
    house.store.put_keys("half", EndpointKeys(primary_key="p", secondary_key="s"))
    house.store.logs.requests("half").write_text("{}\n")
    house.store.logs.requests("half").with_name("half.requests.jsonl.1").write_text("{}\n")
    house.deploy()
    again = begun_again(house)
    assert not again.store.endpoint_folder("half").exists()
    assert not list(again.store.logs.requests("half").parent.glob("half.*"))
    assert again.names(), "the logs of others stay"
    assert list(again.store.logs.requests("half").parent.glob("build-*"))


def test_documents_that_were_never_whole_are_removed(house: House) -> None:
    house.register()
    house.deploy()
    home = house.store.home
    half = [home / name for name in (".workspace.json.x1", "models/m/.2.json.x2", "endpoints/iris/.keys.json.x3",
            "endpoints/iris/deployments/.blue.json.x4", "images/.a.json.x5", "known/.1-2.json.x6")]  # fmt: skip
    for path in half:
        path.parent.mkdir(exist_ok=True)
        path.write_text('{"primary_key": "secr')
    strange = home / ".mine.json"
    strange.write_text("{}")
    again = begun_again(house)
    assert [path for path in half if path.exists()] == []
    assert strange.exists()
    assert (again.state(), len(again.workspace.models.list_versions())) == ("Succeeded", 1)


def test_the_layout_of_an_interrupted_deploy_is_removed(house: House) -> None:
    deployment = house.deploy()
    house.store.put_deployment(deployment.model_copy(update={"provisioning_state": "Creating", "serving": False}))
    again = begun_again(house)
    assert again.state() == "Failed"
    assert again.layouts() == []
    assert again.workspace.prune(dry_run=False) == []
    assert again.deploy().generation == 2
    assert again.layouts() == ["iris/blue/2"]


def test_a_failed_deletion_can_be_repeated(house: House) -> None:
    house.deploy()
    house.deploy(name="green")
    house.gateway.refuses = OutOfQuota("the front door is stuck")
    with pytest.raises(OutOfQuota, match="stuck"):
        house.workspace.deployments.delete("iris", "green")
    house.gateway.refuses = None
    assert house.deployment(name="green").serving
    house.workspace.deployments.delete("iris", "green")
    with pytest.raises(ResourceNotFound):
        house.deployment(name="green")
    assert set(house.gateway.routes["iris"].by_name) == {"blue"}
    assert len(house.running()) == 1


def test_a_failure_is_written_down_once_there_is_room(house: House) -> None:
    house.deploy()
    house.engine.behaviour = Behaviour(exit_code=1)
    with limited_files(10):
        with pytest.raises(OutOfQuota):
            house.deploy()
        assert house.state() == "Succeeded", "nothing had begun"
    said = Said()
    with ExitStack() as full:
        said.at = ("waiting", lambda: full.enter_context(limited_files(10)))
        with pytest.raises(ResourceNotReady, match="exited with code 1"):
            house.deploy(said=said)
        assert house.state() == "Updating", "there is no room to say otherwise"
    house.settle()
    assert house.state() == "Failed"
    assert "exited with code 1" in (house.deployment().error or {})["message"]
    assert len(house.instances()) == 1, "what served goes on"


def test_a_failure_that_was_overtaken_is_not_saved(house: House) -> None:
    house.engine.behaviours = [Behaviour(exit_code=1)]
    said = Said()
    with ExitStack() as full:
        said.at = ("waiting", lambda: full.enter_context(limited_files(10)))
        with pytest.raises(ResourceNotReady):
            house.deploy(said=said)
        with house.workspace.endpoints.hold("iris"):  # a retry waits for whatever is on the endpoint
            full.close()
            house.store.put_deployment(house.deployment().model_copy(update={"provisioning_state": "Succeeded"}))
    house.settle()
    assert house.state() == "Succeeded"


def test_keys_and_traffic_stay_whole_without_room(house: House) -> None:
    house.deploy()
    house.deploy(name="green")
    endpoints = house.workspace.endpoints
    keys, endpoint, route = endpoints.get_keys("iris"), endpoints.get("iris"), house.gateway.routes["iris"]
    with limited_files(10):
        with pytest.raises(OutOfQuota, match="no space left"):
            endpoints.regenerate_keys("iris", "primary")
        with pytest.raises(OutOfQuota, match="no space left"):
            endpoints.update_traffic("iris", {"blue": 50, "green": 50})
        with pytest.raises(OutOfQuota, match="no space left"):
            house.workspace.deployments.delete("iris", "green")
    assert (endpoints.get_keys("iris"), endpoints.get("iris"), house.gateway.routes["iris"]) == (keys, endpoint, route)
    assert endpoints.regenerate_keys("iris", "primary") != keys
    assert endpoints.update_traffic("iris", {"blue": 50, "green": 50}).traffic == {"blue": 50, "green": 50}
