"""Waiting for containers: returns the moment the probe passes, and at once when one dies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from emulator.diagnosis import Cause, explain
from emulator.engines import Container, Engine
from emulator.environments import MLFLOW_FOLDER
from emulator.errors import EmulatorError, OperationCanceled, OperationTimedOut, ResourceNotFound, ResourceNotReady
from emulator.scoring_container import APP_ROOT
from emulator.workspace.effects import Effects, Progress

POLL_SECONDS = 0.05
_TAIL_LINES = 25
_LOG_LINES = 5000


def wait_until_ready(
    engine: Engine,
    containers: Sequence[Container],
    budget_seconds: float,
    effects: Effects,
    progress: Progress,
    layout: str,
    is_ready: Callable[[Container], bool],
) -> None:
    """Return when every container `is_ready`, which asks once; `layout` is the host folder that holds their code.

    Raises ResourceNotReady as soon as one has died, OperationTimedOut after `budget_seconds`, OperationCanceled.
    """
    deadline = effects.monotonic() + budget_seconds
    waiting = list(containers)
    while waiting:
        if progress.canceled.is_set():
            raise OperationCanceled("the deployment was interrupted while its container started")
        waiting = [container for container in waiting if not is_ready(container)]
        for container in waiting:
            _check_alive(engine, container, layout)
        if waiting and effects.monotonic() > deadline:
            raise _too_slow(engine, waiting[0], budget_seconds)
        if waiting:
            effects.sleep(POLL_SECONDS)
    for container in containers if len(containers) > 1 else ():  # one may have died while another became ready
        _check_alive(engine, container, layout)


def _check_alive(engine: Engine, container: Container, layout: str) -> None:
    try:
        state = engine.inspect(container.id)
    except ResourceNotFound as error:
        raise ResourceNotReady("the container was removed while it started", target=container.name) from error
    if not state.running:
        raise why_it_died(read_log(engine, container), state, layout, " before it answered")


def why_it_died(log: Sequence[str], container: Container, layout: str, when: str = "") -> ResourceNotReady:
    """What a dead container's log says about its end; without a word of it, the exit code and `when` that was."""
    cause = explain("\n".join(log), (APP_ROOT, layout, MLFLOW_FOLDER))
    if container.oom_killed:
        message = "the container was killed because it ran out of memory"
    elif cause:
        message = str(cause)
    else:
        message = f"the container exited with code {container.exit_code}{when}"
    return ResourceNotReady(message, hint=_hint(cause), log_tail=tail_of(log))


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


def _too_slow(engine: Engine, container: Container, budget_seconds: float) -> EmulatorError:
    tail = tail_of(read_log(engine, container))
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
