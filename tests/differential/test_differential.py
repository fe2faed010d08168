"""The same request to a bare azmlinfsrv and through amlemu: the same answer, or what a row says instead."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from differential_answers import Answer, Served, ask, asked_bare, comparable, expected_local, expected_managed
from differential_requests import Request, pairs, scripts
from known_differences import KNOWN_DIFFERENCES, Difference

PAIRS = pairs()


def test_there_are_enough_of_them() -> None:
    assert len(PAIRS) >= 300
    assert len({(script, one.name) for script, one in PAIRS}) == len(PAIRS)
    assert len(scripts()) >= 10


@pytest.mark.row("routing.paths", "routing.methods", "status.container_unreachable")
@pytest.mark.parametrize(
    ("script", "request_"), [pytest.param(*pair, id=f"{pair[0]}-{pair[1].name}") for pair in PAIRS]
)
def test_the_answer_is_the_bare_servers(served: Callable[[str], Served], script: str, request_: Request) -> None:
    ports = served(script)
    bare = comparable(ask(ports.bare, asked_bare(request_, ports.local_profile)))
    through = comparable(ask(ports.local, request_))
    check_same(through, expected_local(bare, request_, ports.local_profile))
    reached = asked_bare(request_, ports.managed_profile)
    if reached != request_:
        bare = comparable(ask(ports.bare, reached))
    through = comparable(ask(ports.managed, request_))
    check_same(through, expected_managed(bare, request_, ports.managed_profile))


@pytest.mark.parametrize("known", [pytest.param(known, id=known.request.name) for known in KNOWN_DIFFERENCES])
def test_a_known_difference_is_one_still(served: Callable[[str], Served], known: Difference) -> None:
    ports = served(known.script)
    bare = comparable(ask(ports.bare, known.request, half_closed=known.half_closed))
    through = comparable(ask(ports.local, known.request, half_closed=known.half_closed))
    assert bare is not None
    assert bare != through, "it is none any more: make it a pair"
    assert (through is not None and through.status == bare.status) == known.same_status


def test_every_known_difference_has_its_reason() -> None:
    assert all(len(known.reason) > 20 for known in KNOWN_DIFFERENCES)
    assert len({known.request.name for known in KNOWN_DIFFERENCES}) == len(KNOWN_DIFFERENCES)


def check_same(found: Answer | None, expected: Answer) -> None:
    """Equal in every byte; the parts one by one, so that a failure is short."""
    assert found is not None, "no answer"
    assert (found.status, found.reason) == (expected.status, expected.reason), found.body[:500]
    assert found.headers == expected.headers
    assert (found.chunked, found.whole, len(found.body)) == (expected.chunked, expected.whole, len(expected.body))
    assert found.body == expected.body
