"""Handle dead and unhealthy containers: find the cause, kill, restart, and save the deployment's state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from emulator.containers.spec import LABEL_GENERATION
from emulator.diagnosis import Deployed
from emulator.engines import Container
from emulator.entities import Model, OnlineDeployment
from emulator.errors import EmulatorError, ResourceNotReady, from_dict
from emulator.workspace.assets.models import Models
from emulator.workspace.core import Core
from emulator.workspace.endpoints import Endpoints
from emulator.workspace.health.instance_state import CRASH_LOOP_TARGET, MonitoredInstance, is_crash_loop
from emulator.workspace.running.generations import Generations
from emulator.workspace.running.out_of_memory import memory_of
from emulator.workspace.running.readiness import read_log, tail_of, why_it_died

_STARTED_AGAIN = "it is started again with longer and longer waits"
_NOT_STARTED_AGAIN = "nothing starts it again"


class Crashes:
    """The actions of `Health`; each waits for the operation on its endpoint, and then checks the state again."""

    def __init__(self, core: Core, models: Models, endpoints: Endpoints, generations: Generations) -> None:
        self._core = core
        self._models = models
        self._endpoints = endpoints
        self._generations = generations

    def belongs(self, container: Container, deployment: OnlineDeployment) -> bool:
        """Return whether the container belongs to the generation of the document."""
        return container.labels.get(LABEL_GENERATION) == str(deployment.generation)

    def started_at(self, container: Container, now: float) -> float:
        """Return when the container was started; `now` for one of an earlier emulator."""
        started = self._generations.started_at(container.id)
        return now if started is None else started

    def why(self, watched: MonitoredInstance, unhealthy: str) -> EmulatorError:
        """Return why the container died; its log is kept until the next container has replaced it."""
        log = read_log(self._core.engine, watched.container)
        deployment = watched.deployment
        if self._current(watched):
            with suppress(OSError):
                self._core.store.logs.keep_container(deployment.endpoint_name, deployment.name, log)
        if unhealthy:
            return ResourceNotReady(unhealthy, log_tail=tail_of(log))
        try:
            state = self._core.engine.inspect(watched.container.id)
        except EmulatorError:
            return ResourceNotReady("the container was removed from outside", log_tail=tail_of(log))
        if state.stopped_because:
            self._core.events.stopped(watched.container, state.stopped_because)
        memory = memory_of(deployment, self._core.engine)
        return why_it_died(log, state, self.facts(deployment), memory)

    def facts(self, deployment: OnlineDeployment) -> Deployed:
        """Return what explanations need of the deployment; without its models where they cannot be read."""
        models: Sequence[Model] = ()
        with suppress(EmulatorError):
            models = self._models.of_deployment(deployment)
        return self._generations.facts(deployment, models)

    def kill(self, watched: MonitoredInstance) -> None:
        """Kill a container that failed its liveness probe."""
        self._core.events.killing(watched.container, unhealthy=True)
        with suppress(EmulatorError):  # then the next container of that name replaces it
            self._core.engine.remove(watched.container.id, grace_seconds=float(watched.profile.kill_grace_seconds))

    def start_again(
        self,
        dead: MonitoredInstance,
        take_over: Callable[[MonitoredInstance, Container], None],
        unwanted: Callable[[], bool],
    ) -> None:
        """Restart the instance from the same layout, unless the deployment was replaced or deleted."""
        endpoint = dead.deployment.endpoint_name
        with self._core.prune_lock.work(), self._endpoints.hold(endpoint, restoring=True):
            deployment = self._current(dead)
            if deployment is None or unwanted():
                return
            models = self._models.of_deployment(deployment)
            take_over(dead, self._generations.start_again(deployment, models, dead.container))

    def save_failed(self, watched: MonitoredInstance, error: EmulatorError) -> None:
        """Save the deployment as Failed, with the cloud's code for a crash loop and the last cause."""
        profile = watched.profile
        again = _STARTED_AGAIN if profile.run else _NOT_STARTED_AGAIN
        deployment = watched.deployment
        logs = f"`amlemu logs {deployment.endpoint_name} --deployment {deployment.name}` shows its last words"
        told = error.to_dict() | {
            "code": profile.crash_loop_code,
            "message": profile.crash_loop_message.format(reason=error.message),
            "target": CRASH_LOOP_TARGET + watched.container.name,
            "hint": f"{again}; {error.hint or logs}",
        }
        with self._endpoints.hold(deployment.endpoint_name, restoring=True):
            current = self._current(watched)
            if current:
                failed = {"provisioning_state": "Failed", "error": from_dict(told).to_dict()}
                self._core.store.put_deployment(current.model_copy(update=failed))

    def save_recovered(self, watched: MonitoredInstance) -> None:
        """Save the deployment as Succeeded, unless it has another error by now."""
        deployment = watched.deployment
        with self._endpoints.hold(deployment.endpoint_name, restoring=True):
            current = self._current(watched)
            if current:
                self._core.store.logs.forget_container(deployment.endpoint_name, deployment.name)
            if current and is_crash_loop(current):
                self._core.store.put_deployment(
                    current.model_copy(update={"provisioning_state": "Succeeded", "error": None})
                )

    def _current(self, watched: MonitoredInstance) -> OnlineDeployment | None:
        """Return the stored deployment, None when the container does not serve it any longer."""
        endpoint, name = watched.deployment.endpoint_name, watched.deployment.name
        serving = {container.id for container in self._endpoints.running(endpoint, name)}
        deployment = self._core.store.find_deployment(endpoint, name)
        if deployment is None or watched.container.id not in serving:
            return None
        return deployment if self.belongs(watched.container, deployment) else None
