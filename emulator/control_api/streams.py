"""Streams of lines that notice when their client has gone."""

from __future__ import annotations

import contextlib
import json
import queue
import threading
from collections.abc import Iterator

_HEARTBEAT_SECONDS = 1.0
_LINES_AHEAD = 1000
_END = object()


def line_stream(lines: Iterator[str]) -> Iterator[bytes]:
    """Yield each line as JSON, and an empty line as a heartbeat.

    The heartbeat reveals a client that has gone: the source may be silent for hours.  The source is read on its own
    thread, which ends when the source is closed: a source that blocks must allow `close` from this thread.
    """
    ahead: queue.Queue[object] = queue.Queue(_LINES_AHEAD)
    gone = threading.Event()
    threading.Thread(target=_read, args=(lines, ahead, gone), name="follow", daemon=True).start()
    try:
        while (item := _next(ahead)) is not _END:
            if isinstance(item, BaseException):
                raise item
            yield (b"" if item is None else json.dumps(item).encode()) + b"\n"
    finally:
        gone.set()
        _close(lines)


def _next(ahead: queue.Queue[object]) -> object:
    try:
        return ahead.get(timeout=_HEARTBEAT_SECONDS)
    except queue.Empty:
        return None


def _read(lines: Iterator[str], ahead: queue.Queue[object], gone: threading.Event) -> None:
    try:
        for line in lines:
            if not _put(line, ahead, gone):
                return
        _put(_END, ahead, gone)
    except Exception as error:  # reported in the stream
        _put(error, ahead, gone)
    finally:
        _close(lines)


def _close(lines: Iterator[str]) -> None:
    close = getattr(lines, "close", None)
    if close:
        with contextlib.suppress(ValueError):  # a generator that the other thread is just running
            close()


def _put(item: object, ahead: queue.Queue[object], gone: threading.Event) -> bool:
    while not gone.is_set():
        try:
            ahead.put(item, timeout=_HEARTBEAT_SECONDS)
            return True
        except queue.Full:
            continue
    return False
