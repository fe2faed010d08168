"""Counts of the last minute for both metrics of data collection (row collection.metrics)."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

_WINDOW_SECONDS = 60


class Counted(NamedTuple):
    """The dimensions of both metrics of data collection; `reason` is empty for what was collected."""

    endpoint: str
    deployment: str
    type: str
    reason: str = ""


class Counts:
    """Counts what was collected within the last minute, and what was not; thread-safe."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._seconds: deque[tuple[int, Counter[Counted]]] = deque()
        self._lock = threading.Lock()

    def add(self, counted: Counted, number: int = 1) -> None:
        """Add to the count of the current second."""
        second = int(self._monotonic())
        with self._lock:
            self._forget(second)
            if not self._seconds or self._seconds[-1][0] != second:
                self._seconds.append((second, Counter()))
            self._seconds[-1][1][counted] += number

    def minute(self) -> Mapping[Counted, int]:
        """Return the counts of the last minute."""
        found: Counter[Counted] = Counter()
        with self._lock:
            self._forget(int(self._monotonic()))
            for _, counter in self._seconds:
                found.update(counter)
        return found

    def _forget(self, second: int) -> None:
        while self._seconds and self._seconds[0][0] <= second - _WINDOW_SECONDS:
            self._seconds.popleft()
