"""What runs containers: the protocol that both engines keep, and the values that cross it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Protocol

from emulator.containers.spec import ContainerSpec
from emulator.containers.usage import Machine, Usage
from emulator.difference import Difference
from emulator.environments import AnyImageSpec

Log = Callable[[str], None]
"""Takes one line of progress, without its line end."""


@dataclass(frozen=True)
class Image:
    """An environment that is ready to run: `reference` is the engine's own name for it (a tag, a folder).

    `digest` is its specification's; of an image that runs as it is, which no specification can name for good, the
    image's own.  `pinned` names it for good: a repository's digest, or the image's id.
    """

    digest: str
    reference: str
    differences: tuple[Difference, ...] = ()
    pinned: str = ""
    own_command: bool = False


@dataclass(frozen=True)
class Container:
    """A container as the engine sees it now.

    `host` and `port` are where its scoring server answers, empty and 0 once it has stopped.  `exit_code` is None while
    it runs.  `differences` says where it departs from what was asked.  `other_ports` leads from further ports inside to
    where they are reached at `host`.  `stopped_because` says why the engine itself has ended it, '' if it has not.
    """

    id: str
    name: str
    labels: Mapping[str, str]
    host: str
    port: int
    running: bool
    exit_code: int | None = None
    oom_killed: bool = False
    differences: tuple[Difference, ...] = field(default=())
    other_ports: Mapping[int, int] = field(default_factory=dict)
    stopped_because: str = ""

    def at(self, port: int) -> Container:
        """The same container, to be asked at that port of its own; at its scoring port unless it has another such."""
        return replace(self, port=self.other_ports.get(port, self.port))


class Engine(Protocol):
    """Builds environments and runs scoring containers.

    An engine is made for one workspace id; it lists, removes and prunes only what carries that id.  Every method
    translates its library's exceptions: EngineUnavailable when the engine itself does not answer, ImageBuildFailure,
    ResourceNotFound for an unknown container, OutOfQuota when disk or ports are exhausted.
    """

    @property
    def name(self) -> str:
        """`docker` or `process`."""

    def check(self) -> None:
        """Raise EngineUnavailable, naming what is missing and the command that mends it, unless this engine can run."""

    def find_image(self, digest: str) -> Image | None:
        """Return the image of that environment if it is there already; never touches a network."""

    def build_image(self, spec: AnyImageSpec, log: Log, canceled: threading.Event) -> Image:
        """Build the environment, or find its image, line by line into `log`; OperationCanceled soon after `canceled` is
        set.  EngineUnavailable also for a kind of environment that this engine cannot run, or when neither this machine
        nor a registry has the image.
        """

    def start(self, spec: ContainerSpec) -> Container:
        """Start a container and return at once; it may die before it answers."""

    def inspect(self, container_id: str) -> Container:
        """Return the container as it is now; ResourceNotFound once it is gone."""

    def list_containers(self) -> list[Container]:
        """Return every container of this workspace, running or not."""

    def running_ids(self) -> frozenset[str]:
        """Return the ids of this workspace's containers that run now: cheap, because it is asked every second."""

    def machine(self) -> Machine:
        """Return what containers can have at most; asked of the engine once."""

    def usage(self, container_ids: Iterable[str]) -> Mapping[str, Usage]:
        """What these containers use, by id, all asked at the same time; those that do not run any more are left out."""

    def oom_kills(self) -> Mapping[str, int]:
        """Return how often the kernel has killed a process of a container for want of memory, by id.

        Since this engine was made, and without containers to which it has not happened or of which this engine cannot
        know: cheap, because it is asked every second.
        """

    def logs(self, container_id: str, *, tail: int | None = None, follow: bool = False) -> Iterator[str]:
        """Lines of stdout and stderr, without line ends, the last `tail` of them; `follow` goes on until it ends."""

    def remove(self, container_id: str, *, grace_seconds: float = 10.0) -> None:
        """Stop the container (SIGTERM, then SIGKILL after the grace) and remove it; no error when it is gone."""

    def prune(self, keep_images: Set[str], *, dry_run: bool = False) -> list[str]:
        """Remove images (by digest) outside `keep_images` and leftovers of this workspace; say what, one line each."""

    def close(self) -> None:
        """Release connections; containers go on."""
