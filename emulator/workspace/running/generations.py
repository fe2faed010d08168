"""The containers and the layout of one generation of a deployment: started, retired, removed."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

from emulator.containers.size import NO_LIMIT, container_size, is_sized
from emulator.containers.spec import (
    APP_ROOT,
    LABEL_INSTANCE,
    ContainerSpec,
    container_specs,
    model_mount,
    models_folder,
    path_at_mount,
    platform_variables,
)
from emulator.diagnosis import Deployed
from emulator.engines import Container
from emulator.entities import Model, OnlineDeployment
from emulator.environments import MLFLOW_FOLDER
from emulator.errors import EmulatorError
from emulator.profiles import profile_of
from emulator.store import Placement, Store
from emulator.workspace.core import Core
from emulator.workspace.effects import Progress
from emulator.workspace.running.out_of_memory import memory_of
from emulator.workspace.running.readiness import Polling, StartProbe, read_log, wait_until_ready

_OUR_SERVER = "the scoring server: init()"
_DRAIN_SECONDS = 30.0
_GRACE_SECONDS = 10.0
# When the emulator ends it must be done with all of them before somebody ends it by force.
_LAST_GRACE_SECONDS = 5.0
_MOST_AT_ONCE = 64


class Generations:
    """Makes and unmakes what runs; knows nothing of what is published."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._polling = Polling(core.effects.monotonic, core.effects.sleep)
        self._started_at: dict[str, float] = {}

    def started_at(self, container_id: str) -> float | None:
        """When a container was started, on the monotonic clock; None for one of an earlier emulator."""
        return self._started_at.get(container_id)

    def layout(self, deployment: OnlineDeployment) -> Path:
        """The generation's folder, which its containers see at /var/azureml-app."""
        return self._core.store.layouts.path_of(deployment.endpoint_name, deployment.name, deployment.generation)

    def lay_out(
        self, deployment: OnlineDeployment, models: Sequence[Model], code: Sequence[Placement], progress: Progress
    ) -> None:
        """Make the generation's folder."""
        progress.step(f"laying out: {_count(len(models), 'model')}, {_count(len(code), 'file')} of code")
        place = profile_of(deployment.target).layout.model_folder
        writable = not deployment.read_only_mounts
        folder = models_folder(deployment)
        self._core.store.layouts.create(self.layout(deployment), folder, models, code, place, writable=writable)

    def start(self, deployment: OnlineDeployment, models: Sequence[Model], progress: Progress) -> tuple[Container, ...]:
        """Start every instance and wait until all are ready; on a failure none is left, but its log is kept."""
        specs = self._specs(deployment, models)
        facts = partial(self.facts, deployment, models)
        started: list[Container] = []
        progress.step(f"starting {_count(len(specs), 'container')} on {self._core.engine.name}")
        try:
            for spec in specs:
                started.append(self._start(deployment, spec))
            progress.step("waiting for " + ("the container's own server" if deployment.own_command else _OUR_SERVER))
            budget = float(deployment.liveness_probe.budget_seconds)
            probe, memory = StartProbe(deployment, self._core.effects.probe), memory_of(deployment, self._core.engine)
            with self._polling.waiting_for(len(started)):
                wait_until_ready(self._core.engine, started, budget, self._polling, progress, facts, memory, probe)
        except BaseException:
            with contextlib.suppress(OSError):  # a full disk must neither hide the reason nor keep the containers
                self._keep_log(deployment, started)
            self.remove(started, grace_seconds=0.0)
            raise
        self._core.store.logs.forget_container(deployment.endpoint_name, deployment.name)
        return tuple(started)

    def start_again(self, deployment: OnlineDeployment, models: Sequence[Model], old: Container) -> Container:
        """Start an instance in place of the dead container that it had, which is removed; does not wait for it.

        It is another instance, with another name, where the target restarts none (row probes.restart_in_place).
        """
        specs = self._specs(deployment, models)
        spec = specs[int(old.labels[LABEL_INSTANCE])]
        if not profile_of(deployment.target).probes.restart_in_place:
            spec = replace(spec, name=_next_name(spec.name, old.name))
        container = self._start(deployment, spec)
        self._started_at.pop(old.id, None)
        if container.name != old.name:  # else the engine has removed it, to make room for its name
            with contextlib.suppress(EmulatorError):  # reconcile and prune find it again by its labels
                self._core.engine.remove(old.id, grace_seconds=0.0)
        return container

    def _specs(self, deployment: OnlineDeployment, models: Sequence[Model]) -> tuple[ContainerSpec, ...]:
        sized = is_sized(deployment)
        size = container_size(deployment, deployment.target, self._core.engine.machine()) if sized else NO_LIMIT
        layout, sinks = str(self.layout(deployment)), self._core.collecting.folder(deployment)
        return container_specs(deployment, models, layout, self._core.store.workspace_id, size, sinks)

    def _start(self, deployment: OnlineDeployment, spec: ContainerSpec) -> Container:
        self._core.collecting.prepare(deployment, spec)
        container = self._core.engine.start(spec)
        self._started_at[container.id] = self._core.effects.monotonic()
        self._core.events.started(container, f"{deployment.environment}@{deployment.image[:12]}")
        return container

    def _keep_log(self, deployment: OnlineDeployment, containers: Sequence[Container]) -> None:
        # The one that died says why; without one the first is as good as any.
        told = sorted(containers, key=self._is_running)[:1]
        lines = [line for container in told for line in read_log(self._core.engine, container)]
        self._core.store.logs.keep_container(deployment.endpoint_name, deployment.name, lines)

    def files(self, deployment: OnlineDeployment) -> list[tuple[str, int]]:
        """Path and size of every file that its containers see, or saw as they failed to start."""
        files = self._core.store.layouts.files(self.layout(deployment))
        files = files or self._core.store.logs.kept_tree(deployment.endpoint_name, deployment.name)
        mount = model_mount(deployment)
        return [(path_at_mount(path, mount), size) for path, size in files] if mount else files

    def facts(self, deployment: OnlineDeployment, models: Sequence[Model]) -> Deployed:
        """Return what explanations of a failure need to know; without the layout's files where it is gone."""
        layout = self.layout(deployment)
        mount = model_mount(deployment)
        source = deployment.environment_source
        return Deployed(
            endpoint=deployment.endpoint_name,
            deployment=deployment.name,
            target=deployment.target,
            code_roots=(APP_ROOT, str(layout), MLFLOW_FOLDER),
            files=tuple(path_at_mount(path, mount) if mount else path for path in _files(layout, self._core.store)),
            models=deployment.models,
            variables=platform_variables(deployment, models),
            own_variables=tuple(deployment.environment_variables),
            environment=source if source.endswith((".txt", ".yml", ".yaml", ".json")) else "",
        )

    def discard(self, deployment: OnlineDeployment) -> None:
        """Remove the layout of a generation that failed to start, and remember which files it had."""
        layout = self.layout(deployment)
        with contextlib.suppress(OSError):  # a full disk must not hide the reason
            files = self._core.store.layouts.files(layout)
            self._core.store.logs.keep_tree(deployment.endpoint_name, deployment.name, files)
        self._core.store.layouts.remove(layout)

    def _is_running(self, container: Container) -> bool:
        try:
            return self._core.engine.inspect(container.id).running
        except EmulatorError:
            return True

    def retire(self, containers: Sequence[Container], layout: Path | None) -> None:
        """Let requests in flight end, then remove containers that no route names any more, and their layout."""
        for container in containers:
            self._core.gateway.drain(container.id, _DRAIN_SECONDS)
        self.remove(containers)
        if layout:
            self._core.store.layouts.remove(layout)

    def forget(self, deployment: OnlineDeployment) -> None:
        """Remove the files of a generation whose containers are gone, once the last of what they collected is taken."""
        self._core.collecting.finish(deployment)
        self._core.store.layouts.remove(self.layout(deployment))

    def forget_unknown(self, endpoint_name: str, name: str) -> None:
        """Remove the files of all generations of a deployment whose document cannot be read."""
        for layout in self._core.store.layouts.of_deployment(endpoint_name, name):
            self._core.store.layouts.remove(layout)
        for folder in self._core.store.sinks.all():
            if (folder.endpoint, folder.deployment) == (endpoint_name, name):
                self._core.store.sinks.remove(endpoint_name, name, folder.generation)

    def end_events(self, endpoint_name: str) -> None:
        """Tell of none of the endpoint's containers any more: the name may be another endpoint's soon."""
        self._core.events.end(endpoint_name)

    def remove_all(self) -> int:
        """Stop and remove every container of this workspace, also one that is being drained; how many there were.

        None while the engine is away: the next start of the emulator finds them as orphans.
        """
        try:
            containers = self._core.engine.list_containers()
        except EmulatorError:
            return 0
        self.remove(containers, grace_seconds=_LAST_GRACE_SECONDS)
        return len(containers)

    def remove(self, containers: Sequence[Container], *, grace_seconds: float = _GRACE_SECONDS) -> None:
        """Stop and remove containers, many at a time: each may take its whole grace."""
        if containers:
            with ThreadPoolExecutor(max_workers=min(_MOST_AT_ONCE, len(containers))) as pool:
                list(pool.map(lambda container: self._remove(container, grace_seconds), containers))

    def _remove(self, container: Container, grace_seconds: float) -> None:
        self._started_at.pop(container.id, None)
        try:
            if self._core.engine.inspect(container.id).running:
                self._core.events.killing(container)
            self._core.engine.remove(container.id, grace_seconds=grace_seconds)
        except EmulatorError:
            return  # reconcile and prune find it again by its labels


def _files(layout: Path, store: Store) -> tuple[str, ...]:
    with contextlib.suppress(OSError):  # removed while it was looked at
        return tuple(path for path, _ in store.layouts.files(layout))
    return ()


def _next_name(first: str, old: str) -> str:
    """The name of the instance that comes after `old`, in a row that began with `first`."""
    return f"{first}-{1 if old == first else int(old.removeprefix(f'{first}-')) + 1}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
