"""What probes and restarts mean, as values: verdicts from results, waits from deaths.

The rules are Kubernetes', on which managed endpoints stand (contract/managed §5.2, §6.3): a verdict changes after so
many equal results in a row; a container that died is started again at once the first time, then after waits that
double.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from emulator.entities import ProbeSettings

_MOST_DOUBLINGS = 30


@dataclass(frozen=True)
class ProbeAnswer:
    """What a probe got: the status, or 0 and in `failure` why there is none, in the words of Kubernetes' prober."""

    status: int
    failure: str = ""

    def passes(self, passing_status: int = HTTPStatus.OK) -> bool:
        """Whether that is a success."""
        return self.status == passing_status

    def __str__(self) -> str:
        return self.failure or f"HTTP probe failed with statuscode: {self.status}"


@dataclass(frozen=True)
class Verdict:
    """What the results of a probe mean so far: the last `run` of them were all `last`, None before the first."""

    passing: bool
    last: bool | None = None
    run: int = 0

    def after(self, passed: bool, settings: ProbeSettings) -> Verdict:
        """The verdict after one more result: it changes with the threshold's last result in a row."""
        run = self.run + 1 if passed is self.last else 1
        threshold = settings.success_threshold if passed else settings.failure_threshold
        return Verdict(passed if run >= threshold else self.passing, passed, run)


def next_due(due: float, period: float, now: float) -> float:
    """When to probe again after the probe that was due at `due` ended at `now`: at once when it took too long."""
    return max(due + period, now)


@dataclass(frozen=True)
class BackOff:
    """How long to wait before a restart, in seconds: nothing, then `initial`, then twice as long each time.

    A container that ran for longer than `reset` has forgotten the restarts before it.
    """

    initial: float
    maximum: float
    reset: float


@dataclass(frozen=True)
class CrashLoop:
    """When restarts are a crash loop: so many in a row died before they were ready, or were needed at all."""

    never_ready: int
    restarts: int


@dataclass(frozen=True)
class Deaths:
    """The deaths of one instance: `in_a_row` without a long run between, the last `never_ready` without any success."""

    in_a_row: int = 0
    never_ready: int = 0

    def after(self, ran_seconds: float, back_off: BackOff, *, was_ready: bool) -> Deaths:
        """One more death, of a container that ran so long."""
        before = 0 if ran_seconds > back_off.reset else self.in_a_row
        return Deaths(before + 1, 0 if was_ready else self.never_ready + 1)

    def wait_seconds(self, back_off: BackOff) -> float:
        """How long after the last death the next container starts."""
        if self.in_a_row < 2:
            return 0.0
        return min(back_off.maximum, back_off.initial * 2.0 ** min(self.in_a_row - 2, _MOST_DOUBLINGS))

    def are_crash_loop(self, limit: CrashLoop) -> bool:
        """Whether the cloud would give the deployment up by now."""
        return self.never_ready >= limit.never_ready or self.in_a_row > limit.restarts
