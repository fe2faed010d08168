"""Endpoints: ports, keys, traffic, targets, and their end."""

from __future__ import annotations

import json
import threading
from typing import get_args

import pytest
from core_support import PORTS, House, Said
from fake_engine import Behaviour

from emulator.difference import only_here, texts
from emulator.entities import Target
from emulator.errors import BadArgument, OperationCanceled, OutOfQuota, ResourceNotFound, ResourceNotReady
from emulator.profiles import overridden, read_overrides

# ports


def test_ports_are_given_in_order_and_again(house: House) -> None:
    for name in ("one", "two"):
        house.deploy(name)
    assert {name: route.port for name, route in house.gateway.routes.items()} == {"one": 18100, "two": 18101}
    house.workspace.deployments.delete_endpoint("one")
    house.deploy("three")
    assert house.gateway.routes["three"].port == 18100


def test_a_port_of_another_program_is_passed_over(house: House) -> None:
    house.gateway.taken = {18100, 18101}
    house.deploy()
    assert house.gateway.routes["iris"].port == 18102


def test_no_port_is_left(house: House) -> None:
    house.gateway.taken = set(PORTS)
    with pytest.raises(OutOfQuota, match="all 4 ports for endpoints are taken"):
        house.deploy()
    assert house.workspace.endpoints.list_names() == []


def test_a_requested_port(house: House) -> None:
    house.deploy(port=30000)
    assert house.gateway.routes["iris"].port == 30000
    with pytest.raises(BadArgument, match="port 30000 belongs to endpoint 'iris'"):
        house.deploy("pets", port=30000)
    house.gateway.taken = {30001}
    with pytest.raises(BadArgument, match="port 30001 is taken"):
        house.deploy("pets", port=30001)
    assert house.workspace.endpoints.list_names() == ["iris"]


def test_an_endpoint_that_the_gateway_refuses_is_not_created(house: House) -> None:
    house.gateway.refuses = BadArgument("it was taken just now")
    with pytest.raises(BadArgument, match="just now"):
        house.deploy()
    assert house.workspace.endpoints.list_names() == []
    house.gateway.refuses = None
    house.deploy()


def test_port_and_target_are_kept_for_life(house: House) -> None:
    house.deploy(target="aks")
    for changes, told in (({"port": 30000}, "has port 18100"), ({"target": "managed"}, "has target aks")):
        with pytest.raises(BadArgument, match=f"{told} and keeps it for life"):
            house.deploy(**changes)
    assert house.deploy().target == "aks"
    assert house.deploy(target="aks", port=18100).generation == 3


# keys


def test_keys(house: House) -> None:
    house.deploy()
    keys = house.workspace.endpoints.get_keys("iris")
    assert (keys.primary_key, keys.secondary_key) == ("key-1", "key-2")
    house.workspace.endpoints.regenerate_keys("iris", "secondary")
    assert house.gateway.routes["iris"].keys == ("key-1", "key-3")
    house.workspace.endpoints.regenerate_keys("iris", "primary")
    assert house.gateway.routes["iris"].keys == ("key-4", "key-3")
    with pytest.raises(BadArgument, match="'tertiary' is not a key: use primary or secondary"):
        house.workspace.endpoints.regenerate_keys("iris", "tertiary")
    assert house.deploy().generation == 2
    assert house.gateway.routes["iris"].keys == ("key-4", "key-3"), "a deploy leaves them"


def test_a_key_that_is_given(house: House) -> None:
    house.deploy(primary_key="mine")
    assert house.gateway.routes["iris"].keys == ("mine", "key-2")
    house.deploy(primary_key="newer")
    assert house.gateway.routes["iris"].keys == ("newer", "key-2")


@pytest.mark.parametrize("target", ["aci", "local"])
def test_targets_without_keys(house: House, target: Target) -> None:
    house.deploy(target=target, primary_key="mine")
    assert house.gateway.routes["iris"].keys == ()
    for verb in (lambda: house.workspace.endpoints.get_keys("iris"),
                 lambda: house.workspace.endpoints.regenerate_keys("iris", "primary")):  # fmt: skip
        with pytest.raises(BadArgument, match=r"Endpoint 'iris' does not use keys for authentication\."):
            verb()


# traffic


def test_traffic(house: House) -> None:
    house.deploy()
    house.deploy(name="green")
    assert house.gateway.routes["iris"].weights == {"blue": 100, "green": 0}
    house.workspace.endpoints.update_traffic("iris", {"blue": 90, "green": 10})
    assert house.gateway.routes["iris"].weights == {"blue": 90, "green": 10}
    house.deploy(name="green")
    assert house.workspace.endpoints.get("iris").traffic == {"blue": 90, "green": 10}, "an update leaves it"
    house.workspace.endpoints.update_traffic("iris", {"blue": 0, "green": 100})
    assert house.workspace.endpoints.get("iris").traffic == {"green": 100}


@pytest.mark.row("traffic.mirror_most", "traffic.mirror_targets")
def test_mirrored_traffic(house: House) -> None:
    house.deploy()
    house.deploy(name="green")
    house.workspace.endpoints.update_traffic("iris", None, {"green": 50})
    assert house.gateway.routes["iris"].mirror == (("green", 50),)
    assert house.workspace.endpoints.get("iris").traffic == {"blue": 100}, "the live traffic stays"
    house.deploy(name="green")
    assert house.workspace.endpoints.get("iris").mirror_traffic == {"green": 50}, "an update leaves it"
    house.workspace.endpoints.update_traffic("iris", None, {"green": 0})
    assert house.gateway.routes["iris"].mirror == ()


@pytest.mark.row("traffic.mirror_most", "traffic.mirror_targets")
@pytest.mark.parametrize(
    ("traffic", "mirror", "told"),
    [
        (None, {"green": 51}, "1 to 50 percent, not 51"),
        (None, {"green": -1}, "1 to 50 percent"),
        (None, {"green": 10, "red": 10}, "1 deployment at most, not 2"),
        (None, {"blue": 10}, "'blue' has live traffic"),
        (None, {"grey": 10}, "no deployment 'grey'"),
        ({"green": 100}, {"green": 10}, "'green' has live traffic"),
    ],
)
def test_bad_mirrored_traffic(house: House, traffic: dict[str, int] | None, mirror: dict[str, int], told: str) -> None:
    for name in ("blue", "green", "red"):
        house.deploy(name=name)
    with pytest.raises(BadArgument, match=told):
        house.workspace.endpoints.update_traffic("iris", traffic, mirror)
    assert house.gateway.routes["iris"].mirror == ()


@pytest.mark.row("traffic.mirror_most", "traffic.mirror_targets")
@pytest.mark.parametrize("target", ["kubernetes", "aks", "aci", "local"])
def test_only_managed_endpoints_mirror(house: House, target: str) -> None:
    house.deploy(target=target)
    with pytest.raises(BadArgument, match="only managed endpoints can"):
        house.workspace.endpoints.update_traffic("iris", {}, {"blue": 10})


def test_mirroring_ends_with_its_deployment(house: House) -> None:
    house.deploy()
    house.deploy(name="green")
    house.workspace.endpoints.update_traffic("iris", None, {"green": 10})
    house.workspace.deployments.delete("iris", "green")
    assert house.workspace.endpoints.get("iris").mirror_traffic == {}


@pytest.mark.row("traffic.weights_sum")
@pytest.mark.parametrize(
    ("traffic", "told"),
    [
        ({"blue": 50}, "add up to 0 or 100, not 50"),
        ({"blue": 150, "green": -50}, "add up to 0 or 100"),
        ({"blue": 60, "green": 60}, "not 120"),
        ({"red": 100}, "has no deployment 'red'; it has: blue, green"),
    ],
)
def test_bad_traffic(house: House, traffic: dict[str, int], told: str) -> None:
    house.deploy()
    house.deploy(name="green")
    with pytest.raises(BadArgument, match=told):
        house.workspace.endpoints.update_traffic("iris", traffic)
    assert house.workspace.endpoints.get("iris").traffic == {"blue": 100}


def test_no_traffic_is_a_wish_that_an_update_leaves(house: House) -> None:
    house.deploy()
    house.workspace.endpoints.update_traffic("iris", {})
    house.deploy()
    assert house.workspace.endpoints.get("iris").traffic == {}


def test_no_traffic_is_a_wish_that_a_second_deployment_leaves(house: House) -> None:
    house.deploy()
    house.workspace.endpoints.update_traffic("iris", {})
    house.deploy(name="green")
    assert house.workspace.endpoints.get("iris").traffic == {}


def test_the_first_that_serves_gets_the_traffic(house: House) -> None:
    house.engine.behaviours.append(Behaviour(exit_code=1))
    with pytest.raises(ResourceNotReady):
        house.deploy()
    house.deploy(name="green")
    assert house.workspace.endpoints.get("iris").traffic == {"green": 100}
    house.deploy()
    assert house.workspace.endpoints.get("iris").traffic == {"green": 100}


# the end of deployments and endpoints


def test_deleting_a_deployment(house: House) -> None:
    house.deploy()
    house.deploy(name="green")
    house.workspace.endpoints.update_traffic("iris", {})
    house.workspace.deployments.delete("iris", "blue")
    assert [deployment.name for deployment in house.workspace.deployments.list_of("iris")] == ["green"]
    assert house.workspace.endpoints.get("iris").traffic == {}
    assert [container.labels["amlemu.deployment"] for container in house.running()] == ["green"]
    assert house.layouts() == ["iris/green/2"]
    with pytest.raises(ResourceNotFound, match="has no such deployment; it has: green"):
        house.workspace.deployments.delete("iris", "blue")


@pytest.mark.row("traffic.refuses_delete")
@pytest.mark.parametrize("target", get_args(Target))
def test_one_with_traffic_cannot_be_deleted_where_it_is_one_of_several(house: House, target: Target) -> None:
    house.deploy(target=target)
    if target not in ("managed", "kubernetes"):
        house.workspace.deployments.delete("iris", "blue")
        assert house.workspace.endpoints.get("iris").traffic == {}
        return
    house.deploy(name="green", target=target)
    house.workspace.endpoints.update_traffic("iris", {"blue": 70, "green": 30})
    with pytest.raises(BadArgument, match="deployment 'blue' has 70 % of the traffic") as caught:
        house.workspace.deployments.delete("iris", "blue")
    assert "`amlemu traffic iris blue=0 green=100`" in caught.value.hint
    house.workspace.endpoints.update_traffic("iris", {"blue": 0, "green": 100})
    house.workspace.deployments.delete("iris", "blue")
    with pytest.raises(BadArgument, match="100 %") as caught:
        house.workspace.deployments.delete("iris", "green")
    assert "`amlemu traffic iris green=0`" in caught.value.hint
    house.workspace.deployments.delete_endpoint("iris")


@pytest.mark.row("traffic.refuses_delete")
def test_settings_may_say_that_it_can(house: House) -> None:
    house.deploy()
    with overridden(read_overrides({"managed": {"traffic.refuses_delete": False}})[0]):
        house.workspace.deployments.delete("iris", "blue")
    assert house.workspace.endpoints.get("iris").traffic == {}


@pytest.mark.row("traffic.new_deployment")
@pytest.mark.parametrize("target", get_args(Target))
def test_the_first_deployment_from_files_gets_its_targets_share(house: House, target: Target) -> None:
    house.deploy(target=target, is_from_files=True)
    given = {} if target in ("managed", "kubernetes") else {"blue": 100}
    assert house.workspace.endpoints.get("iris").traffic == given
    house.deploy(target=target, is_from_files=True)
    assert house.workspace.endpoints.get("iris").traffic == given, "an update changes nothing of it"
    house.deploy("pets", target=target)
    assert house.workspace.endpoints.get("pets").traffic == {"blue": 100}, "one of flags gets all of it"


@pytest.mark.row("deployment.failed_create_is_final")
@pytest.mark.parametrize("target", get_args(Target))
def test_the_same_command_after_a_failed_create_is_a_difference(house: House, target: Target) -> None:
    house.engine.behaviours.append(Behaviour(exit_code=1, log=("broken",)))
    with pytest.raises(ResourceNotReady):
        house.deploy(target=target)
    told = [text for text in texts(house.deploy(target=target).differences) if "unrecoverable" in text]
    assert len(told) == (1 if target in ("managed", "kubernetes") else 0)
    assert not any("unrecoverable" in text for text in texts(house.deploy(target=target).differences))


def test_deleting_one_without_traffic_leaves_the_traffic(house: House) -> None:
    house.deploy()
    house.deploy(name="green")
    house.workspace.deployments.delete("iris", "green")
    assert house.workspace.endpoints.get("iris").traffic == {"blue": 100}


def test_a_deleted_deployment_leaves_no_log_to_its_namesake(house: House) -> None:
    house.deploy(name="green")
    house.engine.behaviours.append(Behaviour(exit_code=1, log=("old words",)))
    with pytest.raises(ResourceNotReady):
        house.deploy()
    house.workspace.deployments.delete("iris", "blue")
    assert list((house.store.home / "logs").glob("*failed*")) == []


def test_deleting_an_endpoint(house: House) -> None:
    house.register()
    house.deploy(models=["m"])
    house.deploy(name="green", models=["m"])
    house.deploy("pets")
    house.store.logs.requests("iris").write_text("{}\n")
    house.workspace.deployments.delete_endpoint("iris")
    assert house.workspace.endpoints.list_names() == ["pets"]
    assert list(house.gateway.routes) == ["pets"]
    assert [container.labels["amlemu.endpoint"] for container in house.running()] == ["pets"]
    assert house.layouts() == ["pets/blue/3"]
    assert not house.store.logs.requests("iris").exists()
    assert [model.id for model in house.workspace.models.list_versions()] == ["m:1"]
    for verb in (house.workspace.endpoints.get, house.workspace.deployments.list_of,
                 house.workspace.deployments.delete_endpoint, house.workspace.endpoints.get_keys):  # fmt: skip
        with pytest.raises(ResourceNotFound, match="no endpoint named 'iris'; there are: pets"):
            verb("iris")


def test_an_endpoint_can_be_deleted_while_the_engine_is_away(house: House) -> None:
    house.deploy()
    house.engine.unavailable = True
    house.workspace.deployments.delete_endpoint("iris")
    assert house.workspace.endpoints.list_names() == []
    house.engine.unavailable = False
    again = house.restarted()
    again.workspace.reconcile()
    assert again.running() == [], "what could not be removed then is removed as an orphan"


# what else is asked of a deployment


def test_logs(house: House) -> None:
    house.deploy(instance_count=2)
    for number, container in enumerate(house.running()):
        house.engine.say(container.id, f"I am {number}")
    deployments = house.workspace.deployments
    assert list(deployments.get_logs("iris", None, tail=1, follow=False, instance=1)) == ["I am 1"]
    assert list(deployments.get_logs("iris", "blue", tail=0, follow=False)) == []
    for instance in (2, -1):
        with pytest.raises(BadArgument, match="there are 2 instances, counted from 0"):
            deployments.get_logs("iris", None, tail=None, follow=False, instance=instance)
    with pytest.raises(ResourceNotFound, match="it has: blue"):
        deployments.get_logs("iris", "green", tail=None, follow=False)


def test_request_lines(house: House) -> None:
    house.deploy()
    house.store.logs.requests("iris").write_text("".join(json.dumps({"n": n}) + "\n" for n in range(3)))
    lines = house.workspace.deployments.get_request_log("iris", tail=2, follow=False)
    assert [json.loads(line)["n"] for line in lines] == [1, 2]
    with pytest.raises(ResourceNotFound):
        house.workspace.deployments.get_request_log("pets", tail=None, follow=False)


def test_the_same_model_twice(house: House) -> None:
    house.register()
    with pytest.raises(BadArgument, match="model m:1 is named twice"):
        house.deploy(models=["m:1", "m@latest"])


def test_stop_all_keeps_the_desired_state(house: House) -> None:
    house.deploy()
    house.deploy("pets", instance_count=2)
    before = house.deployment()
    assert house.workspace.deployments.stop_all() == 3
    assert house.running() == []
    assert house.deployment() == before
    assert house.layouts() == ["iris/blue/1", "pets/blue/2"]


def test_stop_all_removes_draining_containers_too(house: House) -> None:
    house.deploy()
    stopped: list[int] = []
    house.gateway.draining = lambda _id: stopped.append(house.workspace.deployments.stop_all())
    house.deploy()
    house.settle()
    assert stopped == [2]
    assert house.running() == []


def test_stop_all_without_an_engine_stops_nothing(house: House) -> None:
    house.deploy()
    house.engine.unavailable = True
    assert house.workspace.deployments.stop_all() == 0
    assert len(house.running()) == 1


def test_all_containers_are_stopped_at_the_same_time(house: House) -> None:
    """One that does not want to end may take its whole grace, and there may be many of them."""
    for name in ("iris", "pets", "cars"):
        house.deploy(name, instance_count=4)
    together = threading.Barrier(12, timeout=10)
    house.engine.removing = together.wait
    assert house.workspace.deployments.stop_all() == 12
    assert max(house.engine.graces) <= 5


def test_restores_are_canceled_when_the_emulator_ends(house: House) -> None:
    house.deploy()
    house.deploy("pets")
    house.workspace.deployments.stop_all()
    again = house.restarted()
    again.engine.behaviour = Behaviour(ready=False)
    again.workspace.reconcile()
    again.workspace.end(10)
    assert again.workspace.deployments.stop_all() == 0
    again.settle()
    assert again.running() == []
    assert [again.deployment(name).serving for name in ("iris", "pets")] == [True, True], "the next start tries again"
    third = again.restarted()
    third.workspace.reconcile()
    third.settle()
    assert [third.state(name) for name in ("iris", "pets")] == ["Succeeded", "Succeeded"]


def test_nothing_begins_once_the_emulator_ends(house: House) -> None:
    house.deploy()
    house.workspace.end(10)
    with pytest.raises(OperationCanceled, match="the emulator is ending"):
        house.deploy()
    house.workspace.deployments.stop_all()
    house.workspace.deployments.restore("iris", "blue")
    assert house.running() == []
    assert house.state() == "Succeeded"


def test_differences_are_listed(house: House) -> None:
    house.engine.differences = (only_here("image.stand_in", "a stand-in for the base image"),)
    house.unreachable = "no network"
    (house.code / "conda.yml").write_text("dependencies: [python=3.9, numpy=1.23]\n")
    (house.code / ".amlignore").write_text("*.csv\n")
    (house.code / "big.csv").write_text("")
    for name in ("m", "n"):
        house.register(name)
    house.register("o", version="beta")
    differences = texts(house.deploy(said=Said(), models=["m", "n", "o:beta"]).differences)
    assert [text.split(":")[0] for text in differences] == [
        "managed endpoints take one model per deployment",
        "o",
        "conda packages are resolved from PyPI, not from conda channels (the channels cannot be reached",
        "a stand-in for the base image",
        "left out of the code",
    ]
