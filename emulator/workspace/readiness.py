"""Waiting for containers: returns the moment the probe passes, and at once when one dies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from emulator.diagnosis import Cause, Stage, explain
from emulator.engines import Container, Engine
from emulator.environments import MLFLOW_FOLDER
from emulator.errors import (
    EmulatorError,
    OperationCanceled,
    OperationTimedOut,
    ResourceNotFound,
    ResourceNotReady,
    with_code,
)
from emulator.profiles import profile_of
from emulator.scoring_container import APP_ROOT
from emulator.workspace.effects import Progress
from emulator.workspace.out_of_memory import Memory, peak_bytes
from emulator.workspace.polling import Polling
from emulator.workspace.start_probe import StartProbe

_MEMORY_LOOK_SECONDS = 1.0
_TAIL_LINES = 25
_OTHER_MACHINE = "its image is made for another kind of machine: name the one that there is with --platform"
_WRITE_LESS = "remove what is not needed any more, or set AMLEMU_CONTAINER_DISK; `amlemu doctor` shows the limit"
_LOG_LINES = 5000


def wait_until_ready(
    engine: Engine,
    containers: Sequence[Container],
    budget_seconds: float,
    polling: Polling,
    progress: Progress,
    layout: str,
    memory: Memory,
    probe: StartProbe,
) -> None:
    """Return when every container passes `probe`, which asks once; `layout` is the host folder that holds their code.

    Raises ResourceNotReady, with the target's own code, as soon as one has died, what `memory` says of one that ran out
    of it, OperationTimedOut after `budget_seconds`, OperationCanceled.
    """
    deadline = polling.monotonic() + budget_seconds
    look_at = polling.monotonic() + _MEMORY_LOOK_SECONDS
    waiting = list(containers)
    while waiting:
        if progress.canceled.is_set():
            raise OperationCanceled("the deployment was interrupted while its container started")
        waiting = [container for container in waiting if not probe.passes(container)]
        for container in waiting:
            _check_alive(engine, container, layout, memory)
        over = polling.monotonic() > deadline
        if waiting and (over or polling.monotonic() >= look_at):
            look_at = polling.monotonic() + _MEMORY_LOOK_SECONDS
            _check_memory(engine, waiting, memory, 1 if over else memory.most_kills)
        if waiting and over:
            raise _too_slow(engine, waiting[0], budget_seconds, probe.why_not(waiting[0]))
        if waiting:
            polling.pause()
    for container in containers if len(containers) > 1 else ():  # one may have died while another became ready
        _check_alive(engine, container, layout, memory)


def _check_memory(engine: Engine, waiting: Iterable[Container], memory: Memory, most: int) -> None:
    """A worker that is killed in init() leaves a container that runs, and never answers."""
    kills = engine.oom_kills()
    for container in waiting:
        if kills.get(container.id, 0) >= most:
            what = f"a worker of the scoring server ({kills[container.id]} times)"
            raise memory.error(what, tail_of(read_log(engine, container)), peak_bytes(engine, container))


def _check_alive(engine: Engine, container: Container, layout: str, memory: Memory) -> None:
    codes = profile_of(memory.deployment.target).start
    try:
        state = engine.inspect(container.id)
    except ResourceNotFound as error:
        removed = ResourceNotReady("the container was removed while it started", target=container.name)
        raise with_code(removed, codes.crashed_code) from error
    if not state.running:
        log = read_log(engine, container)
        told = why_it_died(log, state, layout, memory, " before it answered")
        raise told if state.oom_killed else with_code(told, codes.code_of(_stage_of(log, layout)))


def _stage_of(log: Sequence[str], layout: str) -> Stage:
    cause = _cause_of(log, layout)
    return cause.stage if cause else "other"


def _cause_of(log: Sequence[str], layout: str) -> Cause | None:
    return explain("\n".join(log), (APP_ROOT, layout, MLFLOW_FOLDER))


def why_it_died(log: Sequence[str], container: Container, layout: str, memory: Memory, when: str = "") -> EmulatorError:
    """What a dead container's log says about its end; without a word of it, the exit code and `when` that was."""
    if container.oom_killed:
        return memory.error("the container", tail_of(log))
    if container.stopped_because:
        message = f"the container was stopped: {container.stopped_because}"
        return ResourceNotReady(message, hint=_WRITE_LESS, log_tail=tail_of(log))
    cause = _cause_of(log, layout)
    message = str(cause) if cause else f"the container exited with code {container.exit_code}{when}"
    hint = _hint(cause) or (_OTHER_MACHINE if any("exec format error" in line for line in log) else "")
    return ResourceNotReady(message, hint=hint, log_tail=tail_of(log))


def tail_of(log: Sequence[str]) -> str:
    """The end of a log, as errors carry it."""
    return "\n".join(log[-_TAIL_LINES:])


def _hint(cause: Cause | None) -> str:
    if cause is None:
        return ""
    if "azureml-inference-server-http" in cause.exception:
        return "add azureml-inference-server-http (or azureml-defaults) to the environment's packages"
    if cause.exception.startswith("ModuleNotFoundError"):
        return "add the package to the environment, or the file to the code folder"
    if "No such file or directory" in cause.exception:
        return "`amlemu tree ENDPOINT` prints the files as the script sees them"
    return ""


def _too_slow(engine: Engine, container: Container, budget_seconds: float, answer: str) -> EmulatorError:
    tail = tail_of(read_log(engine, container))
    if answer:
        message = f"the container did not pass its probes within {budget_seconds:.0f} s. {answer}"
        return ResourceNotReady(message, hint="`amlemu logs` shows what it says", log_tail=tail)
    return OperationTimedOut(
        f"the scoring server did not answer its probe within {budget_seconds:.0f} s, the liveness probe's budget",
        hint="init() may be slow or stuck; the cloud would kill this container too",
        log_tail=tail,
    )


def read_log(engine: Engine, container: Container) -> list[str]:
    """The container's log, or nothing when it is gone."""
    try:
        return list(_lines(engine, container))
    except EmulatorError:
        return []


def _lines(engine: Engine, container: Container) -> Iterable[str]:
    return engine.logs(container.id, tail=_LOG_LINES)
