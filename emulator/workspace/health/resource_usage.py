"""Measure on request what instances use, as percentages of what they have."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from emulator.containers.size import ContainerSize, container_size
from emulator.containers.usage import Gpu, Machine, Reading, Usage, visible_gpus
from emulator.engines import Container
from emulator.entities import OnlineDeployment
from emulator.errors import EmulatorError
from emulator.workspace.core import Core
from emulator.workspace.endpoints import Endpoints
from emulator.workspace.running.generations import Generations

# Rates need at least that long between two readings, also with several clients.
_SHORTEST_SECONDS = 1.0


@dataclass(frozen=True)
class GpuUsage:
    """The GPUs of an instance: means in percent, and joules since the last reading, None where not counted."""

    utilization_percent: float
    memory_percent: float
    energy_joules: float | None


@dataclass(frozen=True)
class InstanceUsage:
    """Usage in percent of an instance's limits; `cpu_percent` is the mean since the last reading, or its start."""

    endpoint: str
    deployment: str
    instance: str
    cpu_percent: float | None
    memory_percent: float
    disk_percent: float | None
    gpu: GpuUsage | None


class ResourceUsage:
    """Measures instances, and remembers the last readings for rates."""

    def __init__(self, core: Core, endpoints: Endpoints, generations: Generations) -> None:
        self._core = core
        self._endpoints = endpoints
        self._generations = generations
        self._before: dict[str, tuple[Reading | None, Reading]] = {}
        self._lock = threading.Lock()

    def measure(self) -> list[InstanceUsage]:
        """Return the usage of all running instances; nothing while the engine is unavailable."""
        serving = list(self._serving())
        try:
            machine = self._core.engine.machine()
            usage = self._core.engine.usage([container.id for _, container in serving]) if serving else {}
        except EmulatorError:
            return []
        now = self._core.effects.monotonic()
        gpus = self._core.effects.gpus() if any(deployment.gpus for deployment, _ in serving) else ()
        with self._lock:
            found = [self._of(d, c, usage[c.id], machine, gpus, now) for d, c in serving if c.id in usage]
            known = usage.keys() | {f"{id} energy" for id in usage}
            self._before = {key: readings for key, readings in self._before.items() if key in known}
        return found

    def _serving(self) -> Iterator[tuple[OnlineDeployment, Container]]:
        for (endpoint, name), containers in sorted(self._endpoints.all_running().items()):
            deployment = self._core.store.readable_deployment(endpoint, name)
            if deployment:
                yield from ((deployment, container) for container in containers)

    def _of(
        self,
        deployment: OnlineDeployment,
        container: Container,
        usage: Usage,
        machine: Machine,
        gpus: tuple[Gpu, ...],
        now: float,
    ) -> InstanceUsage:
        size = container_size(deployment, deployment.target, machine)
        rate = self._rate(container.id, Reading(now, usage.cpu_seconds))
        memory = usage.memory_limit_bytes or size.memory_bytes or machine.memory_bytes
        return InstanceUsage(
            deployment.endpoint_name,
            deployment.name,
            container.name,
            None if rate is None else 100.0 * rate / _cpus(size, machine),
            100.0 * usage.memory_bytes / memory,
            usage.disk_percent,
            self._gpu_use(container.id, visible_gpus(deployment.gpus, gpus), now) if deployment.gpus else None,
        )

    def _rate(self, container_id: str, reading: Reading) -> float | None:
        """Return the rate since the last reading or the start; None for a container of an earlier emulator."""
        started = self._generations.started_at(container_id)
        since_start = None if started is None else Reading(started, 0.0)
        before = self._remembered(container_id, reading) or since_start
        return None if before is None else reading.rate_since(before)

    def _remembered(self, key: str, reading: Reading) -> Reading | None:
        """Return the last reading that is old enough, and keep this one for the next time."""
        older, newer = self._before.get(key, (None, None))
        if newer is None or reading.at - newer.at >= _SHORTEST_SECONDS:
            self._before[key] = (newer, reading)
            return newer
        return older

    def _gpu_use(self, container_id: str, gpus: tuple[Gpu, ...], now: float) -> GpuUsage | None:
        if not gpus:
            return None
        energy = None
        counts = [gpu.energy_joules for gpu in gpus]
        total = _sum_of_all(counts)
        if total is not None:
            before = self._remembered(f"{container_id} energy", Reading(now, total))
            energy = max(0.0, total - before.count) if before else None
        return GpuUsage(
            sum(gpu.utilization_percent for gpu in gpus) / len(gpus),
            sum(gpu.memory_percent for gpu in gpus) / len(gpus),
            energy,
        )


def _cpus(size: ContainerSize, machine: Machine) -> float:
    return size.cpus or float(machine.cpus)


def _sum_of_all(counts: Iterable[float | None]) -> float | None:
    """Return the sum, None unless every count is known."""
    total = 0.0
    for count in counts:
        if count is None:
            return None
        total += count
    return total
