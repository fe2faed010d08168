"""Numbers for generations: each is drawn once in the life of a workspace.

A generation's layout, containers and sinks are named by its number.  The removal of an old generation, which may last
longer than its endpoint, must never hit a new one of the same name.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from emulator.errors import EmulatorError
from emulator.store.disk import read_document, write_document
from emulator.system.files import translate_os_errors

_LARGEST = 1 << 50  # larger numbers were not drawn here


class GenerationNumbers:
    """Draws the numbers.  `in_use` finds existing ones when the document of the last number is lost or damaged."""

    def __init__(self, home: Path, in_use: Callable[[], Iterable[int]]) -> None:
        self._path = home / "generations.json"
        self._in_use = in_use
        self._last: int | None = None
        self._rest: dict[str, Any] = {}
        self._lock = threading.Lock()

    def draw(self) -> int:
        """Return a new number, stored as used before this returns; raise OutOfQuota for a full disk."""
        with self._lock, translate_os_errors("generation"):
            number = self._known() + 1
            write_document(self._path, {**self._rest, "last": number})
            self._last = number
            return number

    def last(self) -> int:
        """Return the number that was drawn last, 0 before the first."""
        with self._lock:
            return self._known()

    def _known(self) -> int:
        if self._last is None:
            self._rest = self._read()
            self._last = max([_number(self._rest.get("last")), *map(_number, self._in_use())])
        return self._last

    def _read(self) -> dict[str, Any]:
        try:
            return read_document(self._path) or {}
        except (EmulatorError, OSError):
            return {}


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST else 0
