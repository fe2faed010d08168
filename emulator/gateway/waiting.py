"""A request that waits in the front door for an instance to become free."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from emulator.routing.admission import Line

DeploymentKey = tuple[str, str]
"""Endpoint name, deployment name."""


class Waiting:
    """Stands in `line` until it is asked to `go`, gives up after `seconds`, or its caller leaves.

    Exactly one of `go`, `give_up` and `left` is called, and once.
    """

    def __init__(self, line: Line[DeploymentKey, Waiting], key: DeploymentKey, whoever: Waiter) -> None:
        self._line = line
        self._key = key
        self._whoever = whoever
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        """Join the line."""
        self._line.join(self._key, self)
        self._timer = loop.call_later(seconds, self._leave, self._whoever.give_up)

    def go(self) -> None:
        """It is this one's turn."""
        self._leave(self._whoever.go)

    def cancel(self) -> None:
        """The caller is gone."""
        self._leave(self._whoever.left)

    def _leave(self, then: Callable[[], None]) -> None:
        if self._line.leave(self._key, self):
            if self._timer is not None:
                self._timer.cancel()
            then()


class Waiter(Protocol):
    """What becomes of who waits."""

    def go(self) -> None:
        """An instance is free."""

    def give_up(self) -> None:
        """None became free in time."""

    def left(self) -> None:
        """The caller went away."""
