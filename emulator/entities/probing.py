"""The logic of probes and restarts, as values: verdicts from results, delays from deaths.

The rules are those of Kubernetes, which managed endpoints run on (rows probes.*): a verdict changes after
a number of equal results in a row; a dead container is restarted at once the first time, then after delays that double.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from emulator.entities import ProbeSettings

_MOST_DOUBLINGS = 30


@dataclass(frozen=True)
class ProbeAnswer:
    """The result of a probe: the status, or 0 with the reason in `failure`, in the words of Kubernetes' prober."""

    status: int
    failure: str = ""

    def passes(self, passing_status: int = HTTPStatus.OK) -> bool:
        """Return whether the probe succeeded."""
        return self.status == passing_status

    def __str__(self) -> str:
        return self.failure or f"HTTP probe failed with statuscode: {self.status}"


@dataclass(frozen=True)
class Verdict:
    """The verdict of a probe's results: the last `run` of them were all `last`, None before the first."""

    passing: bool
    last: bool | None = None
    run: int = 0

    def after(self, passed: bool, settings: ProbeSettings) -> Verdict:
        """Return the verdict after one more result: it changes when the threshold is reached."""
        run = self.run + 1 if passed is self.last else 1
        threshold = settings.success_threshold if passed else settings.failure_threshold
        return Verdict(passed if run >= threshold else self.passing, passed, run)


def next_due(due: float, period: float, now: float) -> float:
    """Return when the next probe is due after the one due at `due` ended at `now`: at once when it took too long."""
    return max(due + period, now)


@dataclass(frozen=True)
class BackOff:
    """The delay of a restart in seconds: none at first, then `initial`, doubled each time.

    A container that ran for longer than `reset` starts over.
    """

    initial: float
    maximum: float
    reset: float


@dataclass(frozen=True)
class CrashLoop:
    """When restarts are a crash loop: that many deaths in a row before readiness, or at all."""

    never_ready: int
    restarts: int


@dataclass(frozen=True)
class Deaths:
    """The deaths of one instance: `in_a_row` without a long run between, the last `never_ready` without any success."""

    in_a_row: int = 0
    never_ready: int = 0

    def after(self, ran_seconds: float, back_off: BackOff, *, was_ready: bool) -> Deaths:
        """Return the deaths with one more, of a container that ran that long."""
        before = 0 if ran_seconds > back_off.reset else self.in_a_row
        return Deaths(before + 1, 0 if was_ready else self.never_ready + 1)

    def wait_seconds(self, back_off: BackOff) -> float:
        """Return how long after the last death the next container starts."""
        if self.in_a_row < 2:
            return 0.0
        return min(back_off.maximum, back_off.initial * 2.0 ** min(self.in_a_row - 2, _MOST_DOUBLINGS))

    def are_crash_loop(self, limit: CrashLoop) -> bool:
        """Return whether the cloud would give up the deployment by now."""
        return self.never_ready >= limit.never_ready or self.in_a_row > limit.restarts
