"""The pace at which starting containers are looked at."""

from __future__ import annotations

import pytest

from emulator.workspace.running.readiness import POLL_SECONDS, Polling


class Paused(Polling):
    """Remembers its pauses, in seconds."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        super().__init__(lambda: 0.0, self.pauses.append)

    def last(self) -> float:
        self.pause()
        return self.pauses[-1]


def test_a_few_are_looked_at_as_often_as_one() -> None:
    polling = Paused()
    assert polling.last() == POLL_SECONDS
    with polling.waiting_for(2), polling.waiting_for(3):
        assert polling.last() == POLL_SECONDS


def test_many_together_ask_no_more_often() -> None:
    polling = Paused()
    with polling.waiting_for(20), polling.waiting_for(30):
        assert polling.last() == pytest.approx(10 * POLL_SECONDS)
    assert polling.last() == POLL_SECONDS


def test_a_failure_ends_the_wait() -> None:
    polling = Paused()
    with pytest.raises(ValueError, match="dead"), polling.waiting_for(50):
        raise ValueError("dead")
    assert polling.last() == POLL_SECONDS
