"""Who is let in: exact counts of what is in flight, and the line of those who wait for a free instance.

Pure: nothing here knows time; the caller says when somebody has waited for too long.
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
        """Count one less; only who was let in may leave."""
        left = self.counts[key] - 1
        if left:
            self.counts[key] = left
        else:
            del self.counts[key]


class Line(Generic[K, W]):
    """Those who wait, first come, first served, by what they wait for."""

    def __init__(self) -> None:
        self._waiting: dict[K, deque[W]] = {}

    def join(self, key: K, who: W) -> None:
        """Wait at the end of the line."""
        self._waiting.setdefault(key, deque()).append(who)

    def first(self, key: K) -> W | None:
        """Who has waited longest, if anybody waits."""
        waiting = self._waiting.get(key)
        return waiting[0] if waiting else None

    def leave(self, key: K, who: W) -> bool:
        """Wait no more, whatever the place in the line; False when `who` did not wait."""
        waiting = self._waiting.get(key)
        if not waiting or who not in waiting:
            return False
        waiting.remove(who)
        if not waiting:
            del self._waiting[key]
        return True

    def length(self, key: K) -> int:
        """How many wait."""
        return len(self._waiting.get(key, ()))
