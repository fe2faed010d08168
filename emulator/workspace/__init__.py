"""The core: verbs on models, environments, endpoints and deployments, for every API and command."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from emulator.containers.spec import LABEL_DEPLOYMENT, LABEL_ENDPOINT, LABEL_GENERATION
from emulator.engines import Container, Engine
from emulator.entities import OnlineDeployment
from emulator.errors import OperationCanceled
from emulator.store import Store
from emulator.store.damage import Damage
from emulator.workspace.access import Access
from emulator.workspace.assets.environments import Environments
from emulator.workspace.assets.models import Models
from emulator.workspace.assets.uploads import Uploads
from emulator.workspace.collecting.collector import Collecting
from emulator.workspace.core import Core
from emulator.workspace.deploying.deployments import Deployments
from emulator.workspace.effects import (
    CondaSources,
    Effects,
    GatewayControl,
    Progress,
    WorkspaceConfig,
    silent_progress,
)
from emulator.workspace.endpoints import Endpoints
from emulator.workspace.exports import Exports
from emulator.workspace.health.crashes import Crashes
from emulator.workspace.health.explanations import Explanations
from emulator.workspace.health.monitor import Health
from emulator.workspace.health.resource_usage import ResourceUsage
from emulator.workspace.prune_lock import PruneLock
from emulator.workspace.running.events import Events
from emulator.workspace.running.generations import Generations

__all__ = ["CondaSources", "Effects", "GatewayControl", "Progress", "Workspace", "WorkspaceConfig", "silent_progress"]


class Workspace:
    """One workspace on one engine, all of its state in one store."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        gateway: GatewayControl,
        effects: Effects,
        config: WorkspaceConfig,
        collecting: Collecting | None = None,
    ) -> None:
        self.engine = engine
        self.collecting = collecting or Collecting(store, effects)
        events = Events(store, effects)
        self._core = core = Core(store, engine, gateway, effects, config, PruneLock(), events, self.collecting)
        self._restoring: set[tuple[str, str]] = set()
        self.access = Access(core)
        self.uploads = Uploads(core)
        self.models = Models(core)
        self.environments = Environments(core)
        self.endpoints = Endpoints(core)
        generations = Generations(core)
        self.deployments = Deployments(core, self.models, self.environments, self.endpoints, generations)
        self.exports = Exports(core, self.models, self.environments, self.endpoints, self.deployments)
        crashes = Crashes(core, self.models, self.endpoints, generations)
        self.explanations = Explanations(core, self.endpoints, crashes)
        self.resource_usage = ResourceUsage(core, self.endpoints, generations)
        self.health = Health(core, self.endpoints, crashes)

    @property
    def id(self) -> str:
        """The workspace's random id, which marks everything that belongs to it."""
        return self._core.store.workspace_id

    def reconcile(self) -> None:
        """Bring what runs in line with what should: adopt survivors, restart the missing, remove orphans.

        Returns with every endpoint published; restarts go on in the background.
        """
        self._core.store.remove_leftovers()
        found = self.engine.list_containers()
        adopted: set[str] = set()
        missing: list[OnlineDeployment] = []
        for endpoint in self._core.store.endpoints():
            if endpoint.provisioning_state != "Succeeded":
                self._core.store.put_endpoint(endpoint.model_copy(update={"provisioning_state": "Succeeded"}))
            self._settle_all(self._core.store.deployments(endpoint.name))
            for deployment in self._core.store.deployments(endpoint.name):
                containers = _containers_of(deployment, found)
                if deployment.serving and len(containers) == deployment.instance_count:
                    self.endpoints.set_running(endpoint.name, deployment.name, containers)
                    adopted.update(container.id for container in containers)
                elif deployment.serving:
                    missing.append(deployment)
            self.endpoints.publish(endpoint.name)
        for container in found:
            if container.id not in adopted:
                self.engine.remove(container.id, grace_seconds=0.0)
        doomed = self._core.store.unused_layouts()  # no deploy reuses one: a generation number is drawn once
        self._core.effects.background(lambda: self._remove_layouts(doomed))
        self._restoring = {(deployment.endpoint_name, deployment.name) for deployment in missing}
        for key in sorted(self._restoring):
            self._core.effects.background(partial(self._restore, *key))

    def _remove_layouts(self, layouts: Sequence[Path]) -> None:
        for layout in layouts:
            self._core.store.layouts.remove(layout)

    def _restore(self, endpoint_name: str, name: str) -> None:
        try:
            self.deployments.restore(endpoint_name, name)
        finally:
            self._restoring.discard((endpoint_name, name))

    def end(self, timeout_seconds: float) -> None:
        """Start nothing new, cancel restores, and wait for running operations, at most that long."""
        self.health.stop(timeout_seconds)
        self.deployments.end(timeout_seconds)

    def restoring(self) -> list[str]:
        """Return the deployments that are still being restored after a start, as `endpoint/deployment`."""
        return [f"{endpoint}/{deployment}" for endpoint, deployment in sorted(self._restoring)]

    def _settle_all(self, deployments: list[OnlineDeployment]) -> None:
        """Settle deployments whose operation died with the emulator: what served goes on, the rest is Failed."""
        for deployment in deployments:
            if deployment.provisioning_state == "Creating" and deployment.serving:
                # Only the last step is missing: it serves, and the gateway has no route to it yet.
                self.deployments.give_traffic(deployment, is_first=True)
                self._core.store.put_deployment(deployment.model_copy(update={"provisioning_state": "Succeeded"}))
            elif deployment.provisioning_state in ("Creating", "Updating"):
                self._core.store.put_deployment(_cut_off(deployment))

    def prune(self, *, dry_run: bool) -> list[str]:
        """Remove unused images, layouts, contents and partial files; return a line for each."""
        with self._core.prune_lock.clean():
            digests = {d.image for name in self.endpoints.list_names() for d in self._core.store.deployments(name)}
            digests |= self.environments.digests()
            if self._core.store.damage():  # a damaged document may name any image
                digests |= self._core.store.image_digests()
            return [*self.engine.prune(digests, dry_run=dry_run), *self._core.store.prune(dry_run=dry_run)]

    def damage(self) -> list[Damage]:
        """Return the damaged documents of the home, each with the resource that is out of service."""
        return self._core.store.damage()

    def kept_for_damage(self) -> list[str]:
        """Return what `prune` keeps because a damaged document may use it, a line each."""
        return self._core.store.kept_for_damage()


def _cut_off(deployment: OnlineDeployment) -> OnlineDeployment:
    error = OperationCanceled("the emulator ended while the deployment was being made", hint="deploy again")
    state = "Succeeded" if deployment.serving else "Failed"
    return deployment.model_copy(update={"provisioning_state": state, "error": error.to_dict()})


def _containers_of(deployment: OnlineDeployment, found: list[Container]) -> tuple[Container, ...]:
    wanted = {
        LABEL_ENDPOINT: deployment.endpoint_name,
        LABEL_DEPLOYMENT: deployment.name,
        LABEL_GENERATION: str(deployment.generation),
    }
    return tuple(c for c in found if c.running and wanted.items() <= dict(c.labels).items())
