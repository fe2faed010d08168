"""Readiness of the emulator: conditions, each with the reason why it does not hold.

No token is needed to ask, so no reason names what is deployed or what the machine has.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

from emulator.errors import EmulatorError

Condition = Callable[[], str]
"""Returns the reason the emulator is not ready, or '' if this check passes."""

_PATIENCE_SECONDS = 1.0


def blocking_conditions(conditions: Iterable[Condition]) -> list[str]:
    """Return the reasons why the emulator is not ready, in the order of the conditions."""
    return [why for why in (condition() for condition in conditions) if why]


def all_restored(restoring: Callable[[], Sequence[str]]) -> Condition:
    """Return the condition that no deployment is being restored; `restoring` lists those that are."""

    def condition() -> str:
        count = len(restoring())
        return f"{count} deployment{'s are' if count > 1 else ' is'} being started again" if count else ""

    return condition


def engine_answers(ask: Callable[[], object]) -> Condition:
    """Return the condition that the engine responds; `ask` raises EmulatorError when it does not.

    Only one thread waits for a silent engine, however many requests ask.
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
