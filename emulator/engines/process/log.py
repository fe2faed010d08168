"""Read and follow a container's log: at most two files, of which `<log>.1` is the older one."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import BinaryIO

from emulator.system.text_lines import split_lines

_BLOCK = 65536
_PAUSE_SECONDS = 0.1


class LogLines:
    """The last `tail` lines of a log, None for all, without their ends.

    With `is_running` it goes on with what comes, until that says False and all has been read.  `close`, from any
    thread, ends it.
    """

    def __init__(self, log: Path, tail: int | None, is_running: Callable[[], bool] | None = None) -> None:
        self._closed = threading.Event()
        self._lines = _lines(_blocks(log, tail, is_running, self._closed))

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        return next(self._lines)

    def close(self) -> None:
        """End the iteration, also of a thread that waits for a line."""
        self._closed.set()
        # A generator that another thread waits in refuses; it sees the event instead.
        with contextlib.suppress(ValueError):
            self._lines.close()


def _lines(source: Generator[bytes, None, None]) -> Generator[str, None, None]:
    with contextlib.closing(source) as blocks:
        yield from split_lines(blocks)


def _blocks(
    log: Path, tail: int | None, is_running: Callable[[], bool] | None, closed: threading.Event
) -> Generator[bytes, None, None]:
    files = _open_both(log)
    try:
        _seek_to_tail(files, tail)
        for file in files:
            yield from iter(lambda file=file: file.read(_BLOCK), b"")  # type: ignore[misc]
        while is_running and files:
            # Asked before the reading: what was written until the end is then read.
            running = is_running()
            block = files[-1].read(_BLOCK) or _next_file(log, files)
            if block:
                yield block
            elif not running or closed.wait(_PAUSE_SECONDS):
                return
    finally:
        for file in files:
            file.close()


def _open_both(log: Path) -> list[BinaryIO]:
    """Open the existing files, the older first; the newer is opened first, because it may be rotated meanwhile."""
    newer = _open(log)
    older = _open(log.with_name(log.name + ".1"))
    if newer and older and _inode(newer) == _inode(older):
        older.close()
        older = None
    return [file for file in (older, newer) if file]


def _open(path: Path) -> BinaryIO | None:
    try:
        return path.open("rb")
    except FileNotFoundError:
        return None


def _inode(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_ino


def _next_file(log: Path, files: list[BinaryIO]) -> bytes:
    """When the file that was read to its end has been replaced: its very last block, else the first of the new one."""
    newer = _open(log)
    if newer is None:
        return b""
    last = files[-1].read(_BLOCK)
    if last or _inode(newer) == _inode(files[-1]):
        newer.close()
        return last
    files[-1].close()
    files[-1] = newer
    return newer.read(_BLOCK)


def _seek_to_tail(files: list[BinaryIO], tail: int | None) -> None:
    if tail is None:
        return
    for file in reversed(files):
        tail -= _seek_back(file, tail)


def _seek_back(file: BinaryIO, count: int) -> int:
    """Put `file` before its last `count` lines, or at its start; how many lines follow."""
    end = position = file.seek(0, os.SEEK_END)
    found = 0
    while position > 0 and count > 0:
        size = min(_BLOCK, position)
        position -= size
        file.seek(position)
        block = file.read(size)
        # The end of the last line of all does not begin another one.
        at = len(block) - 1 if position + size == end and block.endswith(b"\n") else len(block)
        while (at := block.rfind(b"\n", 0, at)) >= 0:
            found += 1
            if found == count:
                file.seek(position + at + 1)
                return found
    file.seek(0 if count > 0 else end)
    return found + 1 if end and count > 0 else 0
