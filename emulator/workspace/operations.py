"""Long operations: each on its own thread, with its events kept for followers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from emulator.errors import EmulatorError, OperationCanceled, ResourceNotFound
from emulator.secret import mask_credentials
from emulator.workspace.effects import Progress

_KEPT = 200
_EVENTS_KEPT = 20_000
_HEARTBEAT_SECONDS = 1.0

Event = dict[str, str]
"""`kind` (`step` or `log`) and `text`."""


@dataclass
class Operation:
    """One long operation: `status` is InProgress, Succeeded, Failed or Canceled, as in Azure's polling answers.

    `result` is the return value of its work.  Times are UTC, in ISO 8601.
    """

    id: str
    started_at: str
    ended_at: str | None = None
    status: str = "InProgress"
    result: Any = None
    error: EmulatorError | None = None
    events: list[Event] = field(default_factory=list)
    canceled: threading.Event = field(default_factory=threading.Event)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def follow(self, after: int = 0) -> Iterator[Event | None]:
        """Yield the events after the first `after` as they come, until the operation ends; None as a heartbeat."""
        seen = after
        while True:
            with self.changed:
                if seen >= len(self.events) and self.status == "InProgress":
                    self.changed.wait(_HEARTBEAT_SECONDS)
                new, ended = self.events[seen:], self.status != "InProgress"
            seen += len(new)
            if new:
                yield from new
            elif ended:
                return
            else:
                yield None

    def wait(self, timeout_seconds: float) -> None:
        """Wait until the operation has ended, at most that long."""
        with self.changed:
            self.changed.wait_for(lambda: self.status != "InProgress", timeout_seconds)


class Operations:
    """The last few hundred operations of this server."""

    def __init__(
        self, new_id: Callable[[], str], report: Callable[[BaseException], None], now: Callable[[], str]
    ) -> None:
        self._new_id = new_id
        self._report = report
        self._now = now
        self._operations: dict[str, Operation] = {}
        self._lock = threading.Lock()

    def start(self, work: Callable[[Progress], Any]) -> Operation:
        """Run `work` on a thread; its result or its error ends the operation."""
        operation = Operation(self._new_id(), self._now())
        with self._lock:
            self._operations[operation.id] = operation
            for old in [o.id for o in list(self._operations.values())[:-_KEPT] if o.status != "InProgress"]:
                del self._operations[old]
        threading.Thread(
            target=self._run, args=(operation, work), name=f"operation-{operation.id}", daemon=True
        ).start()
        return operation

    def get(self, operation_id: str) -> Operation:
        """Return that operation; raise ResourceNotFound."""
        with self._lock:
            operation = self._operations.get(operation_id)
        if operation is None:
            raise ResourceNotFound("there is no such operation", target=f"operation {operation_id}")
        return operation

    def cancel(self, operation_id: str) -> None:
        """Cancel an operation; it ends as Canceled soon after, unless its work is already done."""
        self.get(operation_id).canceled.set()

    def cancel_all(self, timeout_seconds: float) -> None:
        """Cancel every operation and wait until all have ended, at most that long."""
        with self._lock:
            operations = [o for o in self._operations.values() if o.status == "InProgress"]
        for operation in operations:
            operation.canceled.set()
        deadline = time.monotonic() + timeout_seconds
        for operation in operations:
            operation.wait(max(0.0, deadline - time.monotonic()))

    def _run(self, operation: Operation, work: Callable[[Progress], Any]) -> None:
        try:
            result = work(Progress(_writer(operation), operation.canceled))
        except EmulatorError as error:
            status = "Canceled" if isinstance(error, OperationCanceled) else "Failed"
            self._end(operation, status, error=error)
        except Exception as error:  # our bug: reported as such, with its traceback in the server log
            self._report(error)
            told = EmulatorError(f"{type(error).__name__}: {error}", hint="this is a bug of amlemu; see server.log")
            self._end(operation, "Failed", error=told)
        else:
            self._end(operation, "Succeeded", result=result)

    def _end(
        self, operation: Operation, status: str, *, result: Any = None, error: EmulatorError | None = None
    ) -> None:
        with operation.changed:
            operation.result, operation.error, operation.ended_at = result, error, self._now()
            operation.status = status
            operation.changed.notify_all()


def _writer(operation: Operation) -> Callable[[str, str], None]:
    def write(kind: str, text: str) -> None:
        with operation.changed:
            if len(operation.events) < _EVENTS_KEPT:
                operation.events.append({"kind": kind, "text": mask_credentials(text)})
            operation.changed.notify_all()

    return write
