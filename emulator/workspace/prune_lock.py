"""A shared lock for operations, and an exclusive one for `prune`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from emulator.errors import OperationInProgress

_PATIENCE_SECONDS = 45.0


class PruneLock:
    """Keeps `prune` and operations apart: `prune` must not remove what an operation is creating."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._working = 0
        self._cleaning = False

    @contextmanager
    def work(self) -> Iterator[None]:
        """Hold the lock to create files, layouts, images or containers; wait for a running prune."""
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
        """Hold the lock to prune; raise OperationInProgress when operations do not end within a while."""
        with self._changed:
            # A replaced generation may take this long to drain.
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
