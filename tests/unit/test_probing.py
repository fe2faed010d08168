"""Verdicts of probes and waits before restarts, for any results and any deaths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.entities import ProbeSettings, Target
from emulator.entities.probing import BackOff, CrashLoop, Deaths, ProbeAnswer, Verdict, next_due
from emulator.profiles import profile_of

SETTINGS = st.builds(ProbeSettings, success_threshold=st.integers(1, 5), failure_threshold=st.integers(1, 5))
RESULTS = st.lists(st.booleans(), max_size=40)
BACK_OFF = BackOff(initial=10.0, maximum=300.0, reset=600.0)


def verdict_of(results: list[bool], settings: ProbeSettings, *, passing: bool) -> Verdict:
    verdict = Verdict(passing)
    for result in results:
        verdict = verdict.after(result, settings)
    return verdict


@given(RESULTS, SETTINGS, st.booleans())
def test_a_verdict_is_that_of_the_last_long_enough_run(
    results: list[bool], settings: ProbeSettings, passing: bool
) -> None:
    """Said in another way than it is computed: look back for the last threshold's worth of equal results."""
    expected = passing
    for end in range(len(results), 0, -1):
        last = results[end - 1]
        needed = settings.success_threshold if last else settings.failure_threshold
        if results[:end][-needed:] == [last] * needed:
            expected = last
            break
    assert verdict_of(results, settings, passing=passing).passing is expected


@given(RESULTS, SETTINGS)
def test_failures_that_are_not_in_a_row_never_count_together(results: list[bool], settings: ProbeSettings) -> None:
    spread = [result for failed in results for result in (failed, True)]
    settings = settings.model_copy(update={"success_threshold": 1, "failure_threshold": settings.failure_threshold + 1})
    assert verdict_of(spread, settings, passing=True).passing


@given(RESULTS, SETTINGS, st.booleans())
def test_thresholds_of_one_follow_every_result(results: list[bool], settings: ProbeSettings, passing: bool) -> None:
    settings = settings.model_copy(update={"success_threshold": 1, "failure_threshold": 1})
    assert verdict_of(results, settings, passing=passing).passing is (results[-1] if results else passing)


@given(st.floats(0, 1e6), st.floats(0.1, 100), st.floats(0, 500))
def test_a_probe_is_due_a_period_later_but_never_in_the_past(due: float, period: float, took: float) -> None:
    then = next_due(due, period, due + took)
    assert then >= due + took
    assert then == due + period or took >= period


DEATHS = st.lists(st.tuples(st.floats(0, 1200), st.booleans()), max_size=60)


@given(DEATHS)
def test_the_first_restart_is_at_once_and_waits_only_grow_without_a_long_run(deaths: list[tuple[float, bool]]) -> None:
    state, waited = Deaths(), 0.0
    for ran, was_ready in deaths:
        first = state == Deaths() or ran > BACK_OFF.reset
        state = state.after(ran, BACK_OFF, was_ready=was_ready)
        wait = state.wait_seconds(BACK_OFF)
        assert 0 <= wait <= BACK_OFF.maximum
        assert wait == 0 if first else wait in (BACK_OFF.initial, min(2 * waited, BACK_OFF.maximum))
        waited = wait
    assert state.never_ready <= len(deaths)


@pytest.mark.row("probes.restart_back_off")
@pytest.mark.parametrize("target", ["managed", "kubernetes", "aks", "aci"])
def test_the_waits_of_every_target(target: Target) -> None:
    back_off = profile_of(target).probes.back_off
    state, waits = Deaths(), []
    for _ in range(9):
        state = state.after(1.0, back_off, was_ready=True)
        waits.append(state.wait_seconds(back_off))
    assert waits == [0, 10, 20, 40, 80, 160, 300, 300, 300]
    assert state.after(600.5, back_off, was_ready=True).wait_seconds(back_off) == 0
    assert state.after(599.5, back_off, was_ready=True).wait_seconds(back_off) == 300


def test_waits_do_not_overflow() -> None:
    assert Deaths(in_a_row=10_000).wait_seconds(BACK_OFF) == 300


@pytest.mark.row("probes.crash_loop")
def test_crash_loops() -> None:
    limit = profile_of("managed").probes.crash_loop
    assert limit == CrashLoop(never_ready=3, restarts=5)
    assert [Deaths(4, n).are_crash_loop(limit) for n in (0, 2, 3, 4)] == [False, False, True, True]
    assert [Deaths(n, 0).are_crash_loop(limit) for n in (1, 5, 6)] == [False, False, True]
    assert Deaths(1, 0).are_crash_loop(profile_of("local").probes.crash_loop)


def test_becoming_ready_forgets_the_starts_that_failed() -> None:
    state = Deaths(in_a_row=3, never_ready=2)
    assert state.after(5.0, BACK_OFF, was_ready=False).never_ready == 3
    assert state.after(5.0, BACK_OFF, was_ready=True).never_ready == 0


@pytest.mark.row("probes.passing_status")
@given(st.integers(0, 999))
def test_only_200_passes(status: int) -> None:
    passing = {profile_of(target).probes.passing_status for target in ("managed", "kubernetes", "aks", "aci", "local")}
    assert passing == {200}
    assert ProbeAnswer(status).passes(200) is (status == 200)


def test_probe_results_in_the_words_of_kubernetes() -> None:
    assert str(ProbeAnswer(502)) == "HTTP probe failed with statuscode: 502"
    assert str(ProbeAnswer(0, "connection refused")) == "connection refused"


@given(st.builds(ProbeSettings, period=st.integers(1, 99)), SETTINGS)
def test_defaults_of_missing_fields(given_settings: ProbeSettings, defaults: ProbeSettings) -> None:
    partial = ProbeSettings(period=given_settings.period)
    assert partial.over(defaults) == defaults.model_copy(update={"period": given_settings.period})
    assert ProbeSettings().over(defaults) == defaults
