"""An endpoint's quotas: requests per second, connections, bytes per second, the length of a body (rows limits.*).

Held to when told so; else only said, in the request log, because a laptop is no cloud and most tests do not want it.
"""

from __future__ import annotations

from dataclasses import dataclass

from emulator.gateway.front_door import Refused
from emulator.gateway.request import Request
from emulator.gateway.traffic_log import Exchange
from emulator.profiles import ScoringProfile

# What an idle endpoint may send at once before it is slowed (how the cloud evens out its limit is not documented).
_BURST_SECONDS = 1.0


class Bandwidth:
    """Bytes per second, in and out together; each piece is told how long it has to wait.

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
        """How long `count` bytes have to wait that are there at `now`."""
        self._free_at = max(self._free_at, now - _BURST_SECONDS) + count / self._rate
        return max(0.0, self._free_at - now)


@dataclass(slots=True)
class _Meter:
    second: int = 0
    requests: int = 0
    bandwidth: Bandwidth | None = None


class Limits:
    """The quotas of all endpoints; `enforced` tells whether they are held to or only said."""

    def __init__(self, *, enforced: bool) -> None:
        self.enforced = enforced
        self._meters: dict[str, _Meter] = {}

    def refuse(self, scoring: ScoringProfile, exchange: Exchange, *, excess_connection: bool) -> Refused | None:
        """The refusal of a request beyond a quota; says it in the log line where quotas are not held to."""
        if excess_connection:
            exchange.warning = (
                f"the cloud would have refused this connection: it takes {scoring.connections} at once,"
                f" and {scoring.new_connections_per_second} new ones in a second"
            )
        if scoring.requests_per_second is not None and self._is_too_fast(scoring.requests_per_second, exchange):
            if self.enforced and scoring.too_fast is not None:
                return Refused(scoring.too_fast, "limits.too_fast")
            exchange.warning = f"the cloud would have answered 429: more than {scoring.requests_per_second} requests/s"
        if scoring.request_bytes is not None and declared_length(exchange.request) > scoring.request_bytes:
            return self.refuse_length(scoring, exchange)
        return None

    def refuse_length(self, scoring: ScoringProfile, exchange: Exchange) -> Refused | None:
        """The refusal of a body that is too long; says it in the log line where quotas are not held to."""
        if self.enforced and scoring.too_long is not None:
            return Refused(scoring.too_long, "limits.too_long")
        exchange.warning = f"the cloud would have answered 413: the body is longer than {scoring.request_bytes} bytes"
        return None

    def bandwidth(self, scoring: ScoringProfile, exchange: Exchange) -> Bandwidth | None:
        """What slows the bodies of this exchange; None where nothing does."""
        if not self.enforced or scoring.bytes_per_second is None:
            return None
        meter = self._meters.setdefault(exchange.endpoint, _Meter())
        if meter.bandwidth is None:
            meter.bandwidth = Bandwidth(scoring.bytes_per_second)
        return meter.bandwidth

    def keep_only(self, endpoints: frozenset[str]) -> None:
        """Forget what is known of every other endpoint."""
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
    """The length that the head gives for the body, 0 where it gives none."""
    value = request.header(b"content-length")
    return int(value) if value.isdigit() else 0
