"""The last minute of an endpoint."""

from __future__ import annotations

import doctest

from hypothesis import given
from hypothesis import strategies as st

from emulator.routing import metrics
from emulator.routing.metrics import Answered, Window, quantile

BLUE = Answered("blue", 200, 200)
times = st.lists(st.floats(0, 300, allow_nan=False), min_size=1, max_size=60).map(sorted)


def test_the_examples() -> None:
    assert doctest.testmod(metrics).failed == 0


@given(times, st.floats(0, 100))
def test_a_minute_is_a_minute(when: list[float], later: float) -> None:
    """Whole seconds are kept, so what is a little older than a minute may still be there, and nothing older."""
    window = Window()
    for moment in when:
        window.add(moment, BLUE, moment, 10)
    now = when[-1] + later
    minute = window.minute(now)
    count = minute.answered.get(BLUE, 0)
    assert sum(moment > now - 60 for moment in when) <= count <= sum(moment >= now - 62 for moment in when)
    assert minute.network_bytes == 10 * count
    latencies = minute.latencies.get("blue", [])
    assert list(latencies) == sorted(when)[len(when) - count :]


@given(st.lists(st.floats(0, 1e6), min_size=1), st.integers(1, 100))
def test_a_quantile_is_not_exceeded_by_its_percent(values: list[float], percent: int) -> None:
    in_order = sorted(values)
    found = quantile(in_order, percent)
    assert sum(value <= found for value in in_order) * 100 >= percent * len(in_order)
    assert sum(value < found for value in in_order) * 100 < percent * len(in_order)
