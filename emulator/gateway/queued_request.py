"""A request that waits in the gateway until an instance of its deployment is free."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from emulator.routing.admission import WaitQueue

DeploymentKey = tuple[str, str]
"""Endpoint name, deployment name."""


class QueueCallbacks(Protocol):
    """How a queued request leaves its queue; exactly one of these is called, and once."""

    def on_turn(self) -> None:
        """An instance is free."""

    def on_timeout(self) -> None:
        """No instance became free in time."""

    def on_caller_gone(self) -> None:
        """The caller closed its connection."""


class QueuedRequest:
    """A place in `queue`, left when it is this request's turn, after a time-out, or when its caller is gone."""

    def __init__(
        self, queue: WaitQueue[DeploymentKey, QueuedRequest], key: DeploymentKey, callbacks: QueueCallbacks
    ) -> None:
        self._queue = queue
        self._key = key
        self._callbacks = callbacks
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        """Join the queue, for at most that many seconds."""
        self._queue.add(self._key, self)
        self._timer = loop.call_later(seconds, self._leave, self._callbacks.on_timeout)

    def proceed(self) -> None:
        """Leave the queue: it is this request's turn."""
        self._leave(self._callbacks.on_turn)

    def cancel(self) -> None:
        """Leave the queue: the caller is gone."""
        self._leave(self._callbacks.on_caller_gone)

    def _leave(self, callback: Callable[[], None]) -> None:
        if self._queue.remove(self._key, self):
            if self._timer is not None:
                self._timer.cancel()
            callback()
