"""The quotas of endpoints: requests per second, connections, bytes per second, length of a body (rows limits.*).

Enforced only when asked for, because most local tests do not want that; else the request log says what the cloud would
have done.
"""

from __future__ import annotations

from dataclasses import dataclass

from emulator.gateway.front_door import Rejected
from emulator.gateway.request import Request
from emulator.gateway.traffic_log import Exchange
from emulator.profiles import ScoringProfile

# The burst after which an idle endpoint is slowed (how the cloud smooths its limit is not documented).
_BURST_SECONDS = 1.0


class Bandwidth:
    """A limit of bytes per second, both directions together, that tells how long each piece has to wait.

    >>> wire = Bandwidth(1000)
    >>> [wire.delay_seconds(count, now=10.0) for count in (1000, 500, 500)]
    [0.0, 0.5, 1.0]
    >>> wire.delay_seconds(1000, now=20.0)
    0.0
    """

    def __init__(self, bytes_per_second: int) -> None:
        self._rate = bytes_per_second
        self._free_at = 0.0

    def delay_seconds(self, count: int, now: float) -> float:
        """Return how long `count` bytes that are available at `now` have to wait."""
        self._free_at = max(self._free_at, now - _BURST_SECONDS) + count / self._rate
        return max(0.0, self._free_at - now)


@dataclass(slots=True)
class _Meter:
    second: int = 0
    requests: int = 0
    bandwidth: Bandwidth | None = None


class Quotas:
    """The quotas of all endpoints, `enforced` or only noted in the request log."""

    def __init__(self, *, enforced: bool) -> None:
        self.enforced = enforced
        self._meters: dict[str, _Meter] = {}

    def reject(self, scoring: ScoringProfile, exchange: Exchange, *, excess_connection: bool) -> Rejected | None:
        """Reject a request beyond a quota, or note it in the log line where quotas are not enforced."""
        if excess_connection:
            exchange.warning = (
                f"the cloud would have refused this connection: it takes {scoring.connections} at once,"
                f" and {scoring.new_connections_per_second} new ones in a second"
            )
        if scoring.requests_per_second is not None and self._is_too_fast(scoring.requests_per_second, exchange):
            if self.enforced and scoring.too_fast is not None:
                return Rejected(scoring.too_fast, "limits.too_fast")
            exchange.warning = f"the cloud would have answered 429: more than {scoring.requests_per_second} requests/s"
        if scoring.request_bytes is not None and declared_length(exchange.request) > scoring.request_bytes:
            return self.reject_length(scoring, exchange)
        return None

    def reject_length(self, scoring: ScoringProfile, exchange: Exchange) -> Rejected | None:
        """Reject a body that is too long, or note it in the log line where quotas are not enforced."""
        if self.enforced and scoring.too_long is not None:
            return Rejected(scoring.too_long, "limits.too_long")
        exchange.warning = f"the cloud would have answered 413: the body is longer than {scoring.request_bytes} bytes"
        return None

    def bandwidth(self, scoring: ScoringProfile, exchange: Exchange) -> Bandwidth | None:
        """The limit that slows the bodies of this exchange, None without one."""
        if not self.enforced or scoring.bytes_per_second is None:
            return None
        meter = self._meters.setdefault(exchange.endpoint, _Meter())
        if meter.bandwidth is None:
            meter.bandwidth = Bandwidth(scoring.bytes_per_second)
        return meter.bandwidth

    def keep_only(self, endpoints: frozenset[str]) -> None:
        """Forget every other endpoint."""
        for name in self._meters.keys() - endpoints:
            del self._meters[name]

    def _is_too_fast(self, at_most: int, exchange: Exchange) -> bool:
        meter = self._meters.get(exchange.endpoint)
        if meter is None:
            meter = self._meters[exchange.endpoint] = _Meter()
        second = int(exchange.started)
        if second != meter.second:
            meter.second, meter.requests = second, 0
        meter.requests += 1
        return meter.requests > at_most


def declared_length(request: Request) -> int:
    """Return the Content-Length, 0 without one."""
    value = request.header(b"content-length")
    return int(value) if value.isdigit() else 0
