"""Stream a container's stdout and stderr as lines of text."""

from __future__ import annotations

import contextlib
import struct
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPException

import requests
import urllib3.exceptions

from emulator.system.text_lines import split_lines

_HEADER = struct.Struct(">BxxxL")


class LogLines(Iterator[str]):
    """The lines of a log that the engine streams, without their ends.

    `close` releases the connection and may be called from another thread, which a generator does not allow: it ends
    an iteration that waits for a quiet container.  `at_end` is called once when the stream ends by itself.
    """

    def __init__(self, response: requests.Response, at_end: Callable[[], None]) -> None:
        self._response = response
        self._lines = split_lines(frames(response.raw.read))
        self._at_end = at_end
        self._closed = False
        self._reading = threading.Lock()

    def __iter__(self) -> LogLines:
        return self

    def __next__(self) -> str:
        line = self._next_line()
        if line is not None:
            return line
        closed_by_caller = self._closed
        self.close()
        if not closed_by_caller:
            self._at_end()
        raise StopIteration

    def _next_line(self) -> str | None:
        try:
            with self._reading:
                return next(self._lines, None)
        except (OSError, ValueError, HTTPException, urllib3.exceptions.HTTPError):
            return None  # closed by its caller, or the engine went away: `at_end` finds out

    def close(self) -> None:
        """End the iteration and release the connection."""
        self._closed = True
        # Only this wakes a thread that reads; the other side may have closed first.
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            self._response.raw.shutdown()
        # http.client breaks when its socket is taken away while it reads.
        with self._reading:
            self._response.close()


def frames(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Yield the contents of the engine's multiplexed stream: a header with stream and length before each piece."""
    while len(header := read(_HEADER.size)) == _HEADER.size:
        _stream, length = _HEADER.unpack(header)
        yield read(length)
