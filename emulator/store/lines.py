"""Logs of lines: appended by one writer, bounded in size, read from the end and followed."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path

from emulator.errors import damaged_document
from emulator.store.privacy import owner_opener

_POLL_SECONDS = 0.1
_LIMIT_BYTES = 32 << 20


class LineWriter:
    """Appends lines to the file that `path_of` names for a key; a file that grew too large is renamed to `.1`."""

    def __init__(self, path_of: Callable[[str], Path]) -> None:
        self._path_of = path_of
        self._lock = threading.Lock()

    def write(self, key: str, line: str) -> None:
        """Append one line."""
        path = self._path_of(key)
        with self._lock:
            if path.exists() and path.stat().st_size > _LIMIT_BYTES:
                path.replace(path.with_name(path.name + ".1"))
            with open(path, "ab", buffering=0, opener=owner_opener) as file:
                _append(file, (line + "\n").encode())


def _append(file: FileIO, line: bytes) -> None:
    """Write the whole line or nothing: the next one must not follow a partial line."""
    size = os.fstat(file.fileno()).st_size
    try:
        if file.write(line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError:
        os.truncate(file.fileno(), size)
        raise


class LineReader(Iterator[str]):
    """Iterates over the last `tail` lines of a file (None: all), then with `follow` over new ones until it is closed.

    `close` may be called from another thread, which a generator does not allow: a log may be silent for hours.
    Raises DamagedDocument for anything but a regular file.
    """

    def __init__(self, path: Path, tail: int | None, follow: bool, sleep: Callable[[float], None]) -> None:
        if path.exists() and not path.is_file():
            raise damaged_document(str(path), "it is not a regular file")
        self._closed = threading.Event()
        self._lines = self._read(path, tail, follow, sleep)

    def __next__(self) -> str:
        return next(self._lines)

    def close(self) -> None:
        """End the iteration, also for a thread that waits in it."""
        self._closed.set()

    def _read(self, path: Path, tail: int | None, follow: bool, sleep: Callable[[float], None]) -> Iterator[str]:
        position, lines = _new_lines(path, 0)
        yield from lines[len(lines) - min(tail, len(lines)) :] if tail is not None else lines
        while follow and not self._closed.is_set():
            sleep(_POLL_SECONDS)
            position, lines = _new_lines(path, position)
            yield from lines


def _new_lines(path: Path, position: int) -> tuple[int, list[str]]:
    """Return the next position, and the complete lines from `position`: the last one may still be written."""
    try:
        with path.open("rb") as file:
            if file.seek(0, os.SEEK_END) < position:
                position = 0  # the file was rotated
            file.seek(position)
            text = file.read()
    except OSError:  # it does not exist yet, or may not be read
        return 0, []
    complete = text[: text.rfind(b"\n") + 1]
    return position + len(complete), complete.decode("utf-8", "replace").split("\n")[:-1]
