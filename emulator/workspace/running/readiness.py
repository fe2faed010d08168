"""Wait for starting containers: until their probes pass, or one dies."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal

from emulator.containers.spec import probe_route
from emulator.diagnosis import (
    Deployed,
    Explanation,
    Stage,
    explain_crashes,
    explain_exit,
    explain_slow_start,
    explain_start,
    worker_ends,
)
from emulator.engines import Container, Engine
from emulator.entities import OnlineDeployment, Route
from emulator.entities.probing import ProbeAnswer
from emulator.errors import (
    EmulatorError,
    OperationCanceled,
    OperationTimedOut,
    ResourceNotFound,
    ResourceNotReady,
    with_code,
)
from emulator.profiles import profile_of
from emulator.workspace.effects import Progress
from emulator.workspace.running.out_of_memory import Memory, peak_bytes

Facts = Callable[[], Deployed]
"""Reads what explanations need of the deployment, on demand: that reads the whole layout."""

Probe = Callable[[Container, str, float, Mapping[str, str]], ProbeAnswer]

_LOOK_SECONDS = 1.0
_TAIL_LINES = 25
_OTHER_MACHINE = "its image is made for another kind of machine: name the one that there is with --platform"
_WRITE_LESS = "write fewer files, or set AMLEMU_CONTAINER_DISK; `amlemu doctor` shows the limit"
_LOG_LINES = 5000
POLL_SECONDS = 0.05
# Each poll is a probe and a call to the engine, which take CPU time from the starting servers.
_AT_FULL_PACE = 5
_PROBE_TIMEOUT_SECONDS = 2.0
_KINDS: tuple[Literal["readiness", "liveness"], ...] = ("readiness", "liveness")
_NEEDS_ROUTES = "; an image that answers elsewhere needs inference_config in its environment, here as in the cloud"


class Polling:
    """The clock and the shared polling pace of all starts of one emulator."""

    def __init__(self, monotonic: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self.monotonic = monotonic
        self._sleep = sleep
        self._waiting = 0
        self._lock = threading.Lock()

    @contextmanager
    def waiting_for(self, containers: int) -> Iterator[None]:
        """Count that many containers as starting."""
        self._change(containers)
        try:
            yield
        finally:
            self._change(-containers)

    def pause(self) -> None:
        """Wait until the next poll is due."""
        with self._lock:
            seconds = POLL_SECONDS * max(1.0, self._waiting / _AT_FULL_PACE)
        self._sleep(seconds)

    def _change(self, containers: int) -> None:
        with self._lock:
            self._waiting += containers


class StartProbe:
    """Probes each of a deployment's routes once: a start succeeds when all pass (row custom.probes).

    A container whose liveness route fails would be killed soon (row custom.probes).
    """

    def __init__(self, deployment: OnlineDeployment, probe: Probe) -> None:
        self._deployment = deployment
        self._routes = list(dict.fromkeys((r.port, r.path) for r in (probe_route(deployment, k) for k in _KINDS)))
        self._probe = probe
        self._headers = profile_of(deployment.target).probes.headers
        self._passing_status = profile_of(deployment.target).probes.passing_status
        self._failed: dict[str, tuple[Route, ProbeAnswer]] = {}

    def passes(self, container: Container) -> bool:
        """Return whether the container passes all probes now."""
        for port, path in self._routes:
            answer = self._probe(container.at(port), path, _PROBE_TIMEOUT_SECONDS, self._headers)
            if not answer.passes(self._passing_status):
                self._failed[container.id] = (Route(port=port, path=path), answer)
                return False
        return True

    def why_not(self, container: Container) -> str:
        """Return the last failed probe of a custom container and its response; '' for amlemu's own images."""
        if not self._deployment.own_command or container.id not in self._failed:
            return ""
        route, answer = self._failed[container.id]
        elsewhere = "" if self._deployment.inference_config else _NEEDS_ROUTES
        return f"GET {route.path} on its port {route.port}: {answer}{elsewhere}"


def wait_until_ready(
    engine: Engine,
    containers: Sequence[Container],
    budget_seconds: float,
    polling: Polling,
    progress: Progress,
    facts: Facts,
    memory: Memory,
    probe: StartProbe,
) -> None:
    """Return when every container passes `probe`.

    Raises ResourceNotReady, with the target's own code, as soon as one has died or its workers keep crashing, the error
    of `memory` for one that ran out of it, OperationTimedOut after `budget_seconds`, OperationCanceled.
    """
    deadline = polling.monotonic() + budget_seconds
    look_at = polling.monotonic() + _LOOK_SECONDS
    waiting = list(containers)
    while waiting:
        if progress.canceled.is_set():
            raise OperationCanceled("the deployment was interrupted while its container started")
        waiting = [container for container in waiting if not probe.passes(container)]
        for container in waiting:
            _check_alive(engine, container, facts, memory)
        over = polling.monotonic() > deadline
        if waiting and (over or polling.monotonic() >= look_at):
            look_at = polling.monotonic() + _LOOK_SECONDS
            most = 1 if over else memory.most_kills
            _check_memory(engine, waiting, memory, most)
            _check_workers(engine, waiting, facts, memory, most)
        if waiting and over:
            raise _too_slow(engine, waiting[0], budget_seconds, probe.why_not(waiting[0]), facts, memory)
        if waiting:
            polling.pause()
    for container in containers if len(containers) > 1 else ():  # one may have died while others became ready
        _check_alive(engine, container, facts, memory)


def _check_workers(engine: Engine, waiting: Iterable[Container], facts: Facts, memory: Memory, most: int) -> None:
    """Raise for workers that crash again and again: the server restarts them and never responds."""
    for container in waiting:
        log = read_log(engine, container)
        if worker_ends(log, memory.workers, ()).count >= most:
            deployed = facts()
            told = explain_crashes(worker_ends(log, memory.workers, deployed.code_roots), deployed)
            crashed = ResourceNotReady(str(told), hint=told.hint, log_tail=tail_of(log))
            raise with_code(crashed, profile_of(memory.deployment.target).start.crashed_code)


def _check_memory(engine: Engine, waiting: Iterable[Container], memory: Memory, most: int) -> None:
    """Raise for workers that are killed for lack of memory: the container runs on and never responds."""
    kills = engine.oom_kills()
    for container in waiting:
        if kills.get(container.id, 0) >= most:
            what = f"a worker of the scoring server ({kills[container.id]} times)"
            raise memory.error(what, tail_of(read_log(engine, container)), peak_bytes(engine, container))


def _check_alive(engine: Engine, container: Container, facts: Facts, memory: Memory) -> None:
    codes = profile_of(memory.deployment.target).start
    try:
        state = engine.inspect(container.id)
    except ResourceNotFound as error:
        removed = ResourceNotReady("the container was removed while it started", target=container.name)
        raise with_code(removed, codes.crashed_code) from error
    if not state.running:
        log = read_log(engine, container)
        told, stage = _of_dead(log, state, facts(), memory, " before it answered")
        raise told if state.oom_killed else with_code(told, codes.code_of(stage))


def why_it_died(log: Sequence[str], container: Container, deployed: Deployed, memory: Memory) -> EmulatorError:
    """Return why a container died, by its log or else by its exit code."""
    return _of_dead(log, container, deployed, memory, "")[0]


def _of_dead(
    log: Sequence[str], container: Container, deployed: Deployed, memory: Memory, when: str
) -> tuple[EmulatorError, Stage]:
    if container.oom_killed:
        return memory.error("the container", tail_of(log)), "other"
    if container.stopped_because:
        message = f"the container was stopped: {container.stopped_because}"
        return ResourceNotReady(message, hint=_WRITE_LESS, log_tail=tail_of(log)), "other"
    told = explain_start(log, deployed) or _of_exit(log, container, when, deployed)
    return ResourceNotReady(str(told), hint=told.hint, log_tail=tail_of(log)), told.stage


def _of_exit(log: Sequence[str], container: Container, when: str, deployed: Deployed) -> Explanation:
    told = explain_exit(container.exit_code or 0, when, deployed)
    is_of_another_machine = any("exec format error" in line for line in log)
    return replace(told, hint=_OTHER_MACHINE) if is_of_another_machine else told


def tail_of(log: Sequence[str]) -> str:
    """Return the end of a log, for an error."""
    return "\n".join(log[-_TAIL_LINES:])


def _too_slow(
    engine: Engine, container: Container, budget_seconds: float, answer: str, facts: Facts, memory: Memory
) -> EmulatorError:
    log = read_log(engine, container)
    tail, deployed = tail_of(log), facts()
    if answer:
        message = f"the container did not pass its probes within {budget_seconds:.0f} s. {answer}"
        return ResourceNotReady(message, hint=f"{deployed.command('logs')} shows what it says", log_tail=tail)
    probe = memory.deployment.liveness_probe
    counted = f"period {probe.period} * failure_threshold {probe.failure_threshold}"
    suggested = probe.budget_seconds + probe.initial_delay
    told = explain_slow_start(
        log, deployed, budget_seconds, f"initial_delay {probe.initial_delay} + {counted}", suggested
    )
    return OperationTimedOut(str(told), hint=told.hint, log_tail=tail)


def read_log(engine: Engine, container: Container) -> list[str]:
    """Return the container's log, empty if the container is gone."""
    try:
        return list(_lines(engine, container))
    except EmulatorError:
        return []


def _lines(engine: Engine, container: Container) -> Iterable[str]:
    return engine.logs(container.id, tail=_LOG_LINES)
