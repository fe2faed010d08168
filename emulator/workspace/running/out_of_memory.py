"""Containers that ran out of memory: the error, and how killed workers are noticed.

The scoring server has a process for each worker.  When memory is used up the kernel kills the largest process, which is
a worker: its callers get no answer, the server starts another one, and the container goes on as if nothing had been.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from emulator.containers.size import container_size, is_sized, more_memory_hint, workers
from emulator.containers.usage import size_text
from emulator.engines import Container, Engine
from emulator.entities import OnlineDeployment
from emulator.errors import EmulatorError, from_dict
from emulator.profiles import profile_of
from emulator.workspace.running.events import Events

# A worker that is killed in init() is restarted and killed again until the time-out.
_KILLS_OF_A_WORKER = 3


@dataclass(frozen=True)
class Memory:
    """The memory limit of a deployment's containers; `limit_bytes` is None without a limit.

    `is_default` marks a limit that the deployment does not set itself.
    """

    deployment: OnlineDeployment
    limit_bytes: int | None
    is_default: bool = False

    @property
    def limit_text(self) -> str:
        """Return the limit as text."""
        return size_text(self.limit_bytes) if self.limit_bytes else "none"

    @property
    def workers(self) -> int:
        """Return how many workers the scoring server has."""
        return workers(self.deployment)

    @property
    def most_kills(self) -> int:
        """Return after how many kills a start has failed."""
        return _KILLS_OF_A_WORKER * self.workers

    def error(self, what: str, log_tail: str, peak_bytes: int | None = None) -> EmulatorError:
        """Return the error that `what` was killed (row deployment.out_of_memory_code)."""
        default = ", as for every container without one of its own" if self.is_default else ""
        limit = f"its limit is {self.limit_text}{default}" if self.limit_bytes else "it has no limit of its own"
        peak = f", and its peak was {size_text(peak_bytes)}" if peak_bytes else ""
        code = profile_of(self.deployment.target).probes.out_of_memory_code
        message = f"{what} was killed because it ran out of memory: {limit}{peak}"
        hint = more_memory_hint(self.deployment, by_default=self.is_default)
        told = {"code": code, "message": message, "hint": hint, "log_tail": log_tail}
        return from_dict(told)


def memory_of(deployment: OnlineDeployment, engine: Engine) -> Memory:
    """Return the memory limit of the deployment's containers on that engine."""
    machine = engine.machine()
    if is_sized(deployment):
        asked = container_size(deployment, deployment.target, machine).memory_bytes
        if asked is not None:
            return Memory(deployment, asked)
    return Memory(deployment, machine.container_bytes, is_default=machine.container_bytes is not None)


def peak_bytes(engine: Engine, container: Container) -> int | None:
    """Return a container's peak memory, None if the engine does not know it."""
    with suppress(EmulatorError):
        usage = engine.usage([container.id]).get(container.id)
        return usage.memory_peak_bytes if usage else None
    return None


class MemoryKills:
    """Notices out-of-memory kills in serving containers, and writes them to the event log."""

    def __init__(self, engine: Engine, events: Events) -> None:
        self._engine = engine
        self._events = events
        self._told: dict[str, int] = {}
        self._lock = threading.Lock()

    def look(self, serving: Iterable[tuple[OnlineDeployment, Container]]) -> None:
        """Log each new kill once; nothing while the engine is unavailable."""
        with suppress(EmulatorError):
            kills = self._engine.oom_kills()
            for deployment, container in serving:
                for _ in range(self._new(container.id, kills.get(container.id, 0))):
                    self._events.out_of_memory(container, memory_of(deployment, self._engine).limit_text)

    def count(self, container_id: str) -> int:
        """Return how many kills the container had at the last look."""
        with self._lock:
            return self._told.get(container_id, 0)

    def _new(self, container_id: str, kills: int) -> int:
        """Return how many of the kills are not logged yet."""
        with self._lock:
            told = self._told.get(container_id, 0)
            if kills > told:
                self._told[container_id] = kills
            return max(0, kills - told)
