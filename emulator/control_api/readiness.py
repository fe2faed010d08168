"""Whether the emulator is ready: conditions, each of which says what is in the way.

Anybody may ask, so that no condition names what is deployed, or what the machine has.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

from emulator.errors import EmulatorError

Condition = Callable[[], str]
"""Why the emulator is not ready yet, in one sentence; '' when this is not in the way."""

_PATIENCE_SECONDS = 1.0


def in_the_way(conditions: Iterable[Condition]) -> list[str]:
    """Everything that is in the way now, in the order of the conditions."""
    return [why for why in (condition() for condition in conditions) if why]


def all_restored(restoring: Callable[[], Sequence[str]]) -> Condition:
    """What was deployed when the emulator ended is back, or has failed; `restoring` is what is still on its way."""

    def condition() -> str:
        count = len(restoring())
        return f"{count} deployment{'s are' if count > 1 else ' is'} being started again" if count else ""

    return condition


def engine_answers(ask: Callable[[], object]) -> Condition:
    """The engine answers; `ask` raises EmulatorError when it does not.

    An engine that is silent is asked by one thread only, however often somebody wants to know.
    """
    asking = threading.Lock()

    def condition() -> str:
        if not asking.acquire(timeout=_PATIENCE_SECONDS):
            return "the engine has not answered for a while"
        try:
            ask()
        except EmulatorError:
            return "the engine does not answer"
        finally:
            asking.release()
        return ""

    return condition
