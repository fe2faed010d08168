"""Start and remove a generation of a deployment: its containers and its layout."""

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
# At the emulator's end all must be gone before the system kills it.
_LAST_GRACE_SECONDS = 5.0
_MOST_AT_ONCE = 64


class Generations:
    """Starts and removes a deployment's containers and layout; publishing is Endpoints' job."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._polling = Polling(core.effects.monotonic, core.effects.sleep)
        self._started_at: dict[str, float] = {}

    def started_at(self, container_id: str) -> float | None:
        """Return when a container was started, on the monotonic clock; None for one of an earlier emulator."""
        return self._started_at.get(container_id)

    def layout(self, deployment: OnlineDeployment) -> Path:
        """Return the generation's folder, which its containers see at /var/azureml-app."""
        return self._core.store.layouts.path_of(deployment.endpoint_name, deployment.name, deployment.generation)

    def lay_out(
        self, deployment: OnlineDeployment, models: Sequence[Model], code: Sequence[Placement], progress: Progress
    ) -> None:
        """Create the generation's folder."""
        progress.step(f"laying out: {_count(len(models), 'model')}, {_count(len(code), 'file')} of code")
        place = profile_of(deployment.target).layout.model_folder
        writable = not deployment.read_only_mounts
        folder = models_folder(deployment)
        self._core.store.layouts.create(self.layout(deployment), folder, models, code, place, writable=writable)

    def start(self, deployment: OnlineDeployment, models: Sequence[Model], progress: Progress) -> tuple[Container, ...]:
        """Start every instance and wait until all are ready; after a failure none is left, and a log is kept."""
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
            with contextlib.suppress(OSError):  # a full disk must neither hide the error nor keep the containers
                self._keep_log(deployment, started)
            self.remove(started, grace_seconds=0.0)
            raise
        self._core.store.logs.forget_container(deployment.endpoint_name, deployment.name)
        return tuple(started)

    def start_again(self, deployment: OnlineDeployment, models: Sequence[Model], old: Container) -> Container:
        """Start a container in place of a dead one, which is removed; do not wait until it is ready.

        It gets a new name where the target replaces instances instead of restarting them (row probes.restart_in_place).
        """
        specs = self._specs(deployment, models)
        spec = specs[int(old.labels[LABEL_INSTANCE])]
        if not profile_of(deployment.target).probes.restart_in_place:
            spec = replace(spec, name=_next_name(spec.name, old.name))
        container = self._start(deployment, spec)
        self._started_at.pop(old.id, None)
        if container.name != old.name:  # else the engine has removed it to reuse its name
            with contextlib.suppress(EmulatorError):  # reconcile and prune find it by its labels
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
        # A dead container's log has the cause; without one the first will do.
        told = sorted(containers, key=self._is_running)[:1]
        lines = [line for container in told for line in read_log(self._core.engine, container)]
        self._core.store.logs.keep_container(deployment.endpoint_name, deployment.name, lines)

    def files(self, deployment: OnlineDeployment) -> list[tuple[str, int]]:
        """Return path and size of every file that the containers see, or saw when they failed to start."""
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
        """Remove the layout of a generation that failed to start, and keep the list of its files."""
        layout = self.layout(deployment)
        with contextlib.suppress(OSError):  # a full disk must not hide the error
            files = self._core.store.layouts.files(layout)
            self._core.store.logs.keep_tree(deployment.endpoint_name, deployment.name, files)
        self._core.store.layouts.remove(layout)

    def _is_running(self, container: Container) -> bool:
        try:
            return self._core.engine.inspect(container.id).running
        except EmulatorError:
            return True

    def retire(self, containers: Sequence[Container], layout: Path | None) -> None:
        """Drain and remove containers that are out of all routes, and their layout."""
        for container in containers:
            self._core.gateway.drain(container.id, _DRAIN_SECONDS)
        self.remove(containers)
        if layout:
            self._core.store.layouts.remove(layout)

    def forget(self, deployment: OnlineDeployment) -> None:
        """Remove the files of a generation whose containers are gone, after taking their last collected data."""
        self._core.collecting.finish(deployment)
        self._core.store.layouts.remove(self.layout(deployment))

    def forget_unknown(self, endpoint_name: str, name: str) -> None:
        """Remove the files of all generations of a deployment with a damaged document."""
        for layout in self._core.store.layouts.of_deployment(endpoint_name, name):
            self._core.store.layouts.remove(layout)
        for folder in self._core.store.sinks.all():
            if (folder.endpoint, folder.deployment) == (endpoint_name, name):
                self._core.store.sinks.remove(endpoint_name, name, folder.generation)

    def end_events(self, endpoint_name: str) -> None:
        """Ignore further events of a deleted endpoint, whose name may be reused."""
        self._core.events.end(endpoint_name)

    def remove_all(self) -> int:
        """Stop and remove every container of this workspace, drained or not; return how many there were.

        Returns 0 while the engine is unavailable: the next start of the emulator removes them as orphans.
        """
        try:
            containers = self._core.engine.list_containers()
        except EmulatorError:
            return 0
        self.remove(containers, grace_seconds=_LAST_GRACE_SECONDS)
        return len(containers)

    def remove(self, containers: Sequence[Container], *, grace_seconds: float = _GRACE_SECONDS) -> None:
        """Stop and remove containers in parallel: each may take its whole grace period."""
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
            return  # reconcile and prune find it by its labels


def _files(layout: Path, store: Store) -> tuple[str, ...]:
    with contextlib.suppress(OSError):  # removed meanwhile
        return tuple(path for path, _ in store.layouts.files(layout))
    return ()


def _next_name(first: str, old: str) -> str:
    """Return the name of the instance after `old`, in a series that began with `first`."""
    return f"{first}-{1 if old == first else int(old.removeprefix(f'{first}-')) + 1}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
