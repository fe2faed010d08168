"""Work on a home without a running emulator: clean up after a killed one, move damaged documents aside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from emulator import __version__
from emulator.config import Settings
from emulator.config.home_lock import HomeLock
from emulator.engines import Engine
from emulator.engines.packaging.python_packages import HostPackaging
from emulator.errors import EngineUnavailable
from emulator.profiles import overridden, read_overrides
from emulator.routing.routes import EndpointRoute
from emulator.server.serve import PROCESS_FOLDER, build_workspace, choose_engine, effects, read_packaging
from emulator.store import Store
from emulator.store.damage import Damage, aside, find_damage, move_aside
from emulator.store.documents import Documents
from emulator.store.unknown_uses import UnknownUses
from emulator.system.files import translate_os_errors
from emulator.workspace.collecting.collector import Collecting


def prune_offline(settings: Settings, environ: Mapping[str, str], *, dry_run: bool) -> list[str] | None:
    """Remove the workspace's containers, and what `Workspace.prune` removes; return a line for each.

    The next start of the emulator restores what is deployed.  Returns None when an emulator runs on this home.  Raises
    EngineUnavailable when containers may be left on an engine that does not answer.
    """
    if not settings.home.exists():
        return []
    lock = HomeLock(settings.home)
    if not lock.try_take({"version": __version__}):
        return None
    try:
        overrides, _ = read_overrides(settings.assumed)
        with overridden(overrides):
            return _prune(settings, environ, was_killed=lock.was_abandoned, dry_run=dry_run)
    finally:
        lock.release()


def _prune(settings: Settings, environ: Mapping[str, str], *, was_killed: bool, dry_run: bool) -> list[str]:
    store = Store(settings.home)
    packaging = read_packaging(environ, store, was_killed=was_killed)
    removed: list[str] = []
    for engine in _engines(settings, store, packaging):
        try:
            removed += _clean(settings, store, engine, packaging, dry_run=dry_run)
        finally:
            engine.close()
    return list(dict.fromkeys(removed))


def _engines(settings: Settings, store: Store, packaging: HostPackaging) -> Iterator[Engine]:
    """Yield every engine that the emulator may have run containers on."""
    known = {d.engine for endpoint in store.endpoints() for d in store.deployments(endpoint.name)}
    if settings.engine != "process":
        try:
            yield choose_engine("docker", store, packaging).engine
        except EngineUnavailable:
            if settings.engine == "docker" or "docker" in known:
                raise
    if "process" in {settings.engine, *known} or (store.home / PROCESS_FOLDER).exists():
        yield choose_engine("process", store, packaging).engine


def _clean(settings: Settings, store: Store, engine: Engine, packaging: HostPackaging, *, dry_run: bool) -> list[str]:
    workspace = build_workspace(settings, store, engine, IdleGateway(), Collecting(store, effects()), packaging)
    left = [f"container {container.name}" for container in engine.list_containers()]
    if not dry_run:
        workspace.deployments.stop_all()
    return [*left, *workspace.prune(dry_run=dry_run)]


def list_damage(home: Path) -> list[Damage]:
    """Return every document of a home that cannot be read."""
    return find_damage(home, Documents())


def list_kept(home: Path) -> list[str]:
    """Return what pruning that home keeps because unreadable documents may use it, a line each."""
    return UnknownUses.of(list_damage(home), aside(home)).told()


def move_damage_aside(home: Path, now: str) -> list[tuple[Damage, Path]] | None:
    """Move damaged documents to the folder `damaged/<now>` of the home; return where each is.

    Returns None while an emulator runs on the home.
    """
    lock = HomeLock(home)
    if not lock.try_take({"version": __version__}):
        return None
    try:
        with translate_os_errors(f"AMLEMU_HOME {home}"):
            return move_aside(home, list_damage(home), now)
    finally:
        lock.release()


class IdleGateway:
    """A gateway without callers."""

    def put(self, route: EndpointRoute) -> None:
        """Nothing is served."""

    def remove(self, name: str) -> None:
        """Nothing was."""

    def drain(self, instance_id: str, timeout_seconds: float) -> bool:
        """No request is in flight."""
        return True

    def check_port(self, port: int) -> None:
        """Nothing listens."""

    def is_free(self, port: int) -> bool:
        """Nothing listens."""
        return True
