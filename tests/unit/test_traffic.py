"""Which deployment gets a request, and which of its instances."""

from __future__ import annotations

import doctest
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.routing import traffic

draws = st.floats(min_value=0, max_value=1, exclude_max=True)
weights = st.dictionaries(st.sampled_from(["blue", "green", "red", "grey"]), st.integers(0, 100))


def test_the_examples() -> None:
    assert doctest.testmod(traffic) == doctest.TestResults(failed=0, attempted=5)


@given(weights, draws)
def test_only_a_positive_weight_is_chosen(by_name: dict[str, int], draw: float) -> None:
    chosen = traffic.choose_deployment(by_name, draw)
    if any(by_name.values()):
        assert chosen is not None
        assert by_name[chosen] > 0
    else:
        assert chosen is None


def test_each_deployment_gets_its_share() -> None:
    chosen = Counter(traffic.choose_deployment({"blue": 70, "off": 0, "green": 30}, n / 1000) for n in range(1000))
    assert chosen == {"blue": 700, "green": 300}


def test_weights_that_do_not_add_up_are_shares_of_their_sum() -> None:
    chosen = Counter(traffic.choose_deployment({"blue": 10, "green": 30}, n / 1000) for n in range(1000))
    assert chosen == {"blue": 250, "green": 750}


@pytest.mark.parametrize("draw", [0.0, 0.5, 1.0 - 2**-53])
def test_a_lone_deployment_gets_everything(draw: float) -> None:
    assert traffic.choose_deployment({"blue": 1}, draw) == "blue"


def test_no_deployments() -> None:
    assert traffic.choose_deployment({}, 0.5) is None


@given(st.lists(st.integers(0, 9), min_size=1), st.integers(0, 10**9))
def test_the_least_busy_instance_is_chosen(in_flight: list[int], turn: int) -> None:
    index = traffic.least_busy(in_flight, turn)
    assert index is not None
    assert in_flight[index] == min(in_flight)


@given(st.integers(1, 20))
def test_equally_busy_instances_take_turns(count: int) -> None:
    chosen = [traffic.least_busy([3] * count, turn) for turn in range(count)]
    assert chosen == list(range(count))


def test_no_instances() -> None:
    assert traffic.least_busy([], 0) is None
