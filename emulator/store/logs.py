"""Logs that outlive their writers: of builds, containers that failed to start, requests and events."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager, suppress
from pathlib import Path

from emulator.store.disk import make_folder, remove_whole
from emulator.store.privacy import owner_opener
from emulator.store.segments import segment
from emulator.system.files import translate_os_errors

_OF_ENDPOINTS = (".requests.jsonl", ".events.jsonl", ".insights.jsonl", ".failed.log", ".failed.tree.json")


class Logs:
    """One folder of log files."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "logs"
        make_folder(self._folder)

    @contextmanager
    def build(self, digest: str) -> Iterator[Callable[[str], None]]:
        """Yield a function that appends a line to the log of an environment's build, which replaces its last log.

        Lines are lost while the disk is full: the build itself reports that.
        """
        with translate_os_errors(f"log of build {digest[:12]}"):
            path = self._folder / segment(f"build-{digest[:16]}.log")
            file = open(path, "w", encoding="utf-8", buffering=1, opener=owner_opener)  # noqa: SIM115 - until the build ends

        def keep(line: str) -> None:
            with suppress(OSError):
                print(line, file=file)

        try:
            yield keep
        finally:
            with suppress(OSError):
                file.close()

    def keep_container(self, endpoint_name: str, deployment_name: str, lines: Iterable[str]) -> None:
        """Keep the log of a container that failed to start."""
        text = "".join(f"{line}\n" for line in lines)
        path = self._container(endpoint_name, deployment_name)
        with open(path, "w", encoding="utf-8", opener=owner_opener) as file:
            file.write(text)

    def kept_container(self, endpoint_name: str, deployment_name: str) -> list[str]:
        """Return the kept log of a failed start, empty after a successful one."""
        path = self._container(endpoint_name, deployment_name)
        return path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []

    def forget_container(self, endpoint_name: str, deployment_name: str) -> None:
        """Drop the kept log and list of files."""
        remove_whole(self._container(endpoint_name, deployment_name))
        remove_whole(self._tree(endpoint_name, deployment_name))

    def keep_tree(self, endpoint_name: str, deployment_name: str, files: Sequence[tuple[str, int]]) -> None:
        """Keep path and size of the files of a container that failed to start."""
        with open(self._tree(endpoint_name, deployment_name), "w", encoding="utf-8", opener=owner_opener) as file:
            json.dump(files, file)

    def kept_tree(self, endpoint_name: str, deployment_name: str) -> list[tuple[str, int]]:
        """Return the kept files of a failed start, empty if there are none or they cannot be read."""
        try:
            found = json.loads(self._tree(endpoint_name, deployment_name).read_text(encoding="utf-8"))
            return [(str(path), int(size)) for path, size in found]
        except (OSError, ValueError, TypeError):
            return []

    def requests(self, endpoint_name: str) -> Path:
        """Return the file of the endpoint's request log, one JSON object a line."""
        return self._folder / segment(f"{endpoint_name}.requests.jsonl")

    def events(self, endpoint_name: str) -> Path:
        """Return the file of the endpoint's event log, one JSON object a line."""
        return self._folder / segment(f"{endpoint_name}.events.jsonl")

    def insights(self, endpoint_name: str) -> Path:
        """Return the file of the endpoint's telemetry for Application Insights, one JSON object a line."""
        return self._folder / segment(f"{endpoint_name}.insights.jsonl")

    def forget_endpoint(self, endpoint_name: str) -> None:
        """Drop all logs of an endpoint."""
        for path in self._folder.glob(f"{segment(endpoint_name)}.*"):
            if path.name.removesuffix(".1").endswith(_OF_ENDPOINTS):
                remove_whole(path)

    def keep_only(self, endpoint_names: Set[str]) -> None:
        """Drop the logs of all other endpoints; build logs stay."""
        for path in self._folder.iterdir():
            name = path.name.removesuffix(".1")
            if name.endswith(_OF_ENDPOINTS) and name.partition(".")[0] not in endpoint_names:
                with suppress(OSError):  # a folder in its place is harmless
                    path.unlink(missing_ok=True)

    def _container(self, endpoint_name: str, deployment_name: str) -> Path:
        return self._folder / segment(f"{endpoint_name}.{deployment_name}.failed.log")

    def _tree(self, endpoint_name: str, deployment_name: str) -> Path:
        return self._folder / segment(f"{endpoint_name}.{deployment_name}.failed.tree.json")
