"""A workspace on a real store, with an engine and a front door that only remember, and threads to wait for."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from fake_engine import Behaviour, FakeEngine, Running

from emulator.engines import Container
from emulator.entities import DeploymentRequest, Model, ModelRequest, OnlineDeployment
from emulator.environments import CURATED, CuratedEnvironment
from emulator.errors import BadArgument, EmulatorError
from emulator.routing.routes import EndpointRoute
from emulator.routing.tokens import AadTrust
from emulator.store import Store
from emulator.workspace import CondaSources, Effects, Progress, Workspace, WorkspaceConfig

SCRIPT = "def init():\n    pass\n\n\ndef run(data):\n    return data\n"
PORTS = range(18100, 18104)
EPOCH = 1_700_000_000.0
"""When a house is built, in seconds since 1970."""
ADMIN = "amlemu_the-admins-own-token"
"""What opens the control API of a house."""


class FakeGateway:
    """Remembers the routes; `taken` ports belong to other programs."""

    def __init__(self) -> None:
        self.routes: dict[str, EndpointRoute] = {}
        self.history: list[EndpointRoute] = []
        self.taken: set[int] = set()
        self.drained: list[str] = []
        self.draining: Callable[[str], None] = lambda _instance_id: None
        self.putting: Callable[[EndpointRoute], object] = lambda _route: None
        self.refuses: EmulatorError | None = None

    def put(self, route: EndpointRoute) -> None:
        if self.refuses:
            raise self.refuses
        before = self.routes.get(route.name)
        is_open = before is not None and before.port == route.port
        others = {other.port for other in self.routes.values() if other.name != route.name}
        if not is_open and not route.path_prefix and route.port in self.taken | others:
            raise BadArgument(f"port {route.port} is taken")
        self.putting(route)
        self.routes[route.name] = route
        self.history.append(route)

    def remove(self, name: str) -> None:
        self.routes.pop(name, None)

    def drain(self, instance_id: str, timeout_seconds: float) -> bool:
        self.drained.append(instance_id)
        self.draining(instance_id)
        return True

    def check_port(self, port: int) -> None:
        if port in self.taken:
            raise BadArgument(f"port {port} is taken")

    def is_free(self, port: int) -> bool:
        return port not in self.taken | {route.port for route in self.routes.values() if not route.path_prefix}


@dataclass
class Said:
    """What an operation says; `at` runs something when a step begins with a text."""

    steps: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    canceled: threading.Event = field(default_factory=threading.Event)
    at: tuple[str, Callable[[], object]] | None = None

    def progress(self) -> Progress:
        return Progress(self._write, self.canceled)

    def _write(self, kind: str, text: str) -> None:
        (self.steps if kind == "step" else self.lines).append(text)
        if self.at and text.startswith(self.at[0]):
            self.at[1]()


class House:
    """Everything of one workspace, as it stands after one start of the emulator."""

    def __init__(
        self,
        folder: Path,
        world: dict[str, Running] | None = None,
        ports: Iterable[int] = PORTS,
        aad_trust: AadTrust | None = None,
        curated: tuple[CuratedEnvironment, ...] = CURATED,
        admin_token: str = ADMIN,
        max_upload_bytes: int = 1 << 30,
    ) -> None:
        self.folder = folder
        self.store = Store(folder / "home")
        self.engine = FakeEngine(self.store.workspace_id, world)
        self.gateway = FakeGateway()
        self.threads: list[threading.Thread] = []
        self._keys = itertools.count(1)
        self._time = itertools.count(1)
        self._slept = 0.0
        self.clock_ahead = 0.0  # by how many seconds somebody has set the clock of the day
        self.when_asked: Callable[[], object] = lambda: None
        self.effects = Effects(
            now=self._now,
            epoch=lambda: EPOCH + self._slept + self.clock_ahead,
            monotonic=lambda: self._slept,
            sleep=self._sleep,
            new_key=lambda: f"key-{next(self._keys)}",
            probe=self.engine.probe,
            background=self._background,
        )
        self.ports = ports
        self.unreachable = ""  # why conda channels cannot be read
        self.asked_channels: list[tuple[str, ...]] = []
        conda = CondaSources(unreachable=self._ask_channels)
        config = WorkspaceConfig(
            "launcher",
            "mlflow script",
            aad_trust or AadTrust(),
            curated,
            conda=conda,
            admin_token=admin_token,
            max_upload_bytes=max_upload_bytes,
            endpoint_ports=tuple(ports),
        )
        self.workspace = Workspace(self.store, self.engine, self.gateway, self.effects, config)
        self.code = self.write_code("src")

    def _ask_channels(self, channels: Sequence[str]) -> str:
        self.asked_channels.append(tuple(channels))
        return self.unreachable

    def _now(self) -> str:
        self.when_asked()
        moment = datetime(2024, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=next(self._time) + self.clock_ahead)
        return moment.isoformat(timespec="milliseconds")

    def _sleep(self, seconds: float) -> None:
        """The core's time goes on by what it sleeps, and much faster than the world's."""
        self._slept += seconds
        time.sleep(0.001)

    def _background(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work)
        self.threads.append(thread)
        thread.start()

    def settle(self) -> None:
        """Wait for what goes on in the background."""
        for thread in self.threads:
            thread.join(20)
            assert not thread.is_alive()

    def pass_time(self, seconds: float, step: float = 1.0) -> None:
        """Let the core's time go on, a step at a time, and do what is due of probes and restarts after each."""
        end = self._slept + seconds
        while self._slept < end:
            self._slept += step
            self.workspace.health.tick()
            self.settle()
            self.threads.clear()

    def wait_for(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        """Let time go on until that holds."""
        end = self._slept + seconds
        while not condition():
            assert self._slept < end, "it never came to that"
            self.pass_time(1)

    def events(self, endpoint: str = "iris", *, since: int = 0) -> list[tuple[str, str]]:
        """Name and message of the event log's lines, without the first ones."""
        lines = list(self.workspace.deployments.get_event_log(endpoint, tail=None, follow=False))[since:]
        return [(event["Name"], event["Message"]) for event in map(json.loads, lines)]

    def names(self, endpoint: str = "iris", *, since: int = 0) -> list[str]:
        """The names of the event log's lines, without the first ones."""
        return [name for name, _ in self.events(endpoint, since=since)]

    def states(self, endpoint: str = "iris", name: str = "blue") -> list[tuple[str, int]]:
        """State and restarts of each instance."""
        return [(s.state, s.restarts) for s in self.workspace.health.instances(endpoint, name)]

    def behave(self, instance: int = 0, **behaviour: Any) -> Running:
        """From now on that container, in the order of names, behaves so."""
        running = self.engine.containers()[instance]
        running.behaviour = Behaviour(**behaviour)
        return running

    def restarted(self) -> House:
        """The emulator after it ended and began again: the same store, and the containers that are still there."""
        self.settle()
        house = House(self.folder, self.engine.world, self.ports)
        house.engine.images = self.engine.images
        return house

    # the user's side

    def write_code(self, name: str, script: str = SCRIPT, **others: str) -> Path:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        (folder / "score.py").write_text(script)
        for other, text in others.items():
            (folder / other.replace("_yml", ".yml").replace("_txt", ".txt")).write_text(text)
        return folder

    def register(self, name: str = "m", content: str = "weights", version: str | None = None) -> Model:
        path = self.folder / f"{name}.pkl"
        path.write_text(content)
        return self.workspace.models.create(ModelRequest(name=name, path=str(path), version=version))

    def request(self, endpoint: str = "iris", **changes: Any) -> DeploymentRequest:
        document = {"endpoint_name": endpoint, "code": str(self.code), "scoring_script": "score.py", **changes}
        return DeploymentRequest.parse(document)

    def deploy(self, endpoint: str = "iris", said: Said | None = None, **changes: Any) -> OnlineDeployment:
        progress = (said or Said()).progress()
        return self.workspace.deployments.create_or_update(self.request(endpoint, **changes), progress)

    # what became of it

    def deployment(self, endpoint: str = "iris", name: str = "blue") -> OnlineDeployment:
        return self.workspace.deployments.get(endpoint, name)

    def state(self, endpoint: str = "iris", name: str = "blue") -> str:
        return self.deployment(endpoint, name).provisioning_state

    def instances(self, endpoint: str = "iris", name: str = "blue") -> Sequence[str]:
        """The containers that the front door takes requests to."""
        return [instance.id for instance in self.gateway.routes[endpoint].by_name[name].instances]

    def running(self) -> list[Container]:
        return [running.container for running in self.engine.containers()]

    def layouts(self) -> list[str]:
        home = self.store.home / "layouts"
        return [path.relative_to(home).as_posix() for path in self.store.layouts.all()]
