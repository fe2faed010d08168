"""The traffic log: a line for each request, as in AmlOnlineEndpointTrafficLog (row logs.traffic_columns)."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from emulator.azure_paths import SUBSCRIPTION, WORKSPACE
from emulator.gateway.request import Request
from emulator.profiles import LogProfile
from emulator.routing.metrics import Answered, Minute, Window

WriteLine = Callable[[str, dict[str, Any]], None]
"""Takes an endpoint's name and one line."""

# The workspace that amlemu emulates.
WORKSPACE_COLUMNS: Mapping[str, str] = {
    "SubscriptionId": SUBSCRIPTION,
    "AzureMLWorkspaceId": "",
    "AzureMLWorkspaceName": WORKSPACE,
}
FORM_WARNING = (
    "run() of an undecorated script receives an empty string for form-encoded bodies;"
    " send Content-Type: application/json"
)
_FORM = b"application/x-www-form-urlencoded"
_SCORE_PATH = b"/score"
# Lines are gathered this long, so that the writer wakes at most twenty times a second.
_GATHER_SECONDS = 0.05

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Exchange:
    """A request and its response, filled in as they proceed.  Times are seconds of time.perf_counter, sizes bytes.

    `path` is without the query string, which may hold a credential.  `reason` is the id of the row that answered when
    the container did not, `model_reason` the reason header of the response.  `by_weight` tells that the weights chose
    the deployment, `mirrored` marks a copy whose response is discarded.  `id_line` is the header line of `request_id`
    where the front door sets that, `logs` says which columns are written.
    """

    endpoint: str
    request: Request
    path: bytes
    started: float
    request_id: str
    auth_type: str
    logs: LogProfile
    id_line: bytes = b""
    identity: str = ""
    deployment: str = ""
    by_weight: bool = False
    mirrored: bool = False
    status: int = 0
    reason: str = ""
    model_reason: str = ""
    warning: str = ""
    model_status: int | None = None
    request_size: int = 0
    response_size: int = 0
    request_received: float = 0.0
    response_began: float = 0.0
    request_delay_ms: int = 0
    response_delay_ms: int = 0
    ended: float = 0.0


def line_of(exchange: Exchange, time_generated: datetime) -> dict[str, Any]:
    """Return the line of a finished request.

    Durations are milliseconds from the request's start: TotalDurationMs to the last byte sent, RequestDurationMs to
    the last byte received from the caller, ResponseDurationMs to the first byte from the container.  `Warning` and
    `Mirrored` are additions of amlemu, present only where they apply.
    """
    request, started = exchange.request, exchange.started
    line: dict[str, Any] = {
        "TimeGenerated": time_generated.astimezone(timezone.utc).isoformat(timespec="milliseconds"),
        **WORKSPACE_COLUMNS,
        "Method": request.method,
        "Path": _text(exchange.path),
        "EndpointName": exchange.endpoint,
        "DeploymentName": exchange.deployment,
        "Protocol": f"HTTP/{request.version}",
        "ResponseCode": exchange.status,
        "ResponseCodeReason": exchange.reason,
        "ModelStatusCode": exchange.model_status,
        "ModelStatusReason": exchange.model_reason,
        "RequestPayloadSize": exchange.request_size,
        "ResponsePayloadSize": exchange.response_size,
        "UserAgent": _text(request.header(b"user-agent"))[: exchange.logs.user_agent_characters],
        "XRequestId": exchange.request_id,
        "XMSClientRequestId": _text(request.header(b"x-ms-client-request-id")),
        "TotalDurationMs": _milliseconds(started, exchange.ended),
        "RequestDurationMs": _milliseconds(started, exchange.request_received),
        "ResponseDurationMs": _milliseconds(started, exchange.response_began),
        "RequestThrottlingDelayMs": exchange.request_delay_ms,
        "ResponseThrottlingDelayMs": exchange.response_delay_ms,
        "AuthType": exchange.auth_type,
        "IdentityData": exchange.identity,
    }
    if not exchange.logs.has_all_columns:
        line = {column: line[column] for column in exchange.logs.columns}
    warning = exchange.warning or (FORM_WARNING if _arrives_empty(exchange) else "")
    if warning:
        line["Warning"] = warning
    if exchange.mirrored:
        line["Mirrored"] = True
    return line


def _arrives_empty(exchange: Exchange) -> bool:
    """Whether a form was sent to be scored, which reaches an undecorated script empty (row server.body_as_text)."""
    request = exchange.request
    scored = request.method == "POST" and exchange.path == _SCORE_PATH and exchange.model_status is not None
    return scored and request.header(b"content-type").startswith(_FORM)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _milliseconds(start: float, end: float) -> float:
    return round((end - start) * 1000, 3) if end else 0.0


class TrafficLog:
    """A bounded queue of finished requests and the thread that writes their lines.

    Adding never blocks; lines that do not fit, or that cannot be written, are counted as dropped.  `measure` and then
    `write_line` are called on that thread only.
    """

    def __init__(
        self, write_line: WriteLine, measure: Callable[[Exchange], None] = lambda _: None, capacity: int = 10_000
    ) -> None:
        self._write_line = write_line
        self._measure = measure
        self._capacity = capacity
        self._exchanges: deque[Exchange] = deque()
        self._waiting = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="amlemu-traffic-log", daemon=True)
        self.dropped = 0

    def start(self) -> None:
        """Start the writer."""
        self._thread.start()

    def add(self, exchange: Exchange) -> None:
        """Queue one line, or drop it when the writer is too far behind."""
        if len(self._exchanges) >= self._capacity:
            self.dropped += 1
            return
        self._exchanges.append(exchange)
        if not self._waiting.is_set():
            self._waiting.set()

    def close(self) -> None:
        """Write what is queued and end the writer."""
        self._closed.set()
        self._waiting.set()
        self._thread.join()

    def _run(self) -> None:
        """Write every twentieth of a second while lines arrive, else wait for one."""
        while not self._closed.is_set():
            self._waiting.wait()
            self._closed.wait(_GATHER_SECONDS)
            if not self._write_all():
                self._waiting.clear()
                self._write_all()  # a line added before clear() has not woken this thread
        self._write_all()

    def _write_all(self) -> int:
        """Write the queued lines; return their number."""
        written = 0
        since = time.time() - time.perf_counter()
        while self._exchanges:
            exchange = self._exchanges.popleft()
            written += 1
            try:
                self._measure(exchange)
                time_generated = datetime.fromtimestamp(since + exchange.ended, timezone.utc)
                self._write_line(exchange.endpoint, line_of(exchange, time_generated))
            except Exception:  # the writer must survive any error of one line
                self.dropped += 1
                _log.exception("a line of the traffic log of endpoint %s was not written", exchange.endpoint)
        return written


class RecentRequests:
    """The last minute of every endpoint, from the finished requests; filled on the writer's thread, read from any."""

    def __init__(self) -> None:
        self._windows: dict[str, Window] = {}
        self._lock = threading.Lock()

    def add(self, exchange: Exchange) -> None:
        """Count a finished request."""
        answered = Answered(exchange.deployment, exchange.status, exchange.model_status)
        latency_ms = (exchange.ended - exchange.started) * 1000
        size = exchange.request_size + exchange.response_size
        with self._lock:
            window = self._windows.setdefault(exchange.endpoint, Window())
            window.add(exchange.ended, answered, latency_ms, size)

    def minute(self, endpoint: str, now: float) -> Minute:
        """Return the last minute of that endpoint; `now` is of time.perf_counter."""
        with self._lock:
            return self._windows.get(endpoint, Window()).minute(now)

    def keep_only(self, endpoints: frozenset[str]) -> None:
        """Forget every other endpoint."""
        with self._lock:
            for name in self._windows.keys() - endpoints:
                del self._windows[name]
