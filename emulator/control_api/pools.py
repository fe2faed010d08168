"""Thread pools, one per kind of request, so that no kind can take the threads of the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from waitress.task import ThreadedTaskDispatcher

from emulator.azure_paths import OWN_PATH
from emulator.control_api.bounded_streams import STREAMS
from emulator.control_api.refusal import Refusal
from emulator.control_api.statuses import STATUSES
from emulator.errors import EmulatorError, OperationInProgress, OutOfQuota

_HEALTH = f"{OWN_PATH}/health"
_READY = f"{OWN_PATH}/ready"
_PIECES = f"{OWN_PATH}/uploads/files/"
# The last words of the paths whose answers last: followed logs and operations, and downloads.
_LASTING = frozenset({"logs", "requests", "events", "collected", "insights", "content", "code", "context", "layout"})
_EXPLAIN = "/explain"  # changes nothing, and waits for a container's log
_READS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Room:
    """The largest number of threads, and of requests that wait for one."""

    threads: int
    waiting: int


ROOMS = {
    "health": Room(1, 1000),
    "strangers": Room(4, 1000),  # requests without a token, and readiness checks
    "streams": Room(STREAMS + 8, 32),  # some more, to answer the ones above the limit
    "pieces": Room(64, 64),  # of uploads, each of which may wait for the one before it
    "changes": Room(32, 256),
    "reads": Room(16, 1000),
}


def room_of(request: Any) -> str:
    """Return the pool for a request that was received whole."""
    if request.error is not None:
        return "strangers"
    if request.path == _HEALTH:
        return "health"
    if not request.is_known or request.path == _READY:
        return "strangers"
    return _room_of_known(request.command, request.path)


def _room_of_known(method: str, path: str) -> str:
    if method == "PATCH" and path.startswith(_PIECES):
        return "pieces"
    if method == "POST" and path.endswith(_EXPLAIN):
        return "streams"
    if method not in _READS:
        return "changes"
    return "streams" if path.rpartition("/")[2] in _LASTING else "reads"


class Pools:
    """Dispatches each request to the pool of its kind."""

    def __init__(self) -> None:
        self._pools = {name: _Pool(room) for name, room in ROOMS.items()}

    def add_task(self, channel: Any) -> None:
        """Queue the first request of the channel, or refuse it where too many wait."""
        name = room_of(channel.requests[0])
        if self._pools[name].is_full():
            error = _no_room(name)
            channel.requests[0].error = Refusal(STATUSES[type(error)], error, retry=True)
            name = "strangers"
        self._pools[name].add_task(channel)

    def shutdown(self) -> None:
        """End idle threads, and drop waiting requests."""
        for pool in self._pools.values():
            pool.shutdown(timeout=1)


class _Pool(ThreadedTaskDispatcher):
    """Threads that are started on demand."""

    def __init__(self, room: Room) -> None:
        super().__init__()
        self._room = room

    def is_full(self) -> bool:
        return len(self.queue) >= self._room.waiting

    def add_task(self, task: Any) -> None:
        with self.lock:
            self.queue.append(task)
            self.queue_cv.notify()
            count = len(self.threads)
            wanted = len(self.queue) > count - self.active_count
        if wanted and count < self._room.threads:
            self.set_thread_count(count + 1)


def _no_room(name: str) -> EmulatorError:
    if name == "pieces":
        message = "too many pieces of uploads wait for their turn"
        return OperationInProgress(message, target="uploads", hint="query how much was received, and continue there")
    return OutOfQuota(f"too many requests of this kind ({name}) wait for an answer", hint="try again in a moment")
