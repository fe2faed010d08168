"""The choice of a deployment for a request, and of an instance."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence


def choose_deployment(weights: Mapping[str, int], draw: float) -> str | None:
    """Choose the deployment for a request; None when no weight is positive.

    `weights` are percent by deployment name; `draw` is a number in [0, 1), a random one for each request where the
    selection is not sticky (rows traffic.weights_sum, traffic.per_request).  Weights need not add up to 100.

    >>> choose_deployment({"blue": 90, "green": 10}, 0.89)
    'blue'
    >>> choose_deployment({"blue": 90, "green": 10}, 0.9)
    'green'
    """
    mark = draw * sum(weight for weight in weights.values() if weight > 0)
    last = None
    for name, weight in weights.items():
        if weight > 0:
            last = name
            if mark < weight:
                return name
            mark -= weight
    return last


def draw_of(caller: str) -> float:
    """Return the number in [0, 1) that always chooses the same deployment for a caller (row traffic.per_request).

    >>> draw_of("127.0.0.1") == draw_of("127.0.0.1") != draw_of("127.0.0.2")
    True
    """
    return zlib.crc32(caller.encode()) / 2**32


def least_busy(in_flight: Sequence[int], turn: int) -> int | None:
    """Return the index of the instance with the fewest requests in flight, None without instances.

    `in_flight` counts requests by instance; `turn` is a number that goes up by one with each request, so that equally
    busy instances take turns.

    >>> least_busy([2, 0, 1], 7)
    1
    >>> [least_busy([0, 0, 0], turn) for turn in range(4)]
    [0, 1, 2, 0]
    """
    count = len(in_flight)
    if count <= 1:
        return 0 if count else None
    return min(range(count), key=lambda index: (in_flight[index], (index - turn) % count))
