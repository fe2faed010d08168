"""Containers of the process engine on disk: one folder each, which any engine on the same machine can read.

`container.json` says what was asked, without the values of variables; `process.json` which process supervises it;
`exit.json` the exit code, once there is one; `stopped.json` why the emulator has ended it, if it has; `log` and `log.1`
hold its output; `home`, `tmp` and `var-tmp` are what it may write to.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from emulator.difference import Difference, read_differences
from emulator.engines import Container
from emulator.engines.process.disk import DiskShare
from emulator.engines.process.files import read_json
from emulator.engines.process.isolation import CONTAINER_UID
from emulator.errors import ResourceNotFound
from emulator.system.files import replace_json
from emulator.system.os_process import ProcessFacts, is_alive, kill_all_marked, send_signal, wait_until_gone
from emulator.system.removal import remove_tree

# A start takes a fraction of a second; what has no process long after it was begun has lost its emulator.
_ABANDONED_SECONDS = 60
_KILLED = 137
_WRITABLE = ("home", "tmp", "var-tmp")


@dataclass(frozen=True)
class ContainerRecord:
    """What was started: never the values of its variables.

    `most_bytes` is what it may write to the disk, None without a limit; `sink` and `layout` are what it can write to
    beside its own folders, '' for what it cannot.
    """

    id: str
    workspace: str
    name: str
    image: str
    labels: Mapping[str, str]
    port: int
    pid_namespace: bool
    differences: tuple[Difference, ...]
    most_bytes: int | None = None
    sink: str = ""
    layout: str = ""
    began: float = 0.0


class Containers:
    """The containers below `folder` that belong to the workspace `workspace_id`."""

    def __init__(self, folder: Path, workspace_id: str) -> None:
        self._folder, self._workspace_id = folder, workspace_id
        self._began = time.time()

    def create_folder(self, *, for_container_user: bool) -> tuple[str, Path]:
        """A new id, and its folder with all that a container may write to, for uid 1000 where it runs as that."""
        container_id = secrets.token_hex(6)
        folder = self._folder / container_id
        folder.mkdir(parents=True, mode=0o700)
        (folder / "log").touch(mode=0o600)
        (folder / "root").mkdir()
        for name, mode in (("home", 0o755), ("tmp", 0o1777), ("var-tmp", 0o1777)):
            (folder / name).mkdir()
            (folder / name).chmod(mode)
            if for_container_user:
                os.chown(folder / name, CONTAINER_UID, CONTAINER_UID)
        return container_id, folder

    def write(self, record: ContainerRecord) -> None:
        """Write the record of the container."""
        replace_json(self._folder / record.id / "container.json", asdict(record), durable=False)

    def write_process(self, container_id: str, facts: ProcessFacts) -> None:
        """Record its supervisor; from then on the container counts as started."""
        replace_json(self._folder / container_id / "process.json", asdict(facts), durable=False)

    def record(self, container_id: str) -> ContainerRecord:
        """Return what was started; ResourceNotFound when it is gone or another workspace's."""
        document = read_json(self._path(container_id) / "container.json")
        if document is None or document["workspace"] != self._workspace_id:
            raise _not_found(container_id)
        return ContainerRecord(**document | {"differences": read_differences(document["differences"])})

    def process(self, container_id: str) -> ProcessFacts:
        """Return the supervisor of a container, running or not; ResourceNotFound when there is none."""
        document = read_json(self._path(container_id) / "process.json")
        if document is None:
            raise _not_found(container_id)
        return ProcessFacts(**document)

    def read(self, container_id: str) -> Container:
        """Return the container as it is now; ResourceNotFound when it is gone."""
        record = self.record(container_id)
        # In this order: a supervisor that is not alive has written its exit code, if it ever does.
        alive = is_alive(self.process(container_id))
        ended = read_json(self._path(container_id) / "exit.json")
        running = alive and ended is None
        stopped = None if running else read_json(self._path(container_id) / "stopped.json")
        return Container(
            id=record.id,
            name=record.name,
            labels=record.labels,
            host="127.0.0.1" if running else "",
            port=record.port if running else 0,
            running=running,
            exit_code=None if running else (ended or {"exit_code": _KILLED})["exit_code"],
            differences=record.differences,
            stopped_because=stopped["reason"] if stopped else "",
        )

    def is_running(self, container_id: str) -> bool:
        """Return whether its server runs; False also once it is removed."""
        try:
            return self.read(container_id).running
        except ResourceNotFound:
            return False

    def read_all(self) -> list[Container]:
        """Return all containers of this workspace, by id."""
        found = []
        for folder in sorted(self._folder.glob("[0-9a-f]*")):
            try:
                found.append(self.read(folder.name))
            except ResourceNotFound:
                continue  # another workspace's, or not started yet, or removed just now
        return found

    def running_ids(self) -> frozenset[str]:
        """Return the ids of this workspace's running containers."""
        return frozenset(container.id for container in self.read_all() if container.running)

    def disk_shares(self) -> dict[str, DiskShare]:
        """Return what those may write to the disk that run and have a limit, by id."""
        found = {}
        for container_id in self.running_ids():
            with contextlib.suppress(ResourceNotFound):
                record = self.record(container_id)
                if record.most_bytes is not None:
                    own = tuple(str(self._path(container_id) / name) for name in _WRITABLE)
                    sink = (record.sink,) if record.sink else ()
                    found[container_id] = DiskShare(record.most_bytes, own + sink, record.layout, record.began)
        return found

    def end(self, container_id: str, reason: str) -> None:
        """End a container that has done what it must not, and free what it has written; `reason` stays until it is
        removed."""
        record, process, folder = self.record(container_id), self.process(container_id), self._path(container_id)
        replace_json(folder / "stopped.json", {"reason": reason}, durable=False)
        stop(process, 0)
        if not record.pid_namespace:
            kill_all_marked("HOSTNAME", container_id)
        for name in _WRITABLE:
            remove_tree(folder / name, ignore_errors=True)
        with (folder / "log").open("a", encoding="utf-8") as log:
            log.write(f"amlemu has stopped this container: {reason}\n")

    def supervisors(self, container_ids: Iterable[str]) -> dict[str, int]:
        """Return the process ids of the supervisors of those containers that run."""
        found = {}
        for container_id in container_ids:
            with contextlib.suppress(ResourceNotFound):
                # A supervisor outlives its server by the moment in which it writes the exit code.
                if self.read(container_id).running:
                    found[container_id] = self.process(container_id).pid
        return found

    def images_in_use(self) -> set[str]:
        """Return the digests of the environments of all containers but those of this workspace that do not run."""
        documents = (read_json(folder / "container.json") for folder in self._folder.glob("[0-9a-f]*"))
        return {document["image"] for document in documents if document is not None and self._is_needed(document)}

    def _is_needed(self, document: Mapping[str, str]) -> bool:
        return document["workspace"] != self._workspace_id or self.is_running(document["id"])

    def log(self, container_id: str) -> Path:
        """Return the newer log file."""
        self.record(container_id)
        return self._path(container_id) / "log"

    def remove(self, container_id: str, grace_seconds: float) -> None:
        """Stop and remove a container; nothing when it is gone."""
        try:
            record, process = self.record(container_id), self.process(container_id)
        except ResourceNotFound:
            return
        stop(process, grace_seconds)
        if not record.pid_namespace:
            kill_all_marked("HOSTNAME", container_id)
        self.discard(container_id)

    def discard(self, container_id: str) -> None:
        """Remove the folder of a container of which nothing runs; out of sight at once, then file by file."""
        doomed = self._folder / f".removed-{container_id}"
        with contextlib.suppress(FileNotFoundError):
            (self._folder / container_id).rename(doomed)
        remove_tree(doomed)

    def prune(self, *, dry_run: bool) -> list[str]:
        """Remove this workspace's containers that do not run, and what unfinished starts and removals left."""
        stopped = [container for container in self.read_all() if not container.running]
        doomed = self._leftovers()
        if not dry_run:
            for container in stopped:
                self.remove(container.id, 0)
            self.remove_unfinished()
        said = [f"container {container.name}" for container in stopped]
        return said + [f"unfinished container {folder.name.removeprefix('.removed-')}" for folder in doomed]

    def remove_unfinished(self) -> None:
        """Remove what unfinished starts and removals left."""
        for folder in self._leftovers():
            remove_tree(folder)

    def _leftovers(self) -> list[Path]:
        return [folder for folder in sorted(self._folder.glob("*")) if self._is_leftover(folder)]

    def _is_leftover(self, folder: Path) -> bool:
        """Return whether the emulator that began to start or remove this container is gone."""
        try:
            stat = folder.stat()
        except FileNotFoundError:
            return False
        if not folder.name.startswith(".") and (folder / "process.json").exists():
            return False
        document = read_json(folder / "container.json")
        ours = document is None or document["workspace"] == self._workspace_id
        # A workspace has one emulator at a time: work that is older than this emulator was abandoned.
        return stat.st_mtime < time.time() - _ABANDONED_SECONDS or (ours and stat.st_ctime < self._began)

    def _path(self, container_id: str) -> Path:
        if not re.fullmatch("[0-9a-f]{12}", container_id):
            raise _not_found(container_id)
        return self._folder / container_id


def stop(process: ProcessFacts, grace_seconds: float) -> None:
    """Stop the server with SIGTERM, then kill all processes, and the supervisor if it hangs."""
    waits = ((signal.SIGTERM, grace_seconds), (signal.SIGUSR1, 5.0), (signal.SIGKILL, 5.0))
    for number, seconds in waits:
        if not send_signal(process, number) or wait_until_gone(process, seconds):
            return


def _not_found(container_id: str) -> ResourceNotFound:
    return ResourceNotFound(f"there is no container {container_id}", target=f"container {container_id}")
