"""The last minute of every endpoint, from the lines of the request log."""

from __future__ import annotations

import threading

from emulator.gateway.traffic_log import Exchange
from emulator.routing.metrics import Answered, Minute, Window


class Measured:
    """Filled by the writer of the request log, which has the time for it; read from any thread."""

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
        """The last minute of that endpoint; `now` is of time.perf_counter."""
        with self._lock:
            return self._windows.get(endpoint, Window()).minute(now)

    def keep_only(self, endpoints: frozenset[str]) -> None:
        """Forget every other endpoint."""
        with self._lock:
            for name in self._windows.keys() - endpoints:
                del self._windows[name]
