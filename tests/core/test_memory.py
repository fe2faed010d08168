"""Sizes from a request to its container, and what is said when the memory is used up."""

from __future__ import annotations

from typing import Any

import pytest
from core_support import House
from fake_engine import Behaviour

from emulator.containers.usage import Machine, Usage
from emulator.difference import texts
from emulator.entities import Target
from emulator.errors import BadArgument, EmulatorError, OperationTimedOut
from emulator.profiles import overridden

GIB = 2**30
TARGETS: tuple[Target, ...] = ("managed", "kubernetes", "aks", "aci", "local")
SMALL = {"limits": {"cpu": "500m", "memory": "256Mi"}, "requests": {"memory": "128Mi"}}
CODES = {
    "managed": "OutOfQuota",
    "kubernetes": "PodOutOfMemory",
    "aks": "CrashLoopBackOff",
    "aci": "CrashLoopBackOff",
    "local": "ResourceNotReady",
}


def failed(house: House, **changes: Any) -> EmulatorError:
    with pytest.raises(EmulatorError) as error:
        house.deploy(**changes)
    return error.value


# sizes


@pytest.mark.row("container.size")
def test_a_container_is_as_large_as_its_type(house: House) -> None:
    deployment = house.deploy(instance_type="standard_ds2_v2")
    (running,) = house.engine.containers()
    assert (running.spec.cpus, running.spec.memory_bytes) == (2.0, 7 * GIB)
    assert deployment.instance_type == "standard_ds2_v2"
    assert deployment.differences == ()
    with overridden({"managed": {"container.size": 0.5}}):
        house.deploy(instance_type="standard_ds2_v2")
    house.settle()
    (running,) = house.engine.containers()
    assert (running.spec.cpus, running.spec.memory_bytes) == (1.0, 3.5 * GIB)


def test_no_limit_without_an_instance_type(house: House) -> None:
    house.deploy()
    (running,) = house.engine.containers()
    assert (running.spec.cpus, running.spec.memory_bytes) == (None, None)


def test_resources_limit_a_container_and_are_remembered(house: House) -> None:
    house.deploy(target="kubernetes", resources=SMALL)
    (running,) = house.engine.containers()
    assert (running.spec.cpus, running.spec.memory_bytes) == (0.5, 256 * 2**20)
    again = house.restarted()
    stored = again.store.find_deployment("iris", "blue")
    assert stored is not None
    assert stored.to_document()["resources"] == {"requests": SMALL["requests"], "limits": SMALL["limits"]}


def test_a_machine_that_is_too_small_is_a_difference(house: House) -> None:
    house.engine.size = Machine(cpus=2, memory_bytes=4 * GIB)
    deployment = house.deploy(instance_type="Standard_DS3_v2")
    (running,) = house.engine.containers()
    assert (running.spec.cpus, running.spec.memory_bytes) == (2.0, 4 * GIB)
    (told,) = texts(deployment.differences)
    assert told == "Standard_DS3_v2 has 4 CPUs and 14 GiB, more than this machine: 2 CPUs and 4 GiB are the limit here"


def test_an_unknown_type_leaves_nothing_behind(house: House) -> None:
    with pytest.raises(BadArgument, match="'Standard_DS3' is not one"):
        house.deploy(instance_type="Standard_DS3")
    assert house.engine.builds == []
    assert texts(house.deploy(instance_type="mine", target="kubernetes").differences)[0].startswith("the size of")


def test_a_restarted_container_has_the_same_size(house: House) -> None:
    house.deploy(resources=SMALL, target="kubernetes", readiness_probe={"initial_delay": 1, "period": 1})
    house.pass_time(1)
    (old,) = house.engine.containers()
    house.engine.die(old.container.id)
    house.wait_for(lambda: len(house.instances()) == 1 and house.instances() != [old.container.id])
    (new,) = house.engine.containers()
    assert new.spec == old.spec


# the first start


@pytest.mark.row("deployment.out_of_memory_code")
@pytest.mark.parametrize("target", TARGETS)
def test_a_container_that_is_killed_before_it_is_ready(house: House, target: Target) -> None:
    house.engine.behaviours.append(Behaviour(exit_code=137, oom_killed=True, log=("loading the model",)))
    error = failed(house, target=target, instance_type="Standard_DS1_v2")
    assert error.code == CODES[target]
    assert error.message == "the container was killed because it ran out of memory: its limit is 3.5 GiB"
    assert error.hint == "the next size up is Standard_DS2_v2 (2 cores, 7 GiB)"
    assert error.log_tail == "loading the model"
    stored = house.deployment().error
    assert stored is not None
    assert stored["code"] == CODES[target]


@pytest.mark.row("deployment.out_of_memory_code")
def test_workers_that_are_killed_again_and_again_are_not_waited_for(house: House) -> None:
    house.engine.behaviours.append(Behaviour(ready=False, oom_kills=3))
    house.engine.uses[f"{house.store.workspace_id}-1"] = Usage(1.0, 1, memory_peak_bytes=256 * 2**20)
    error = failed(house, target="kubernetes", resources=SMALL)
    assert error.code == "PodOutOfMemory"
    assert error.message == (
        "a worker of the scoring server (3 times) was killed because it ran out of memory:"
        " its limit is 256 MiB, and its peak was 256 MiB"
    )
    assert house.effects.monotonic() < 5
    assert house.running() == []


def test_one_killed_worker_of_a_start_may_be_followed_by_another(house: House) -> None:
    """Of four workers the last may find no room, and be the one that is started again when the others are done."""
    house.engine.behaviours.append(Behaviour(ready=False, oom_kills=11))
    error = failed(house, environment_variables={"WORKER_COUNT": "4"}, liveness_probe={"failure_threshold": 1})
    assert "11 times" in error.message, "told at the end of the budget"
    assert house.effects.monotonic() > 15
    assert "each of its 4 workers" in error.hint
    house.engine.behaviours.append(Behaviour(ready=True, oom_kills=2))
    house.deploy()


def test_a_slow_start_is_not_reported_as_out_of_memory(house: House) -> None:
    house.engine.behaviours.append(Behaviour(ready=False))
    assert isinstance(failed(house, liveness_probe={"failure_threshold": 1}), OperationTimedOut)


# what serves


@pytest.mark.row("events.out_of_memory")
@pytest.mark.parametrize("target", TARGETS)
def test_a_killed_worker_is_an_event(house: House, target: Target) -> None:
    house.deploy(target=target, instance_type="Standard_DS1_v2")
    house.pass_time(2)
    before = len(house.events())
    house.behave(oom_kills=1)
    house.pass_time(3)
    container = "killed a process of container inference-server (limit: 3.5 GiB)"
    told = ("Killing", f"Memory cgroup out of memory: {container}")
    assert house.events(since=before) == [told], "once, and the container goes on"
    house.behave(oom_kills=3)
    house.pass_time(3)
    assert house.events(since=before) == [told] * 3
    assert house.states() == [("Ready", 0)]


@pytest.mark.row("events.out_of_memory")
def test_the_message_may_be_another(house: House) -> None:
    house.deploy()
    with overridden({"managed": {"events.out_of_memory": "{container}: {limit}"}}):
        house.behave(oom_kills=1)
        house.pass_time(2)
    assert house.events()[-1] == ("Killing", "inference-server: none")


def test_a_crash_loop_of_a_container_without_memory(house: House) -> None:
    house.deploy(
        target="kubernetes", resources=SMALL, readiness_probe={"initial_delay": 1, "period": 1}, instance_count=1
    )
    house.pass_time(1)
    house.engine.behaviour = Behaviour(exit_code=137, oom_killed=True)
    house.engine.die(house.running()[0].id)
    house.wait_for(lambda: house.state() == "Failed", 300)
    error = house.deployment().error
    assert error is not None
    assert error["code"] == "DeploymentCrashLoopBackOff"
    assert "the container was killed because it ran out of memory: its limit is 256 MiB" in error["message"]
    assert error["hint"] == "it is started again with longer and longer waits; raise resources.limits.memory"
