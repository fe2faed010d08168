"""An engine in memory: containers become ready, die or stay silent as their script says."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace

from emulator.containers.spec import LABEL_WORKSPACE, ContainerSpec
from emulator.containers.usage import Machine, Usage
from emulator.difference import Difference
from emulator.engines import Container, Image, Log
from emulator.entities.probing import ProbeAnswer
from emulator.environments import AnyImageSpec, ExistingImageSpec, ImageSpec
from emulator.errors import EngineUnavailable, ImageBuildFailure, OperationCanceled, ResourceNotFound

CANCEL_SECONDS = 10.0


@dataclass(frozen=True)
class Behaviour:
    """What containers do: `ready` once started, or dead with `exit_code` and this `log`.

    One that is not ready answers `status`; `statuses` are answers by path; `answers` holds every probe back until it
    is set.
    """

    ready: bool = True
    status: int = 502
    statuses: Mapping[str, int] = field(default_factory=dict)
    answers: threading.Event | None = None
    exit_code: int | None = None
    log: tuple[str, ...] = ("Users's init has completed successfully",)
    oom_killed: bool = False
    stopped_because: str = ""
    oom_kills: int = 0
    refuses: type[Exception] | None = None


@dataclass
class Running:
    """A container of the fake, with what it was started from."""

    container: Container
    spec: ContainerSpec
    behaviour: Behaviour
    lines: list[str]
    changed: threading.Condition = field(default_factory=threading.Condition)


class FakeLog(Iterator[str]):
    """A log that may be followed, and closed from another thread."""

    def __init__(self, running: Running, tail: int | None, follow: bool) -> None:
        self._running = running
        self._follow = follow
        self._closed = False
        self._position = 0 if tail is None else max(0, len(running.lines) - tail)

    def __next__(self) -> str:
        running = self._running
        with running.changed:
            running.changed.wait_for(lambda: self._position < len(running.lines) or self._ended())
            if self._position >= len(running.lines) or self._closed:
                raise StopIteration
            self._position += 1
            return running.lines[self._position - 1]

    def _ended(self) -> bool:
        return self._closed or not self._follow or not self._running.container.running

    def close(self) -> None:
        with self._running.changed:
            self._closed = True
            self._running.changed.notify_all()


class FakeEngine:
    """Keeps the Engine protocol of `emulator.engines` for one workspace.

    `behaviours` holds what the next containers do, in turn, before the usual `behaviour`.  `builds` remembers what
    was built, `own_images` are digests by the names of images that can be had, `fail_build` makes builds fail
    with that text, `block_builds` lets them wait until they are canceled or the event is set.  `world` may be
    shared by several engines, as one Docker Engine is.
    """

    name = "fake"

    def __init__(self, workspace_id: str, world: dict[str, Running] | None = None) -> None:
        self._workspace_id = workspace_id
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self.world = {} if world is None else world
        self.images: dict[str, Image] = {}
        self.behaviour = Behaviour()
        self.behaviours: list[Behaviour] = []
        self.fail_build = ""
        self.block_builds: threading.Event | None = None
        self.building = threading.Event()
        self.builds: list[AnyImageSpec] = []
        self.own_images: dict[str, str] = {}
        self.removed: list[str] = []
        self.graces: list[float] = []
        self.probes: list[tuple[str, str, float]] = []
        self.probe_headers: Mapping[str, str] = {}
        self.probed_ports: set[tuple[int, str]] = set()
        self.differences: tuple[Difference, ...] = ()
        self.unavailable = False
        self.size = Machine(cpus=8, memory_bytes=16 * 2**30)
        self.uses: dict[str, Usage] = {}
        self.asked_usage: list[set[str]] = []
        self.prunes: list[Set[str]] = []
        self.pruning: Callable[[], object] = lambda: None
        self.looking: Callable[[], object] = lambda: None
        self.removing: Callable[[], object] = lambda: None

    # what tests look at

    def containers(self) -> list[Running]:
        """What there is, running or not, in the order of names."""
        with self._lock:
            return sorted(self.world.values(), key=lambda running: running.container.name)

    def variables(self) -> Mapping[str, str]:
        """The variables of the one container there is."""
        (only,) = self.containers()
        return only.spec.environment_variables

    def probe(self, container: Container, path: str, timeout_seconds: float, headers: Mapping[str, str]) -> ProbeAnswer:
        """The probe; `probes` remembers what was asked, `probe_headers` how the last time."""
        self.probe_headers = headers
        self.probes.append((container.id, path, timeout_seconds))
        self.probed_ports.add((container.port, path))
        running = self.world.get(container.id)
        if running is None or not running.container.running:
            return ProbeAnswer(0, "connection refused")
        if running.behaviour.answers is not None:
            running.behaviour.answers.wait()
        if path in running.behaviour.statuses:
            return ProbeAnswer(running.behaviour.statuses[path])
        return ProbeAnswer(200) if running.behaviour.ready else ProbeAnswer(running.behaviour.status, "")

    def die(self, container_id: str, exit_code: int = 137) -> None:
        """End a container from outside, as a kill or the machine does."""
        running = self.world[container_id]
        with running.changed:
            running.container = _stopped(running.container, exit_code)
            running.changed.notify_all()

    def say(self, container_id: str, line: str) -> None:
        """A line in a container's log."""
        running = self.world[container_id]
        with running.changed:
            running.lines.append(line)
            running.changed.notify_all()

    # the protocol

    def check(self) -> None:
        if self.unavailable:
            raise EngineUnavailable("the fake is switched off")

    def find_image(self, digest: str) -> Image | None:
        self.check()
        return self.images.get(digest)

    def build_image(self, spec: AnyImageSpec, log: Log, canceled: threading.Event) -> Image:
        self.check()
        self.builds.append(spec)
        if isinstance(spec, ExistingImageSpec):
            return self._own_image(spec)
        log(f"building {len(spec.requirements)} requirements" if isinstance(spec, ImageSpec) else "building")
        self.building.set()
        if self.block_builds is not None:
            while not self.block_builds.wait(0.01):
                if canceled.is_set():
                    raise OperationCanceled("the build was interrupted")
        if self.fail_build:
            raise ImageBuildFailure(self.fail_build, log_tail="the end of the log")
        self.images[spec.digest] = Image(spec.digest, f"fake:{spec.digest[:8]}", self.differences)
        return self.images[spec.digest]

    def _own_image(self, spec: ExistingImageSpec) -> Image:
        if spec.name not in self.own_images:
            raise EngineUnavailable(f"image {spec.name} is not here")
        digest = self.own_images[spec.name]
        self.images[digest] = Image(digest, spec.name, (), f"{spec.name}@sha256:{digest}")
        return self.images[digest]

    def start(self, spec: ContainerSpec) -> Container:
        self.check()
        with self._lock:
            behaviour = self.behaviours.pop(0) if self.behaviours else self.behaviour
            if behaviour.refuses:
                raise behaviour.refuses("the fake does not start it")
            if spec.image not in self.images:
                raise ResourceNotFound("there is no such image", target=spec.image)
            for old in [r for r in self.world.values() if r.container.name == spec.name]:
                del self.world[old.container.id]
            number = next(self._ids)
            container = Container(
                id=f"{self._workspace_id}-{number}",
                name=spec.name,
                labels=dict(spec.labels) | {LABEL_WORKSPACE: self._workspace_id},
                host="127.0.0.1",
                port=40000 + number,
                running=True,
                other_ports={port: port for port in spec.other_ports},
            )
            if behaviour.exit_code is not None:
                dead = _stopped(container, behaviour.exit_code)
                container = replace(dead, oom_killed=behaviour.oom_killed, stopped_because=behaviour.stopped_because)
            self.world[container.id] = Running(container, spec, behaviour, list(behaviour.log))
        return container

    def inspect(self, container_id: str) -> Container:
        return self._find(container_id).container

    def list_containers(self) -> list[Container]:
        self.check()
        mine = [r.container for r in self.containers()]
        return [container for container in mine if container.labels[LABEL_WORKSPACE] == self._workspace_id]

    def running_ids(self) -> frozenset[str]:
        self.looking()
        return frozenset(container.id for container in self.list_containers() if container.running)

    def machine(self) -> Machine:
        return self.size

    def usage(self, container_ids: Iterable[str]) -> Mapping[str, Usage]:
        """What `uses` says, of those that run."""
        self.check()
        asked = set(container_ids)
        self.asked_usage.append(asked)
        running = {container.id for container in self.list_containers() if container.running}
        return {id: usage for id, usage in self.uses.items() if id in asked & running}

    def oom_kills(self) -> Mapping[str, int]:
        self.check()
        return {id: running.behaviour.oom_kills for id, running in self.world.items() if running.behaviour.oom_kills}

    def logs(self, container_id: str, *, tail: int | None = None, follow: bool = False) -> Iterator[str]:
        return FakeLog(self._find(container_id), tail, follow)

    def remove(self, container_id: str, *, grace_seconds: float = 10.0) -> None:
        self.check()
        self.removing()
        with self._lock:
            running = self.world.pop(container_id, None)
        if running is not None:
            self.removed.append(running.container.name)
            self.graces.append(grace_seconds)
            with running.changed:
                running.container = _stopped(running.container, 143)
                running.changed.notify_all()

    def prune(self, keep_images: Set[str], *, dry_run: bool = False) -> list[str]:
        self.prunes.append(keep_images)
        self.pruning()
        unused = sorted(digest for digest in self.images if digest not in keep_images)
        for digest in unused if not dry_run else ():
            del self.images[digest]
        return [f"image {digest[:8]}" for digest in unused]

    def close(self) -> None:
        self.closed = True

    def _find(self, container_id: str) -> Running:
        with self._lock:
            if container_id not in self.world:
                raise ResourceNotFound("there is no such container", target=container_id)
            return self.world[container_id]


def _stopped(container: Container, exit_code: int) -> Container:
    return replace(container, running=False, exit_code=exit_code, host="", port=0)
