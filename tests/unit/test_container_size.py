"""Instance types, and what a container gets of one."""

from __future__ import annotations

import doctest
from typing import Any

import pytest

from emulator.containers.size import (
    ContainerSize,
    asked_size,
    check_instance_type,
    container_size,
    is_sized,
    more_memory_hint,
    size_differences,
)
from emulator.containers.usage import Machine
from emulator.difference import texts
from emulator.entities import DeploymentRequest, Target
from emulator.errors import BadArgument
from emulator.profiles import instance_types, overridden
from emulator.profiles.instance_types import INSTANCE_TYPES, find_instance_type, next_size_up

GIB = 2**30
LARGE = Machine(cpus=256, memory_bytes=4096 * GIB)
LAPTOP = Machine(cpus=4, memory_bytes=16 * GIB)


def asked(instance_type: str | None = None, **changes: Any) -> DeploymentRequest:
    document = {"endpoint_name": "iris", "code": "/src", "scoring_script": "score.py", "instance_type": instance_type}
    return DeploymentRequest.parse({**document, **changes})


def limits(**amounts: Any) -> dict[str, Any]:
    return {"limits": amounts}


# the table


def test_the_examples() -> None:
    assert doctest.testmod(instance_types) == doctest.TestResults(failed=0, attempted=2)


def test_the_table_is_whole() -> None:
    names = [size.name.lower() for size in INSTANCE_TYPES]
    assert len(names) == len(set(names)) == 85
    for size in INSTANCE_TYPES:
        assert size.cpus >= 1
        assert size.memory_gib >= size.cpus * 2, size.name
        assert (size.gpus > 0) == size.family.startswith(("NC", "ND", "NV"))


@pytest.mark.parametrize(
    ("name", "cpus", "memory_gib", "gpus"),
    [
        ("Standard_DS1_v2", 1, 3.5, 0), ("STANDARD_DS3_V2", 4, 14, 0), ("standard_f4s_v2", 4, 8, 0),
        ("Standard_E64s_v3", 64, 432, 0), ("Standard_FX12mds", 12, 252, 0), ("Standard_D96as_v4", 96, 384, 0),
        ("Standard_NC16as_T4_v3", 16, 110, 1), ("Standard_ND96amsr_A100_v4", 96, 1900, 8),
        ("Standard_NV12ads_A10_v5", 12, 110, 1 / 3), ("Standard_L80s_v3", 80, 640, 0),
    ],
)  # fmt: skip
def test_sizes(name: str, cpus: int, memory_gib: float, gpus: float) -> None:
    size = find_instance_type(name)
    assert size is not None
    assert (size.cpus, size.memory_gib, size.gpus) == (cpus, memory_gib, gpus)


def test_the_next_size_up() -> None:
    ups = {size.name: next_size_up(size) for size in INSTANCE_TYPES}
    assert {name: up and up.name for name, up in ups.items() if name.startswith("Standard_DS")} == {
        "Standard_DS1_v2": "Standard_DS2_v2",
        "Standard_DS2_v2": "Standard_DS3_v2",
        "Standard_DS3_v2": "Standard_DS4_v2",
        "Standard_DS4_v2": "Standard_DS5_v2",
        "Standard_DS5_v2": None,
    }
    assert all(up is None or up.memory_gib > (find_instance_type(name) or up).memory_gib for name, up in ups.items())


# what is refused


def test_an_unknown_type_is_refused_with_near_ones() -> None:
    with pytest.raises(BadArgument, match="'Standard_DS3_v3' is not one") as refused:
        check_instance_type(asked("Standard_DS3_v3"), "managed", "deployment blue")
    assert "did you mean Standard_DS3_v2" in refused.value.hint
    assert refused.value.target == "deployment blue"
    with pytest.raises(BadArgument) as refused:
        check_instance_type(asked("?"), "aci", "deployment blue")
    assert refused.value.hint.startswith("such as ")


def test_a_cluster_names_its_types_itself() -> None:
    check_instance_type(asked("gpu-pool"), "kubernetes", "")
    check_instance_type(asked(), "managed", "")


# sizes


@pytest.mark.row("container.size")
@pytest.mark.parametrize("target", ["managed", "kubernetes", "aks", "aci", "local"])
def test_a_container_gets_the_machine_of_its_type(target: Target) -> None:
    assert asked_size(asked("Standard_DS3_v2"), target) == ContainerSize(4.0, 14 * GIB)
    with overridden({target: {"container.size": 0.5}}):
        assert asked_size(asked("Standard_DS3_v2"), target) == ContainerSize(2.0, 7 * GIB)
        assert asked_size(asked(resources=limits(cpu=4, memory="14Gi")), target) == ContainerSize(4.0, 14 * GIB)
    with overridden({target: {"container.size": 3.0}}):
        assert asked_size(asked("Standard_DS3_v2"), target) == ContainerSize(4.0, 14 * GIB)
    with overridden({target: {"container.size": 0.0}}):
        assert asked_size(asked("Standard_DS3_v2"), target) == ContainerSize(0.01, 2**26)


def test_without_a_size_there_is_no_limit() -> None:
    assert not is_sized(asked())
    assert container_size(asked(), "managed", LAPTOP) == ContainerSize()
    assert container_size(asked("gpu-pool"), "kubernetes", LAPTOP) == ContainerSize()
    only_requests = asked(resources={"requests": {"cpu": 1, "memory": "1Gi"}})
    assert container_size(only_requests, "kubernetes", LAPTOP) == ContainerSize()


def test_resources_go_before_the_type() -> None:
    both = asked("Standard_DS3_v2", resources=limits(memory="1Gi"))
    assert asked_size(both, "kubernetes") == ContainerSize(4.0, GIB)


def test_the_machine_is_the_bound() -> None:
    assert container_size(asked("Standard_E64s_v3"), "managed", LAPTOP) == ContainerSize(4.0, 16 * GIB)
    assert container_size(asked("Standard_F2s_v2"), "managed", LAPTOP) == ContainerSize(2.0, 4 * GIB)


# differences


@pytest.mark.parametrize(
    ("deployment", "target", "told"),
    [
        (asked("Standard_DS3_v2"), "managed", []),
        (asked(resources=limits(cpu=2, memory="4Gi")), "kubernetes", []),
        (asked(resources=limits(cpu=2, memory="4Gi")), "aci", []),
        (asked("Standard_DS3_v2"), "local", ["target local has no instance types"]),
        (asked("Standard_DS3_v2"), "kubernetes", ["Standard_DS3_v2 is a virtual machine"]),
        (asked("small"), "kubernetes", ["the size of instance_type small is known to its cluster only"]),
        (asked("defaultinstancetype"), "kubernetes", ["2 CPUs and 2Gi, unless"]),
        (asked("small", resources=limits(cpu=1)), "kubernetes", ["instance_type small is known to its cluster only"]),
        (asked(resources=limits(cpu=1)), "managed", ["target managed takes no resources"]),
        (asked(resources={"requests": {"cpu": 1}}), "kubernetes", ["reserve nothing here"]),
        (asked("Standard_NC4as_T4_v3", gpus="all"), "managed", ["28 GiB, more than this machine: 4 CPUs and 16 GiB"]),
        (asked(resources=limits(cpu=8)), "kubernetes", ["the deployment has 8 CPUs, more than this machine"]),
        (asked("Standard_E2s_v3", instance_count=2), "managed", ["2 instances of 16 GiB are more than the 16 GiB"]),
        (asked(resources={"limits": {"nvidia.com/gpu": 1}}), "kubernetes", ["with --gpus only"]),
        (asked(resources={"limits": {"nvidia.com/gpu": 0}}), "kubernetes", []),
    ],
)
def test_differences(deployment: DeploymentRequest, target: Target, told: list[str]) -> None:
    found = texts(size_differences(deployment, target, LAPTOP))
    assert len(found) == len(told), found
    assert all(part in text for part, text in zip(told, found, strict=True)), found


def test_gpus_that_were_not_asked_for() -> None:
    (told,) = texts(size_differences(asked("Standard_NC4as_T4_v3"), "managed", LARGE))
    assert told == "Standard_NC4as_T4_v3 gives the container GPUs, which it has here with --gpus only"
    assert size_differences(asked("Standard_NC4as_T4_v3", gpus="1"), "managed", LARGE) == []


# hints


@pytest.mark.parametrize(
    ("deployment", "hint"),
    [
        (asked("Standard_DS1_v2"), "the next size up is Standard_DS2_v2 (2 cores, 7 GiB)"),
        (asked("standard_ds5_v2"), "Standard_DS5_v2 is the largest of its family; take an instance type with more"),
        (asked(resources=limits(memory="1Gi")), "raise resources.limits.memory"),
        (asked(), "it had this machine's memory"),
        (asked(environment_variables={"WORKER_COUNT": "4"}), "each of its 4 workers (WORKER_COUNT) has a copy"),
    ],
)
def test_hints(deployment: DeploymentRequest, hint: str) -> None:
    assert hint in more_memory_hint(deployment)


@pytest.mark.parametrize("count", ["1", "0", "", "many", "-3"])
def test_one_worker_is_not_worth_a_word(count: str) -> None:
    assert "worker" not in more_memory_hint(asked(environment_variables={"WORKER_COUNT": count}))
