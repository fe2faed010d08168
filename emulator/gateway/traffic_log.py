"""One line for each request, in the columns of AmlOnlineEndpointTrafficLog (contract/managed §9)."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

WriteLine = Callable[[str, dict[str, Any]], None]
"""Takes an endpoint's name and one line."""

# The workspace that amlemu stands for.
WORKSPACE_COLUMNS: Mapping[str, str] = {
    "SubscriptionId": "00000000-0000-0000-0000-000000000000",
    "AzureMLWorkspaceId": "",
    "AzureMLWorkspaceName": "amlemu",
}
FORM_WARNING = (
    "run() of an undecorated script receives an empty string for form-encoded bodies;"
    " send Content-Type: application/json"
)
_USER_AGENT_CHARACTERS = 70
# Lines wait this long for others, so that the writer wakes at most twenty times a second.
_GATHER_SECONDS = 0.05

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Exchange:
    """One request as it goes on; the gateway fills it in.  Times are seconds of time.perf_counter, sizes are bytes.

    `path` is without the query string, which may hold a credential.  `reason` is the id of the row that answered when
    the container did not.
    """

    endpoint: str
    method: str
    path: str
    protocol: str
    started: float
    deployment: str = ""
    status: int = 0
    reason: str = ""
    model_status: int | None = None
    request_size: int = 0
    response_size: int = 0
    user_agent: str = ""
    request_id: str = ""
    client_request_id: str = ""
    auth_type: str = ""
    identity: str = ""
    request_received: float = 0.0
    response_began: float = 0.0
    warning: str = ""


def line_of(exchange: Exchange, ended: float, now: datetime) -> dict[str, Any]:
    """The line of a finished request.

    Durations are milliseconds from the request's start: TotalDurationMs to the last byte sent, RequestDurationMs to
    the last byte received from the caller, ResponseDurationMs to the first byte from the container.  `Warning` is an
    addition of amlemu, there only when there is something to say (contract/v1 §2.2, why a token was refused).
    """
    line = {
        "TimeGenerated": now.astimezone(timezone.utc).isoformat(timespec="milliseconds"),
        **WORKSPACE_COLUMNS,
        "Method": exchange.method,
        "Path": exchange.path,
        "EndpointName": exchange.endpoint,
        "DeploymentName": exchange.deployment,
        "Protocol": exchange.protocol,
        "ResponseCode": exchange.status,
        "ResponseCodeReason": exchange.reason,
        "ModelStatusCode": exchange.model_status,
        "ModelStatusReason": "",
        "RequestPayloadSize": exchange.request_size,
        "ResponsePayloadSize": exchange.response_size,
        "UserAgent": exchange.user_agent[:_USER_AGENT_CHARACTERS],
        "XRequestId": exchange.request_id,
        "XMSClientRequestId": exchange.client_request_id,
        "TotalDurationMs": _milliseconds(exchange.started, ended),
        "RequestDurationMs": _milliseconds(exchange.started, exchange.request_received),
        "ResponseDurationMs": _milliseconds(exchange.started, exchange.response_began),
        "RequestThrottlingDelayMs": 0,
        "ResponseThrottlingDelayMs": 0,
        "AuthType": exchange.auth_type,
        "IdentityData": exchange.identity,
    }
    if exchange.warning:
        line["Warning"] = exchange.warning
    return line


def _milliseconds(start: float, end: float) -> float:
    return round((end - start) * 1000, 3) if end else 0.0


class TrafficLog:
    """A bounded queue of lines and the one thread that writes them; adding never blocks, what does not fit is counted.

    `write_line` is called on that thread only.  A line that it fails on is counted as dropped too.
    """

    def __init__(self, write_line: WriteLine, capacity: int = 10_000) -> None:
        self._write_line = write_line
        self._capacity = capacity
        self._lines: deque[tuple[str, dict[str, Any]]] = deque()
        self._waiting = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="amlemu-traffic-log", daemon=True)
        self.dropped = 0

    def start(self) -> None:
        """Start the writer."""
        self._thread.start()

    def add(self, endpoint: str, line: dict[str, Any]) -> None:
        """Queue one line, or drop it when the writer is too far behind."""
        if len(self._lines) >= self._capacity:
            self.dropped += 1
            return
        self._lines.append((endpoint, line))
        if not self._waiting.is_set():
            self._waiting.set()

    def close(self) -> None:
        """Write what is queued and end the writer."""
        self._closed.set()
        self._waiting.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.is_set():
            self._waiting.wait()
            self._closed.wait(_GATHER_SECONDS)
            self._waiting.clear()
            self._write_all()
        self._write_all()

    def _write_all(self) -> None:
        while self._lines:
            endpoint, line = self._lines.popleft()
            try:
                self._write_line(endpoint, line)
            except Exception:  # the writer must outlive whatever a line meets
                self.dropped += 1
                _log.exception("a line of the traffic log of endpoint %s was not written", endpoint)
