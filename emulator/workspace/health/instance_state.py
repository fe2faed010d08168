"""The state of a monitored container, as frozen values."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from emulator.engines import Container
from emulator.entities import OnlineDeployment, ProbeSettings
from emulator.entities.probing import Deaths, Verdict, next_due
from emulator.profiles import ProbeProfile, profile_of

ProbeKind = Literal["liveness", "readiness"]
_NEVER = math.inf
# A breakpoint may hold the only worker for hours.
_PATIENCE = 10**9
CRASH_LOOP_TARGET = "instance "
"""The prefix of an error's target that marks a crash loop."""


@dataclass(frozen=True)
class InstanceState:
    """An instance as `show` tells it: `state` is Ready, NotReady or BackOff (dead, and to be started again).

    `out_of_memory` is how many of its workers were killed because memory ran out.
    """

    name: str
    state: Literal["Ready", "NotReady", "BackOff"]
    restarts: int
    out_of_memory: int = 0


@dataclass(frozen=True)
class Probe:
    """A probe of a container: its results so far, and when it is due on the monotonic clock."""

    settings: ProbeSettings
    verdict: Verdict
    due: float
    in_flight: bool = False

    def mark_sent(self) -> Probe:
        """Return the probe as sent: no second one goes out before its result."""
        return replace(self, in_flight=True)

    def record_result(self, passed: bool, now: float) -> Probe:
        """Return the probe with a result, due again one period later."""
        verdict = self.verdict.after(passed, self.settings)
        return replace(self, verdict=verdict, due=next_due(self.due, self.settings.period, now), in_flight=False)


@dataclass(frozen=True)
class MonitoredInstance:
    """A container that serves a deployment, or should.

    `down`: it died or is being killed.  `restart_at`: when its successor starts, infinite while unknown and where there
    is none.  `looping`: its crash loop has made the deployment Failed.
    """

    deployment: OnlineDeployment
    container: Container
    started: float
    liveness: Probe
    readiness: Probe
    was_ready: bool
    deaths: Deaths
    restarts: int = 0
    down: bool = False
    restart_at: float = _NEVER
    looping: bool = False

    @property
    def profile(self) -> ProbeProfile:
        """Return the target's profile of probes."""
        return profile_of(self.deployment.target).probes

    @property
    def next_due(self) -> float:
        """Return when the next probe or restart is due."""
        if self.down:
            return self.restart_at
        return min(_NEVER if p.in_flight else p.due for p in (self.liveness, self.readiness))

    @property
    def state(self) -> InstanceState:
        """Return the state that `show` prints."""
        restarts = self.restarts if self.profile.restart_in_place else 0
        if self.down and self.restart_at < _NEVER:
            return InstanceState(self.container.name, "BackOff", restarts)
        ready = self.readiness.verdict.passing and not self.down
        return InstanceState(self.container.name, "Ready" if ready else "NotReady", restarts)

    def due_probes(self, now: float) -> list[ProbeKind]:
        """Return the kinds of probes that are due."""
        kinds: list[ProbeKind] = ["liveness", "readiness"]
        return [
            kind for kind in kinds if not self.down and not self.probe(kind).in_flight and self.probe(kind).due <= now
        ]

    def probe(self, kind: ProbeKind) -> Probe:
        """That probe."""
        return self.liveness if kind == "liveness" else self.readiness

    def with_probe(self, kind: ProbeKind, probe: Probe) -> MonitoredInstance:
        """With that probe a step further."""
        if kind == "liveness":
            return replace(self, liveness=probe)
        return replace(self, readiness=probe, was_ready=self.was_ready or probe.verdict.passing)

    def mark_down(self) -> MonitoredInstance:
        """Return the instance as down: dead, or about to be killed."""
        return replace(self, down=True, restart_at=_NEVER)

    def record_death(self, now: float) -> MonitoredInstance:
        """Its death is counted, and the next start known."""
        profile = self.profile
        deaths = self.deaths.after(now - self.started, profile.back_off, was_ready=self.was_ready)
        restart_at = now + deaths.wait_seconds(profile.back_off) if profile.run else _NEVER
        looping = self.looping or deaths.are_crash_loop(profile.crash_loop)
        return replace(self, down=True, deaths=deaths, restart_at=restart_at, looping=looping)

    def replace_container(self, container: Container, started: float) -> MonitoredInstance:
        """Return the instance with its new container: not ready, with the history of the old one."""
        new = watch(self.deployment, container, started, ready=False)
        return replace(new, deaths=self.deaths, restarts=self.restarts + 1, looping=self.looping)


def watch(deployment: OnlineDeployment, container: Container, started: float, *, ready: bool) -> MonitoredInstance:
    """Return the state of a container that was started at `started`, from which probe delays count.

    Where the target has no probes (row probes.run) none is ever due; under a debugger failures are logged only.
    """
    liveness = _settings(deployment, deployment.liveness_probe)
    readiness = _settings(deployment, deployment.readiness_probe)
    runs = profile_of(deployment.target).probes.run
    return MonitoredInstance(
        deployment,
        container,
        started,
        Probe(liveness, Verdict(passing=True), started + liveness.initial_delay if runs else _NEVER),
        Probe(readiness, Verdict(passing=ready), started + readiness.initial_delay if runs else _NEVER),
        was_ready=ready,
        deaths=Deaths(),
        looping=is_crash_loop(deployment),
    )


def is_crash_loop(deployment: OnlineDeployment) -> bool:
    """Return whether the deployment is Failed because of a crash loop."""
    target = str((deployment.error or {}).get("target") or "")
    return deployment.provisioning_state == "Failed" and target.startswith(CRASH_LOOP_TARGET)


def _settings(deployment: OnlineDeployment, settings: ProbeSettings) -> ProbeSettings:
    return settings if deployment.debug_port is None else settings.model_copy(update={"failure_threshold": _PATIENCE})
