"""Streams of lines that notice when nobody listens any more."""

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
    """Each line as a JSON text on a line of its own, and an empty line now and then.

    The empty line is what tells the server that its client has gone: the source may be silent for hours.  It is read on
    a thread of its own, which ends when the source is closed: a source that can wait must allow that from here.
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
    except Exception as error:  # told to whoever reads the stream
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
