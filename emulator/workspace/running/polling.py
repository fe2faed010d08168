"""How often starting containers are looked at: one often, many together no more often than a few."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

POLL_SECONDS = 0.05
# Each look is a probe and a question to the engine: processor time that the starting servers need.
_AT_FULL_PACE = 5


class Polling:
    """The clock, and the pace, of those who wait for containers of one emulator."""

    def __init__(self, monotonic: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self.monotonic = monotonic
        self._sleep = sleep
        self._waiting = 0
        self._lock = threading.Lock()

    @contextmanager
    def waiting_for(self, containers: int) -> Iterator[None]:
        """Count that many containers as waited for."""
        self._change(containers)
        try:
            yield
        finally:
            self._change(-containers)

    def pause(self) -> None:
        """Wait until it is time to look at one's own containers again."""
        with self._lock:
            seconds = POLL_SECONDS * max(1.0, self._waiting / _AT_FULL_PACE)
        self._sleep(seconds)

    def _change(self, containers: int) -> None:
        with self._lock:
            self._waiting += containers
