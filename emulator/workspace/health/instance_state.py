"""What is known of one container while it is watched: frozen values, each a step further than the one before."""

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
# A breakpoint holds the only worker for as long as somebody looks at it.
_PATIENCE = 10**9
CRASH_LOOP_TARGET = "instance "
"""What the target of an error begins with that tells of a crash loop, and of nothing that anybody asked for."""


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
    """A probe of a container: what it found so far, and when it is due again on the monotonic clock."""

    settings: ProbeSettings
    verdict: Verdict
    due: float
    in_flight: bool = False

    def mark_sent(self) -> Probe:
        """It has been sent; no second one goes out meanwhile."""
        return replace(self, in_flight=True)

    def record_result(self, passed: bool, now: float) -> Probe:
        """Its result is there."""
        verdict = self.verdict.after(passed, self.settings)
        return replace(self, verdict=verdict, due=next_due(self.due, self.settings.period, now), in_flight=False)


@dataclass(frozen=True)
class MonitoredInstance:
    """A container that serves a deployment, or should.

    `down` says that it died or is being killed; `restart_at` when the next one starts, infinite before that is known
    and where none does.  `looping` says that its crash loop has made the deployment Failed.
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
        """How the target treats it."""
        return profile_of(self.deployment.target).probes

    @property
    def next_due(self) -> float:
        """When something is to be done about it."""
        if self.down:
            return self.restart_at
        return min(_NEVER if p.in_flight else p.due for p in (self.liveness, self.readiness))

    @property
    def state(self) -> InstanceState:
        """What `show` tells of it."""
        restarts = self.restarts if self.profile.restart_in_place else 0
        if self.down and self.restart_at < _NEVER:
            return InstanceState(self.container.name, "BackOff", restarts)
        ready = self.readiness.verdict.passing and not self.down
        return InstanceState(self.container.name, "Ready" if ready else "NotReady", restarts)

    def due_probes(self, now: float) -> list[ProbeKind]:
        """The probes that are to be sent now."""
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
        """It does not run any more, or not much longer."""
        return replace(self, down=True, restart_at=_NEVER)

    def record_death(self, now: float) -> MonitoredInstance:
        """Its death is counted, and the next start known."""
        profile = self.profile
        deaths = self.deaths.after(now - self.started, profile.back_off, was_ready=self.was_ready)
        restart_at = now + deaths.wait_seconds(profile.back_off) if profile.run else _NEVER
        looping = self.looping or deaths.are_crash_loop(profile.crash_loop)
        return replace(self, down=True, deaths=deaths, restart_at=restart_at, looping=looping)

    def replace_container(self, container: Container, started: float) -> MonitoredInstance:
        """The container that was started in its place: not ready, with everything that is known of the instance."""
        new = watch(self.deployment, container, started, ready=False)
        return replace(new, deaths=self.deaths, restarts=self.restarts + 1, looping=self.looping)


def watch(deployment: OnlineDeployment, container: Container, started: float, *, ready: bool) -> MonitoredInstance:
    """A container that is watched from now on, started at `started`; the delays of its probes count from there.

    Where the target probes nothing (row probes.run) neither is ever due; under a debugger failures are told, and
    change nothing.
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
    """Whether a crash loop is why the deployment is Failed."""
    target = str((deployment.error or {}).get("target") or "")
    return deployment.provisioning_state == "Failed" and target.startswith(CRASH_LOOP_TARGET)


def _settings(deployment: OnlineDeployment, settings: ProbeSettings) -> ProbeSettings:
    return settings if deployment.debug_port is None else settings.model_copy(update={"failure_threshold": _PATIENCE})
