"""Work goes on side by side; cleaning up goes alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from emulator.errors import OperationInProgress

_PATIENCE_SECONDS = 45.0


class PruneLock:
    """Keeps `prune` from taking away what an operation is just making, and operations from beginning meanwhile."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._working = 0
        self._cleaning = False

    @contextmanager
    def work(self) -> Iterator[None]:
        """Do something that makes files, layouts, images or containers; waits for a cleaning to end."""
        with self._changed:
            self._changed.wait_for(lambda: not self._cleaning)
            self._working += 1
        try:
            yield
        finally:
            with self._changed:
                self._working -= 1
                self._changed.notify_all()

    @contextmanager
    def clean(self) -> Iterator[None]:
        """Remove what nothing uses; OperationInProgress when something is still being made after a while."""
        with self._changed:
            # What served before a deploy may need this long to end its last requests.
            if not self._changed.wait_for(lambda: not self._working and not self._cleaning, _PATIENCE_SECONDS):
                hint = "wait for it to end, then prune"
                raise OperationInProgress("another operation is in progress", target="workspace", hint=hint)
            self._cleaning = True
        try:
            yield
        finally:
            with self._changed:
                self._cleaning = False
                self._changed.notify_all()
