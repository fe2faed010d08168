"""Dependencies injected into the core: clock, randomness, probes, the gateway, and what the settings decide."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from emulator.containers.usage import Gpu
from emulator.engines import Container
from emulator.entities.probing import ProbeAnswer
from emulator.environments import CURATED, CuratedEnvironment, ImageChoices
from emulator.routing.routes import EndpointRoute
from emulator.routing.tokens import AadTrust


class GatewayControl(Protocol):
    """How the core controls the gateway, which takes scoring requests to instances."""

    def put(self, route: EndpointRoute) -> None:
        """Serve the endpoint by `route` from now on; requests in flight keep the route that they began with.

        Raises BadArgument when its port cannot be bound.
        """

    def remove(self, name: str) -> None:
        """Close the endpoint."""

    def drain(self, instance_id: str, timeout_seconds: float) -> bool:
        """Wait until an instance that is out of all routes has no request in flight; return False at the time-out."""

    def check_port(self, port: int) -> None:
        """Raise BadArgument, with the reason, unless an endpoint could listen on the port."""

    def is_free(self, port: int) -> bool:
        """Return whether an endpoint could listen on the port."""


@dataclass(frozen=True)
class Effects:
    """Time, randomness and probes.

    `now` is UTC as ISO 8601, `epoch` the same in seconds since 1970, `monotonic` seconds.  `probe` sends GET to a path
    of a container, with a time-out in seconds and headers.  `background` runs a function on its own thread.  `gpus`
    reads the machine's GPUs.
    """

    now: Callable[[], str]
    epoch: Callable[[], float]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    new_key: Callable[[], str]
    probe: Callable[[Container, str, float, Mapping[str, str]], ProbeAnswer]
    background: Callable[[Callable[[], None]], None]
    gpus: Callable[[], tuple[Gpu, ...]] = lambda: ()


def _all_reachable(_channels: Sequence[str]) -> str:
    return ""


@dataclass(frozen=True)
class CondaSources:
    """Where conda packages come from: `choice` is `auto`, `channels` or `pip`, `mirrors` maps channel names to URLs.

    `unreachable` returns in one phrase why channels (URLs) cannot be read, '' when they can.
    """

    choice: str = "auto"
    mirrors: Mapping[str, str] = field(default_factory=dict, repr=False)
    unreachable: Callable[[Sequence[str]], str] = _all_reachable


@dataclass(frozen=True)
class WorkspaceConfig:
    """What the package and the settings decide for a workspace.

    `launcher` is the program that starts scoring servers, `mlflow_script` the scoring script of MLflow models,
    `aad_trust` whose aad_tokens are valid, `admin_token` '' where there is no admin, `max_upload_bytes` how much a
    client may send at a time, `endpoint_ports` the ports that endpoints get.
    """

    launcher: str
    mlflow_script: str = ""
    aad_trust: AadTrust = field(default_factory=AadTrust)
    curated: tuple[CuratedEnvironment, ...] = CURATED
    images: ImageChoices = field(default_factory=ImageChoices)
    conda: CondaSources = field(default_factory=CondaSources)
    admin_token: str = field(default="", repr=False)
    max_upload_bytes: int = field(kw_only=True)
    endpoint_ports: Sequence[int] = field(kw_only=True)


class Progress:
    """Reports the steps of an operation, and tells it when it is canceled."""

    def __init__(self, write: Callable[[str, str], None], canceled: threading.Event) -> None:
        self._write = write
        self.canceled = canceled

    def step(self, text: str) -> None:
        """Report the step that begins."""
        self._write("step", text)

    def log(self, line: str) -> None:
        """Report a line of a tool's output."""
        self._write("log", line)


def silent_progress(canceled: threading.Event | None = None) -> Progress:
    """Return a progress without a reader, for operations that the emulator starts itself."""
    return Progress(lambda _kind, _text: None, canceled or threading.Event())
