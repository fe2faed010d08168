"""Retry saving a deployment's state while the disk is full."""

from __future__ import annotations

from collections.abc import Callable

from emulator.entities import OnlineDeployment
from emulator.errors import EmulatorError, OutOfQuota
from emulator.store import Store
from emulator.workspace.effects import Effects
from emulator.workspace.endpoints import Endpoints

_AGAIN_SECONDS = 1.0


def save_with_retry(
    save: Callable[[], None], found: OnlineDeployment | None, store: Store, endpoints: Endpoints, effects: Effects
) -> None:
    """Call `save`; after OutOfQuota, retry in the background until it succeeds or the document has changed.

    `found` is the document to be replaced; without one there is no retry.
    """
    try:
        save()
    except OutOfQuota:
        if found is not None:
            effects.background(lambda: _try_again(save, found, store, endpoints, effects))


def _try_again(
    save: Callable[[], None], found: OnlineDeployment, store: Store, endpoints: Endpoints, effects: Effects
) -> None:
    while True:
        effects.sleep(_AGAIN_SECONDS)
        try:
            with endpoints.hold(found.endpoint_name, restoring=True):
                if store.find_deployment(found.endpoint_name, found.name) == found:
                    save()
                return
        except OutOfQuota:
            continue
        except EmulatorError:  # the endpoint was deleted
            return
