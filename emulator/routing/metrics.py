"""The last minute of an endpoint, for the values of Azure Monitor's metrics (row metrics.names).  Pure.

Times are seconds of a monotonic clock; latencies are milliseconds, sizes bytes.
"""

from __future__ import annotations

from array import array
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

WINDOW_SECONDS = 60
QUANTILES = (50, 90, 95, 99)


class Answered(NamedTuple):
    """The dimensions of RequestsPerMinute; `model_status` is None where no container answered."""

    deployment: str
    status: int
    model_status: int | None


@dataclass
class _Second:
    """The requests that were answered within one second."""

    second: int
    answered: Counter[Answered] = field(default_factory=Counter)
    latencies: dict[str, array[float]] = field(default_factory=dict)
    size: int = 0


@dataclass(frozen=True)
class Minute:
    """The last minute: counts of responses, latencies by deployment in rising order, bytes of bodies."""

    answered: Mapping[Answered, int]
    latencies: Mapping[str, Sequence[float]]
    network_bytes: int


class Window:
    """The last minute of one endpoint, kept by the second; older seconds are dropped."""

    def __init__(self) -> None:
        self._seconds: deque[_Second] = deque()

    def add(self, now: float, answered: Answered, latency_ms: float, size: int) -> None:
        """Count a request that was answered at `now`."""
        self._forget(now)
        if not self._seconds or self._seconds[-1].second < int(now):
            self._seconds.append(_Second(int(now)))
        current = self._seconds[-1]
        current.answered[answered] += 1
        current.size += size
        latencies = current.latencies.get(answered.deployment)
        if latencies is None:
            latencies = current.latencies[answered.deployment] = array("d")
        latencies.append(latency_ms)

    def minute(self, now: float) -> Minute:
        """Return the minute that ends at `now`."""
        self._forget(now)
        answered: Counter[Answered] = Counter()
        latencies: dict[str, list[float]] = {}
        for second in self._seconds:
            answered.update(second.answered)
            for deployment, values in second.latencies.items():
                latencies.setdefault(deployment, []).extend(values)
        in_order = {deployment: sorted(values) for deployment, values in latencies.items()}
        return Minute(dict(answered), in_order, sum(second.size for second in self._seconds))

    def _forget(self, now: float) -> None:
        while self._seconds and self._seconds[0].second <= now - WINDOW_SECONDS - 1:
            self._seconds.popleft()


@dataclass(frozen=True)
class EndpointMetrics:
    """The metrics of an endpoint: its last minute, its connections, and requests in flight by deployment.

    `names` are those that its target has (row metrics.names).
    """

    endpoint: str
    minute: Minute
    connections_active: int
    new_connections_per_second: float
    in_flight: dict[str, int]
    abandoned: dict[str, int]
    names: frozenset[str]


def quantile(in_order: Sequence[float], percent: int) -> float:
    """Return the value that `percent` of the values do not exceed (nearest rank).

    >>> [quantile([1.0, 2.0, 3.0, 4.0], percent) for percent in (50, 75, 99)]
    [2.0, 3.0, 4.0]
    """
    rank = -(-len(in_order) * percent // 100)
    return in_order[max(0, rank - 1)]
