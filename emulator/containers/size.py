"""How many cores and how much memory a deployment's containers get, and where that departs from the cloud.

Sources: the YAML references of managed (`instance_type`) and Kubernetes deployments (`resources`); row container.size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from emulator.containers.usage import Machine, size_text
from emulator.difference import Difference, differs, fails_in_cloud, only_here
from emulator.entities import ResourceRequirements, Target
from emulator.entities.resources import GPU
from emulator.errors import BadArgument
from emulator.profiles import profile_of
from emulator.profiles.instance_types import InstanceType, find_instance_type, nearest_names, next_size_up
from emulator.secret import Secret

# What the Docker Engine takes at least.
_LEAST_CPUS = 0.01
_LEAST_BYTES = 64 * 2**20
_DEFAULT_CRD = "defaultinstancetype"
_WORKERS_VARIABLE = "WORKER_COUNT"


class Sized(Protocol):
    """What a deployment, or a request for one, says of its size."""

    @property
    def instance_type(self) -> str | None: ...
    @property
    def resources(self) -> ResourceRequirements | None: ...
    @property
    def instance_count(self) -> int: ...
    @property
    def gpus(self) -> str | None: ...
    @property
    def environment_variables(self) -> Mapping[str, Secret]: ...


@dataclass(frozen=True)
class ContainerSize:
    """What a container gets at most; None is no limit but the machine."""

    cpus: float | None = None
    memory_bytes: int | None = None


NO_LIMIT = ContainerSize()

# Of the machine's memory a container leaves so much to all else, unless it is told otherwise.
_RESERVED_SHARE = 8
_RESERVED_BYTES = 512 * 2**20
_LEAST_DISK_BYTES = 10 * 2**30
MOST_PROCESSES = 4096


@dataclass(frozen=True)
class DefaultLimits:
    """What holds a container whose deployment says nothing of it: a script gone wrong must not take the machine.

    `memory_bytes` None is the machine's memory less a reserve; `pids` counts processes and threads.  `disk_bytes` None
    is half of what is free, and no less than honest scripts write; the process engine alone keeps it.  0 is no limit.
    """

    memory_bytes: int | None = None
    pids: int = MOST_PROCESSES
    disk_bytes: int | None = None

    def memory_on(self, machine_bytes: int) -> int | None:
        """Return the limit of each container on a machine with so much memory; None for none.

        >>> DefaultLimits().memory_on(16 * 2**30) // 2**30, DefaultLimits(0).memory_on(16 * 2**30)
        (14, None)
        """
        if self.memory_bytes is None:
            reserve = max(machine_bytes // _RESERVED_SHARE, min(_RESERVED_BYTES, machine_bytes // 2))
            return (machine_bytes - reserve) // 2**20 * 2**20  # the kernel counts in pages
        return min(self.memory_bytes, machine_bytes) or None

    def disk_on(self, free_bytes: int) -> int | None:
        """Return what each container may write where so much of the disk is free; None for no limit.

        >>> DefaultLimits().disk_on(100 * 2**30) // 2**30, DefaultLimits().disk_on(2**30) // 2**30
        (50, 10)
        """
        if self.disk_bytes is None:
            return max(free_bytes // 2, _LEAST_DISK_BYTES)
        return self.disk_bytes or None

    @property
    def pids_limit(self) -> int | None:
        """As engines take it."""
        return self.pids or None


DEFAULT_LIMITS = DefaultLimits()


def check_instance_type(deployment: Sized, target: Target, resource: str) -> None:
    """Raise BadArgument, about `resource`, for an instance type that no cloud has.

    A Kubernetes cluster names its instance types itself, so every name is taken there.
    """
    name = deployment.instance_type
    if name is None or target == "kubernetes" or find_instance_type(name):
        return
    near = nearest_names(name)
    hint = f"did you mean {' or '.join(near)}?" if near else "such as Standard_DS3_v2"
    raise BadArgument(
        f"instance_type '{name}' is not one that managed online endpoints take",
        target=resource,
        hint=f"{hint}; Microsoft's page: Managed online endpoints SKU list",
    )


def is_sized(deployment: Sized) -> bool:
    """Return whether the deployment says how large its containers are."""
    return deployment.instance_type is not None or deployment.resources is not None


def asked_size(deployment: Sized, target: Target) -> ContainerSize:
    """What the deployment's containers get in the cloud: the limits of `resources`, else those of its instance type."""
    limits = deployment.resources or ResourceRequirements()
    size = _type_of(deployment)
    share = min(profile_of(target).container.size_share, 1.0)
    cpus, memory = limits.limit("cpu"), limits.limit("memory")
    if cpus is None and size is not None:
        cpus = size.cpus * share
    if memory is None and size is not None:
        memory = max(size.memory_bytes * share, _LEAST_BYTES)
    return ContainerSize(
        None if cpus is None else max(cpus, _LEAST_CPUS),
        None if memory is None else int(memory),
    )


def container_size(deployment: Sized, target: Target, machine: Machine) -> ContainerSize:
    """Return what the deployment's containers get here: no more than the machine has."""
    asked = asked_size(deployment, target)
    return ContainerSize(
        None if asked.cpus is None else min(asked.cpus, float(machine.cpus)),
        None if asked.memory_bytes is None else min(asked.memory_bytes, machine.memory_bytes),
    )


def size_differences(deployment: Sized, target: Target, machine: Machine) -> list[Difference]:
    """Return where the size departs from what the target's cloud would give."""
    found = [*_type_differences(deployment, target), *_gpu_differences(deployment)]
    asked = asked_size(deployment, target)
    if (asked.cpus or 0) > machine.cpus or (asked.memory_bytes or 0) > machine.memory_bytes:
        text = f"{_of_size(deployment, asked)}, more than this machine: {_text(machine)} are the limit here"
        found.append(only_here("size.larger_than_machine", text))
    elif deployment.instance_count * (asked.memory_bytes or 0) > machine.memory_bytes:
        text = (
            f"{deployment.instance_count} instances of {size_text(asked.memory_bytes or 0)} are more than the"
            f" {size_text(machine.memory_bytes)} of this machine, which they share here"
        )
        found.append(only_here("size.instances_share_memory", text))
    if deployment.resources and deployment.resources.requests and not deployment.resources.limits:
        text = (
            "resources.requests reserve nothing here: without limits a container has the default ones, as doctor says"
        )
        found.append(differs("size.requests_reserve_nothing", text))
    return found


def _type_differences(deployment: Sized, target: Target) -> list[Difference]:
    name, found = deployment.instance_type, list[Difference]()
    if name is not None and _type_of(deployment) is None:
        text = f"the size of instance_type {name} is known to its cluster only: resources say it here"
        if name == _DEFAULT_CRD:
            text += " (its limits are 2 CPUs and 2Gi, unless the cluster's owner has changed them)"
        if deployment.resources is not None:
            text = f"instance_type {name} is known to its cluster only"
        found.append(differs("size.unknown_instance_type", text))
    elif name is not None and target == "kubernetes":
        text = f"{name} is a virtual machine; Kubernetes deployments name an instance type of their cluster"
        found.append(fails_in_cloud("size.virtual_machine_on_kubernetes", text))
    elif name is not None and target != "managed":
        text = f"target {target} has no instance types; the container is as large as a {name} here"
        found.append(fails_in_cloud("size.instance_type_not_in_target", text))
    if deployment.resources is not None and target in ("managed", "local"):
        text = f"target {target} takes no resources; they limit the container here"
        found.append(fails_in_cloud("size.resources_not_in_target", text))
    return found


def _gpu_differences(deployment: Sized) -> list[Difference]:
    size = _type_of(deployment)
    limits = deployment.resources or ResourceRequirements()
    if deployment.gpus is not None or not ((size and size.gpus) or limits.limit(GPU)):
        return []
    what = deployment.instance_type if size and size.gpus else f"resources.limits.{GPU}"
    return [differs("size.gpus", f"{what} gives the container GPUs, which it has here with --gpus only")]


def _of_size(deployment: Sized, asked: ContainerSize) -> str:
    given = [f"{asked.cpus:g} CPUs" if asked.cpus else "", size_text(asked.memory_bytes) if asked.memory_bytes else ""]
    return f"{deployment.instance_type or 'the deployment'} has {' and '.join(filter(None, given))}"


def _text(machine: Machine) -> str:
    return f"{machine.cpus} CPUs and {size_text(machine.memory_bytes)}"


def _type_of(deployment: Sized) -> InstanceType | None:
    return find_instance_type(deployment.instance_type) if deployment.instance_type else None


def workers(deployment: Sized) -> int:
    """Return how many processes of a container load the model: WORKER_COUNT, unless WORKER_PRELOAD."""
    text = deployment.environment_variables.get(_WORKERS_VARIABLE, Secret("")).reveal()
    return max(1, int(text)) if text.isdecimal() else 1


def more_memory_hint(deployment: Sized, *, by_default: bool = False) -> str:
    """Return the advice for a container that ran out of memory; `by_default`: the user set no limit."""
    count = workers(deployment)
    copies = f"; each of its {count} workers (WORKER_COUNT) has a copy of the model" if count > 1 else ""
    return _more_memory(deployment, by_default=by_default) + copies


def _more_memory(deployment: Sized, *, by_default: bool) -> str:
    if deployment.resources is not None and deployment.resources.limit("memory"):
        return "raise resources.limits.memory"
    size = _type_of(deployment)
    if size is None and by_default:
        return "the limit is this machine's default for every container: AMLEMU_CONTAINER_MEMORY sets another one"
    if size is None:
        return "it had this machine's memory; free some, or load less in init()"
    larger = next_size_up(size)
    if larger is None:
        return f"{size.name} is the largest of its family; take an instance type with more memory"
    return f"the next size up is {larger.name} ({larger.cpus} cores, {size_text(larger.memory_bytes)})"
