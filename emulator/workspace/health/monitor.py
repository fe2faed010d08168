"""Monitor serving containers: probe them, take them out of rotation and back, restart them, notice crash loops."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial

from emulator.containers.spec import probe_route
from emulator.engines import Container
from emulator.errors import EmulatorError
from emulator.workspace.core import Core
from emulator.workspace.endpoints import Endpoints
from emulator.workspace.health.crashes import Crashes
from emulator.workspace.health.instance_state import InstanceState, MonitoredInstance, ProbeKind, watch
from emulator.workspace.running.out_of_memory import MemoryKills

_LOOK_SECONDS = 1.0


class Health:
    """Monitors every serving container by the deployment's probe settings (rows probes.*).

    `tick` starts what is due and never blocks: each probe, kill and restart has its own thread.  Only containers that
    `Endpoints` names as running are monitored.
    """

    def __init__(self, core: Core, endpoints: Endpoints, crashes: Crashes) -> None:
        self._core = core
        self._endpoints = endpoints
        self._crashes = crashes
        self._memory_kills = MemoryKills(core.engine, core.events)
        self._watched: dict[str, MonitoredInstance] = {}
        self._lock = threading.Lock()
        self._look_at = 0.0
        self._looking = threading.Lock()
        self._stopping = threading.Event()
        self._engine_error: EmulatorError | None = None
        self._changed = threading.Condition()
        self._restarting = 0

    def start(self) -> None:
        """Run `tick` on a background thread, until `stop`."""
        self._core.effects.background(self._run)

    def _run(self) -> None:
        while not self._stopping.is_set():
            seconds = _LOOK_SECONDS
            with suppress(EmulatorError, OSError):  # the engine or the disk is unavailable for a moment
                seconds = self.tick()
            self._stopping.wait(seconds)

    def stop(self, timeout_seconds: float = 20.0) -> None:
        """Start nothing new, and wait for running restarts."""
        self._stopping.set()
        with self._changed:
            self._changed.wait_for(lambda: not self._restarting, timeout_seconds)

    @property
    def engine_error(self) -> EmulatorError | None:
        """Return the error of the last call to the engine, None if it responded; updated every second."""
        return self._engine_error

    def instances(self, endpoint_name: str, deployment_name: str) -> list[InstanceState]:
        """Return the states of a deployment's instances, in their order."""
        containers = self._endpoints.running(endpoint_name, deployment_name)
        with self._lock:
            watched = [self._watched.get(container.id) for container in containers]
        states = [w.state if w else InstanceState(c.name, "Ready", 0) for c, w in zip(containers, watched, strict=True)]
        kills = [self._memory_kills.count(container.id) for container in containers]
        return [replace(state, out_of_memory=count) for state, count in zip(states, kills, strict=True)]

    def tick(self) -> float:
        """Start what is due; return in how many seconds the next thing is."""
        now = self._core.effects.monotonic()
        self._notice(now)
        if now >= self._look_at:
            self._look_at = now + _LOOK_SECONDS
            self._core.effects.background(self._look_for_the_dead)
            if self._endpoints.any_out_of_service():
                self._core.effects.background(self._endpoints.reopen)
        for work in self._take_due(now):
            self._core.effects.background(work)
        with self._lock:
            due = min((watched.next_due for watched in self._watched.values()), default=self._look_at)
        return max(0.0, min(due, self._look_at) - self._core.effects.monotonic())

    # which containers are monitored

    def _notice(self, now: float) -> None:
        """Monitor containers that have begun to serve, and drop those that no longer do."""
        with self._lock:
            serving = {c.id: (key, c) for key, those in self._endpoints.all_running().items() for c in those}
            for gone in self._watched.keys() - serving.keys():
                del self._watched[gone]
            new = [found for id, found in serving.items() if id not in self._watched]
        for (endpoint, name), container in new:
            deployment = self._core.store.readable_deployment(endpoint, name)
            if deployment and self._crashes.belongs(container, deployment):
                started = self._crashes.started_at(container, now)
                with self._lock:
                    self._watched.setdefault(container.id, watch(deployment, container, started, ready=True))

    def _look_for_the_dead(self) -> None:
        """Mark containers that have ended as dead; probes may be too far apart to notice."""
        if not self._looking.acquire(blocking=False):
            return  # the last call to the engine is still waiting
        try:
            with self._lock:
                up = [id for id, watched in self._watched.items() if not watched.down]
                serving = [(watched.deployment, watched.container) for watched in self._watched.values()]
            running = self._core.engine.running_ids() if serving else frozenset()
            self._engine_error = None
            if up:
                with suppress(EmulatorError):  # the ids of running containers are known all the same
                    self._memory_kills.look(serving)
        except EmulatorError as error:
            self._engine_error = error
            return  # without a response nothing is known to be dead
        finally:
            self._looking.release()
        for id in up:
            if id not in running:
                self._mark_dead(id, "")

    def _take_due(self, now: float) -> Iterator[Callable[[], None]]:
        with self._lock:
            works: list[Callable[[], None]] = []
            for id, watched in list(self._watched.items()):
                if watched.down and watched.restart_at <= now:
                    self._watched[id] = watched.mark_down()
                    works.append(partial(self._restart, watched))
                for kind in watched.due_probes(now):
                    self._watched[id] = self._watched[id].with_probe(kind, watched.probe(kind).mark_sent())
                    works.append(partial(self._probe, watched, kind))
        return iter(works)

    def _step(
        self, id: str, further: Callable[[MonitoredInstance], MonitoredInstance]
    ) -> tuple[MonitoredInstance, MonitoredInstance] | None:
        """Replace the state of a container that is up; return the old and new state, None for one that is down or gone.

        Whether it is in rotation changes in the same step.
        """
        with self._lock:
            before = self._watched.get(id)
            if before is None or before.down:
                return None
            after = self._watched[id] = further(before)
            if after.profile.unready_out_of_rotation or after.down:
                self._endpoints.set_ready(id, ready=after.readiness.verdict.passing and not after.down)
        return before, after

    def _publish(self, watched: MonitoredInstance) -> None:
        with suppress(EmulatorError, OSError):  # deleted meanwhile
            self._endpoints.publish(watched.deployment.endpoint_name)

    # probes

    def _probe(self, watched: MonitoredInstance, kind: ProbeKind) -> None:
        container, profile = watched.container, watched.profile
        route, seconds = probe_route(watched.deployment, kind), watched.probe(kind).settings.timeout
        answer = self._core.effects.probe(container.at(route.port), route.path, seconds, profile.headers)
        passed, now = answer.passes(profile.passing_status), self._core.effects.monotonic()
        step = self._step(container.id, lambda w: w.with_probe(kind, w.probe(kind).record_result(passed, now)))
        if step is None:
            return
        if not passed:
            self._core.events.probe_failed(container, kind.capitalize(), str(answer))
        before, after = step
        if kind == "liveness":
            if not after.liveness.verdict.passing and profile.liveness_restarts:
                self._mark_dead(container.id, f"Liveness probe failed: {answer}")
            return
        if before.readiness.verdict.passing != after.readiness.verdict.passing:
            self._publish(after)
        if after.readiness.verdict.passing and after.looping and profile.crash_loop_recovers:
            self._recovered(after)

    def _recovered(self, watched: MonitoredInstance) -> None:
        """End the instance's crash loop; save the deployment as Succeeded once no other instance is in one."""
        self._step(watched.container.id, lambda w: replace(w, looping=False))
        with self._lock:
            others = [w.deployment for w in self._watched.values() if w.looping]
        name = watched.deployment.endpoint_name, watched.deployment.name
        if name in {(other.endpoint_name, other.name) for other in others}:
            return
        try:
            self._crashes.save_recovered(watched)
        except EmulatorError:  # the next probe tries again
            self._step(watched.container.id, lambda w: replace(w, looping=True))

    # deaths and restarts

    def _mark_dead(self, id: str, unhealthy: str) -> None:
        """Take a container out of rotation; `unhealthy` is why one that still runs is to be killed."""
        serving = {container.id for those in self._endpoints.all_running().values() for container in those}
        step = self._step(id, MonitoredInstance.mark_down) if id in serving else None
        if step:  # not one that a deploy or delete has just removed
            self._publish(step[1])
            self._core.effects.background(partial(self._bury, step[1], unhealthy))

    def _bury(self, watched: MonitoredInstance, unhealthy: str) -> None:
        """Find out why the container died, or kill it, and schedule its restart."""
        error = self._crashes.why(watched, unhealthy)
        if unhealthy:
            self._crashes.kill(watched)
        self._count_death(watched, error)

    def _count_death(self, watched: MonitoredInstance, error: EmulatorError) -> None:
        buried = watched.record_death(self._core.effects.monotonic())
        with self._lock:
            if watched.container.id not in self._watched:
                return
            self._watched[watched.container.id] = buried
        if self._core.effects.monotonic() < buried.restart_at and watched.profile.run:
            self._core.events.back_off(watched.container)
        if buried.looping:
            with suppress(EmulatorError):
                self._crashes.save_failed(buried, error)

    def _restart(self, dead: MonitoredInstance) -> None:
        with self._counted():
            try:
                self._crashes.start_again(dead, self._take_over, self._stopping.is_set)
            except EmulatorError as error:
                now = self._core.effects.monotonic()
                if self._is_away():
                    self._wait_for_engine(dead, now)
                    return
                # Nothing has run: counted as a container that died at its start.
                self._count_death(replace(dead, started=now, was_ready=False), error)

    def _is_away(self) -> bool:
        try:
            self._core.engine.check()
        except EmulatorError as error:
            self._engine_error = error
            return True
        return False

    def _wait_for_engine(self, dead: MonitoredInstance, now: float) -> None:
        """Retry the restart soon: an unavailable engine does not lengthen the container's back-off."""
        with self._lock:
            if dead.container.id in self._watched:
                self._watched[dead.container.id] = replace(dead, restart_at=now + _LOOK_SECONDS)

    def _take_over(self, dead: MonitoredInstance, container: Container) -> None:
        """Monitor and route to the new container in place of the dead one."""
        with self._lock:
            started = self._crashes.started_at(container, self._core.effects.monotonic())
            self._watched.pop(dead.container.id, None)
            self._watched[container.id] = dead.replace_container(container, started)
            deployment = dead.deployment
            self._endpoints.replace_running(deployment.endpoint_name, deployment.name, dead.container.id, container)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._changed:
            self._restarting += 1
        try:
            yield
        finally:
            with self._changed:
                self._restarting -= 1
                self._changed.notify_all()
