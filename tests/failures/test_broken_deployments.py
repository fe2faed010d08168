"""The first line about a failure names its cause, the second what to do: a corpus of broken deployments."""

from __future__ import annotations

from concurrent.futures import Future

import pytest
from broken import REQUESTS, RUNS, SLOW_STARTS, STARTS, BrokenRequest, BrokenStart

Told = tuple[str, str, str]
_SECONDS = 120


def check(told: Future[Told], broken: BrokenStart | BrokenRequest) -> None:
    endpoint, cause, hint = told.result(_SECONDS)
    for part in broken.cause:
        assert part in cause, f"{part!r} is not in {cause!r}"
    for part in broken.hint:
        assert part.replace("{endpoint}", endpoint) in hint, f"{part!r} is not in {hint!r}"
    assert "\n" not in cause + hint
    assert "****" not in hint, "a hint that is masked tells nobody anything"


def test_the_corpus_is_large() -> None:
    assert set(STARTS) > SLOW_STARTS
    assert len(STARTS) - len(SLOW_STARTS) + len(REQUESTS) + len(RUNS) >= 60


@pytest.mark.parametrize(
    "fault", [pytest.param(name, marks=pytest.mark.slow if name in SLOW_STARTS else ()) for name in STARTS]
)
def test_a_broken_start(starts: dict[str, Future[Told]], fault: str) -> None:
    check(starts[fault], STARTS[fault])


@pytest.mark.parametrize("fault", REQUESTS)
def test_a_broken_request(requests_told: dict[str, Future[Told]], fault: str) -> None:
    check(requests_told[fault], REQUESTS[fault])


@pytest.mark.parametrize("fault", RUNS)
def test_a_broken_run(runs: dict[str, Future[Told]], fault: str) -> None:
    check(runs[fault], RUNS[fault][1])
