"""A bound for streaming responses, each of which holds a thread, so that short requests always get one."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from emulator.control_api.api_version import API_VERSION, API_VERSION_HEADER
from emulator.control_api.statuses import STATUSES
from emulator.errors import OutOfQuota

STREAMS = 224
"""How many streams may be open at the same time: each holds a thread."""

StartResponse = Callable[..., Any]
Wsgi = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


def bounded_streams(app: Wsgi, most: int = STREAMS) -> Wsgi:
    """Return `app` with at most `most` concurrent responses of unknown length: followed logs and operations, downloads.

    One more is answered with OutOfQuota; its operation runs on all the same.
    """
    slots = threading.Semaphore(most)

    def bounded(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        started: list[Any] = []
        answer = app(environ, lambda *arguments, **more: started.append((arguments, more)))
        arguments, more = started[0]
        if any(name.lower() == "content-length" for name, _ in arguments[1]):
            start_response(*arguments, **more)
            return answer
        if not slots.acquire(blocking=False):
            _close(answer)
            return _refused(most, start_response)
        start_response(*arguments, **more)
        return _Stream(answer, slots)

    return bounded


class _Stream:
    """A response that frees its slot when the server closes it, which it does however the response ended."""

    def __init__(self, answer: Iterable[bytes], slots: threading.Semaphore) -> None:
        self._answer = answer
        self._slots = slots

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._answer)

    def close(self) -> None:
        try:
            _close(self._answer)
        finally:
            self._slots.release()


def _close(answer: Iterable[bytes]) -> None:
    close = getattr(answer, "close", None)
    if close:
        close()


def _refused(most: int, start_response: StartResponse) -> Iterable[bytes]:
    message = f"{most} callers follow logs and operations, or download, at this moment: there is no room for another"
    error = OutOfQuota(message, hint="try again when one has ended; an operation runs on without a follower")
    body = json.dumps({"error": error.to_dict()}).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    headers.append((API_VERSION_HEADER, API_VERSION))
    start_response(f"{STATUSES[OutOfQuota]} {error.code}", headers)
    return [body]
