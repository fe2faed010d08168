"""Counts of requests in flight, and queues of those that wait."""

from __future__ import annotations

import doctest

from hypothesis import given
from hypothesis import strategies as st

from emulator.routing import admission
from emulator.routing.admission import InFlight, WaitQueue

steps = st.lists(st.tuples(st.sampled_from(["enter", "leave"]), st.sampled_from("ab")), max_size=200)


def test_the_examples() -> None:
    assert doctest.testmod(admission).failed == 0


@given(steps, st.one_of(st.none(), st.integers(0, 5)))
def test_no_more_than_the_bound_is_ever_in_flight(actions: list[tuple[str, str]], bound: int | None) -> None:
    flight: InFlight[str] = InFlight()
    inside = {"a": 0, "b": 0}
    for action, key in actions:
        if action == "enter":
            let_in = flight.enter(key, bound)
            assert let_in is (bound is None or inside[key] < bound)
            inside[key] += let_in
        elif inside[key]:
            flight.leave(key)
            inside[key] -= 1
        assert flight.counts == {name: count for name, count in inside.items() if count}


@given(st.lists(st.tuples(st.sampled_from(["add", "first", "any"]), st.sampled_from("ab")), max_size=100), st.data())
def test_the_queue_is_first_in_first_out(actions: list[tuple[str, str]], data: st.DataObject) -> None:
    queue: WaitQueue[str, int] = WaitQueue()
    waiting: dict[str, list[int]] = {"a": [], "b": []}
    for number, (action, key) in enumerate(actions):
        if action == "add":
            queue.add(key, number)
            waiting[key].append(number)
        elif waiting[key]:
            item = waiting[key][0] if action == "first" else data.draw(st.sampled_from(waiting[key]))
            assert queue.remove(key, item)
            waiting[key].remove(item)
            assert not queue.remove(key, item)
        assert queue.first(key) == (waiting[key][0] if waiting[key] else None)
        assert queue.length(key) == len(waiting[key])
