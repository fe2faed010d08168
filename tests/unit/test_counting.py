"""Counting what is let in, and who waits."""

from __future__ import annotations

import doctest

from hypothesis import given
from hypothesis import strategies as st

from emulator.routing import admission
from emulator.routing.admission import InFlight, Line

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


@given(st.lists(st.tuples(st.sampled_from(["join", "first", "any"]), st.sampled_from("ab")), max_size=100), st.data())
def test_who_came_first_goes_first(actions: list[tuple[str, str]], data: st.DataObject) -> None:
    line: Line[str, int] = Line()
    waiting: dict[str, list[int]] = {"a": [], "b": []}
    for number, (action, key) in enumerate(actions):
        if action == "join":
            line.join(key, number)
            waiting[key].append(number)
        elif waiting[key]:
            who = waiting[key][0] if action == "first" else data.draw(st.sampled_from(waiting[key]))
            assert line.leave(key, who)
            waiting[key].remove(who)
            assert not line.leave(key, who)
        assert line.first(key) == (waiting[key][0] if waiting[key] else None)
        assert line.length(key) == len(waiting[key])
