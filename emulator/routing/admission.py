"""Admission: exact counts of requests in flight, and queues of requests that wait for a free instance.

Pure: nothing here knows time; the caller removes an item that has waited for too long.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
W = TypeVar("W")


class InFlight(Generic[K]):
    """Counts by key; a key without any is not kept.

    >>> flight = InFlight()
    >>> [flight.enter("blue", 2) for _ in range(3)]
    [True, True, False]
    >>> flight.leave("blue")
    >>> flight.enter("blue", 2)
    True
    """

    def __init__(self) -> None:
        self.counts: dict[K, int] = {}

    def enter(self, key: K, at_most: int | None) -> bool:
        """Count one more, unless that would be more than `at_most` (None: no bound)."""
        count = self.counts.get(key, 0)
        if at_most is not None and count >= at_most:
            return False
        self.counts[key] = count + 1
        return True

    def leave(self, key: K) -> None:
        """Count one less, after an `enter` that returned True."""
        left = self.counts[key] - 1
        if left:
            self.counts[key] = left
        else:
            del self.counts[key]


class WaitQueue(Generic[K, W]):
    """FIFO queues, one for each key."""

    def __init__(self) -> None:
        self._waiting: dict[K, deque[W]] = {}

    def add(self, key: K, item: W) -> None:
        """Append `item` to the queue of `key`."""
        self._waiting.setdefault(key, deque()).append(item)

    def first(self, key: K) -> W | None:
        """The item that has waited longest, None in an empty queue."""
        waiting = self._waiting.get(key)
        return waiting[0] if waiting else None

    def remove(self, key: K, item: W) -> bool:
        """Remove `item` from anywhere in its queue; False when it is not there."""
        waiting = self._waiting.get(key)
        if not waiting or item not in waiting:
            return False
        waiting.remove(item)
        if not waiting:
            del self._waiting[key]
        return True

    def length(self, key: K) -> int:
        """The number of items that wait."""
        return len(self._waiting.get(key, ()))
