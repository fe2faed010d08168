"""The logs that outlive what wrote them: builds, containers that failed to start, requests."""

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
        """A function that takes the lines of an environment's build; they replace those of its last build.

        A line that the disk has no room for is lost: the build itself says what it lacks.
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
        """Keep what the container of a failed start has said."""
        text = "".join(f"{line}\n" for line in lines)
        path = self._container(endpoint_name, deployment_name)
        with open(path, "w", encoding="utf-8", opener=owner_opener) as file:
            file.write(text)

    def kept_container(self, endpoint_name: str, deployment_name: str) -> list[str]:
        """What was kept of a failed start, nothing when the last start went well."""
        path = self._container(endpoint_name, deployment_name)
        return path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []

    def forget_container(self, endpoint_name: str, deployment_name: str) -> None:
        """Drop what was kept, the tree too."""
        remove_whole(self._container(endpoint_name, deployment_name))
        remove_whole(self._tree(endpoint_name, deployment_name))

    def keep_tree(self, endpoint_name: str, deployment_name: str, files: Sequence[tuple[str, int]]) -> None:
        """Keep which files the container of a failed start had: path and size."""
        with open(self._tree(endpoint_name, deployment_name), "w", encoding="utf-8", opener=owner_opener) as file:
            json.dump(files, file)

    def kept_tree(self, endpoint_name: str, deployment_name: str) -> list[tuple[str, int]]:
        """What was kept of the files of a failed start, nothing when there is none or it cannot be read."""
        try:
            found = json.loads(self._tree(endpoint_name, deployment_name).read_text(encoding="utf-8"))
            return [(str(path), int(size)) for path, size in found]
        except (OSError, ValueError, TypeError):
            return []

    def requests(self, endpoint_name: str) -> Path:
        """The file of the front door's lines, one JSON object each."""
        return self._folder / segment(f"{endpoint_name}.requests.jsonl")

    def events(self, endpoint_name: str) -> Path:
        """The file of what happened to the endpoint's containers, one JSON object each."""
        return self._folder / segment(f"{endpoint_name}.events.jsonl")

    def insights(self, endpoint_name: str) -> Path:
        """The file of what the endpoint's containers have sent to Application Insights, one JSON object each."""
        return self._folder / segment(f"{endpoint_name}.insights.jsonl")

    def forget_endpoint(self, endpoint_name: str) -> None:
        """Drop all that is kept of an endpoint: of its requests, its containers, its failed starts."""
        for path in self._folder.glob(f"{segment(endpoint_name)}.*"):
            if path.name.removesuffix(".1").endswith(_OF_ENDPOINTS):
                remove_whole(path)

    def keep_only(self, endpoint_names: Set[str]) -> None:
        """Drop the logs of all other endpoints; those of builds stay."""
        for path in self._folder.iterdir():
            name = path.name.removesuffix(".1")
            if name.endswith(_OF_ENDPOINTS) and name.partition(".")[0] not in endpoint_names:
                with suppress(OSError):  # a folder in its place is in nobody's way
                    path.unlink(missing_ok=True)

    def _container(self, endpoint_name: str, deployment_name: str) -> Path:
        return self._folder / segment(f"{endpoint_name}.{deployment_name}.failed.log")

    def _tree(self, endpoint_name: str, deployment_name: str) -> Path:
        return self._folder / segment(f"{endpoint_name}.{deployment_name}.failed.tree.json")
