"""What callers who work at the same time were told, and what may therefore be there now.

Each thing that operations change is a register: a deployment, an endpoint, an endpoint's traffic.  What it holds was
written by an operation that no other has certainly come after.
"""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

ABSENT = "absent"
FAILED = "Failed"


@dataclass
class Operation:
    """What it writes into registers, when it began and, `math.inf` until then, ended, and whether it was acknowledged.

    One that is not may have written, or not.
    """

    writes: Mapping[Hashable, str]
    began: float
    ended: float = math.inf
    acknowledged: bool = False
    refused: bool = False


@dataclass
class History:
    """All operations since what was last known for certain."""

    known: dict[Hashable, str] = field(default_factory=dict)
    _operations: dict[Hashable, list[Operation]] = field(default_factory=lambda: defaultdict(list))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def operation(self, writes: Mapping[Hashable, str]) -> Iterator[Operation]:
        """One that is acknowledged unless the context ends with an exception."""
        operation = Operation(writes, time.monotonic())
        with self._lock:
            for register in writes:
                self._operations[register].append(operation)
        try:
            yield operation
        except BaseException:
            operation.ended = time.monotonic()
            raise
        operation.ended, operation.acknowledged = time.monotonic(), True

    def refused(self, operation: Operation, writes: Mapping[Hashable, str]) -> None:
        """It ended with an error, after which `writes` is all that it may have written."""
        with self._lock:
            for register in operation.writes.keys() - writes.keys():
                self._operations[register].remove(operation)
            operation.writes = writes

    def possible(self, register: Hashable, since: float) -> set[str]:
        """What one who began to look at `since` may find until now."""
        with self._lock:
            operations = list(self._operations[register])
        finished = max((o.began for o in operations if o.acknowledged and o.ended < since), default=-math.inf)
        # The last write is none that had ended before another began that has ended since.
        found = {o.writes[register] for o in operations if o.ended >= finished}
        return found if finished > -math.inf else {self.known.get(register, ABSENT), *found}

    def settle(self, known: Mapping[Hashable, str]) -> None:
        """From now on this is certain, and nothing goes on any more."""
        with self._lock:
            self.known, self._operations = dict(known), defaultdict(list)
