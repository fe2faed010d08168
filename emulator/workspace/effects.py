"""What the core needs of the world and is given: time, randomness, probes, the front door."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from emulator.containers.usage import Gpu
from emulator.engines import Container
from emulator.entities.probing import ProbeAnswer
from emulator.routing.routes import EndpointRoute


class FrontDoor(Protocol):
    """Takes scoring requests to the instances that the core names."""

    def put(self, route: EndpointRoute) -> None:
        """Serve this endpoint so from now on; requests in flight end as they began.

        BadArgument when its port cannot be listened on.
        """

    def remove(self, name: str) -> None:
        """Close the endpoint."""

    def drain(self, instance_id: str, timeout_seconds: float) -> bool:
        """Wait until no request is in flight at an instance that no route names any more; False at the time-out."""

    def check_port(self, port: int) -> None:
        """Raise BadArgument, saying why, unless an endpoint could listen there."""

    def is_free(self, port: int) -> bool:
        """Whether an endpoint could listen there."""


@dataclass(frozen=True)
class Effects:
    """Time, randomness and probes.

    `now` is UTC as ISO 8601, `epoch` the same in seconds since 1970, `monotonic` seconds, `probe` what GET of a path
    of a container answers within so many seconds, asked with these headers, `background` runs a function on a thread of
    its own, `gpus` reads the machine's GPUs.
    """

    now: Callable[[], str]
    epoch: Callable[[], float]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    new_key: Callable[[], str]
    probe: Callable[[Container, str, float, Mapping[str, str]], ProbeAnswer]
    background: Callable[[Callable[[], None]], None]
    gpus: Callable[[], tuple[Gpu, ...]] = lambda: ()


class Progress:
    """Where an operation says what it does, and learns that it is no longer wanted."""

    def __init__(self, write: Callable[[str, str], None], canceled: threading.Event) -> None:
        self._write = write
        self.canceled = canceled

    def step(self, text: str) -> None:
        """Say what is being done now."""
        self._write("step", text)

    def log(self, line: str) -> None:
        """Pass on a line of a tool's output."""
        self._write("log", line)


def silent_progress(canceled: threading.Event | None = None) -> Progress:
    """A progress that nobody reads, for what the emulator does by itself, until `canceled` is set."""
    return Progress(lambda _kind, _text: None, canceled or threading.Event())
