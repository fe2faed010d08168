"""The collaborators that all verbs of the core share."""

from __future__ import annotations

from dataclasses import dataclass

from emulator.engines import Engine
from emulator.store import Store
from emulator.workspace.collecting.collector import Collecting
from emulator.workspace.effects import Effects, GatewayControl, WorkspaceConfig
from emulator.workspace.prune_lock import PruneLock
from emulator.workspace.running.events import Events


@dataclass(frozen=True)
class Core:
    """One workspace's store, engine, gateway, effects and settings, with its locks, its event log and its collector."""

    store: Store
    engine: Engine
    gateway: GatewayControl
    effects: Effects
    config: WorkspaceConfig
    prune_lock: PruneLock
    events: Events
    collecting: Collecting
