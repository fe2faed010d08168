"""Logs of lines: appended by one writer, bounded in size, read from the end and followed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

_POLL_SECONDS = 0.1
_LIMIT_BYTES = 32 << 20


class LineWriter:
    """Appends lines to the file that `path_of` names for a key; a file that grew too large becomes its own `.1`."""

    def __init__(self, path_of: Callable[[str], Path]) -> None:
        self._path_of = path_of
        self._lock = threading.Lock()

    def write(self, key: str, line: str) -> None:
        """Append one line."""
        path = self._path_of(key)
        with self._lock:
            if path.exists() and path.stat().st_size > _LIMIT_BYTES:
                path.replace(path.with_name(path.name + ".1"))
            with path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")


def read_lines(path: Path, tail: int | None, follow: bool, sleep: Callable[[float], None]) -> Iterator[str]:
    """The last `tail` lines of the file (all when None), then with `follow` each new one, for ever."""
    position = 0
    if path.exists():
        text = path.read_bytes()
        position = len(text)
        lines = text.decode("utf-8", "replace").splitlines()
        yield from lines[-tail:] if tail else lines if tail is None else []
    while follow:
        sleep(_POLL_SECONDS)
        position, lines = _new_lines(path, position)
        yield from lines


def _new_lines(path: Path, position: int) -> tuple[int, list[str]]:
    if not path.exists() or path.stat().st_size < position:
        return 0, []  # rotated or deleted: begin again
    with path.open("rb") as file:
        file.seek(position)
        text = file.read()
    complete = text[: text.rfind(b"\n") + 1]
    return position + len(complete), complete.decode("utf-8", "replace").splitlines()
