"""Count out-of-memory kills by container from the Docker Engine's events.

Its inspection tells of it only when the first process of a container was killed; the event comes for every process, of
every version of cgroups, and also where the engine runs in a virtual machine.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

_AGAIN_NANOSECONDS = 2 * 10**9
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")

Ask = Callable[[int, int], Iterable[Mapping[str, Any]]]
"""Takes two moments, in nanoseconds of the engine's clock, and returns the engine's `oom` events between them."""


class OomKills:
    """Counts by container, from the moment at which it was made on.

    `now` is the engine's clock in nanoseconds.  Any thread may ask.
    """

    def __init__(self, ask: Ask, now: Callable[[], int]) -> None:
        self._ask, self._now = ask, now
        self._since = now()
        self._began = self._since
        self._seen: set[tuple[int, str]] = set()
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def counts(self) -> dict[str, int]:
        """Return how many kills there were so far, by container id."""
        with self._lock:
            until = self._now()
            if until < self._since:  # the clock was set back, and the engine refuses such a span
                self._began = self._since = until
            found = {(int(event["timeNano"]), str(event["Actor"]["ID"])) for event in self._ask(self._since, until)}
            new = {key for key in found - self._seen if key[0] >= self._began}
            self._counts.update(container_id for _, container_id in new)
            # An event that was being written as the engine was asked is found the next time.
            self._since = max(self._began, until - _AGAIN_NANOSECONDS)
            self._seen = {key for key in self._seen | new if key[0] >= self._since}
            return dict(self._counts)


def nanoseconds(text: str) -> int:
    """A moment as the engine writes it, in nanoseconds since 1970.

    >>> nanoseconds("1970-01-01T01:00:01.5+01:00")
    1500000000
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text}' is not a moment")
    second, fraction, zone = found.groups()
    moment = datetime.fromisoformat(second + zone.replace("Z", "+00:00"))
    return int(moment.timestamp()) * 10**9 + int((fraction or "").ljust(9, "0"))
