"""How a deployment stands must be written down in the end, also when the disk is full at that moment."""

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
    """Call `save`; while it raises OutOfQuota, again and again in the background, unless somebody else was quicker.

    `found` is the document that is to be replaced, None when there is none: then nobody waits for another one.
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
        except EmulatorError:  # the endpoint is gone
            return
