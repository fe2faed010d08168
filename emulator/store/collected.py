"""Collected data on the disk: lines in files that roll by the time, as the cloud lays out its blobs.

Nothing here is removed unless the settings say so: the cloud keeps it too (row collection.kept).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from emulator.containers.cloud_events import Written
from emulator.store.disk import make_folder
from emulator.store.privacy import owner_opener
from emulator.store.segments import inner_path, segment
from emulator.system.removal import remove_tree

_POLL_SECONDS = 0.1


class CollectedData:
    """The folder `modelDataCollector` of an emulator's home."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "modelDataCollector"
        self._lock = threading.Lock()

    def write(self, many: Iterable[Written]) -> None:
        """Append the lines, each file opened once, and write the files of their own; OSError when the disk refuses."""
        lines: dict[str, list[str]] = {}
        for one in many:
            if one.raw_path:
                path = self.folder / inner_path(one.raw_path)
                make_folder(path.parent)
                with open(path, "wb", opener=owner_opener) as raw:
                    raw.write(one.raw)
            lines.setdefault(one.path, []).append(one.line)
        with self._lock:
            for name, those in lines.items():
                path = self.folder / inner_path(name)
                make_folder(path.parent)
                with open(path, "a", encoding="utf-8", opener=owner_opener) as file:
                    file.write("".join(f"{line}\n" for line in those))

    def remove(self, endpoint_name: str, deployment_name: str) -> None:
        """Remove all data collected from a deployment."""
        remove_tree(self._of(endpoint_name, deployment_name), ignore_errors=True)

    def _of(self, endpoint_name: str, deployment_name: str) -> Path:
        return self.folder / segment(endpoint_name) / segment(deployment_name)

    def collections(self, endpoint_name: str, deployment_name: str) -> list[str]:
        """Return the names of collections, in alphabetical order; folders of years hold large data of all of them."""
        folders = sorted(self._of(endpoint_name, deployment_name).glob("*/"))
        return [folder.name for folder in folders if folder.is_dir() and next(self._files_of(folder), None)]

    def files(self, endpoint_name: str, deployment_name: str, collection: str | None) -> list[Path]:
        """Return the files of one collection, of all for None, in the order of time."""
        folder = self._of(endpoint_name, deployment_name)
        names = [collection] if collection else self.collections(endpoint_name, deployment_name)
        return sorted((file for name in names for file in self._files_of(folder / segment(name))), key=_rolled)

    def _files_of(self, folder: Path) -> Iterator[Path]:
        if folder.name.isdecimal() and len(folder.name) == 4:
            return iter(())
        return folder.rglob("*.jsonl")


def _rolled(file: Path) -> tuple[tuple[str, ...], str]:
    """The parts of a file's path that say its time, and its name."""
    return tuple(part for part in file.parts if part.isdecimal()), file.name


class CollectedReader(Iterator[str]):
    """The last `tail` lines of all files (all when None), then with `follow` each new one until it is closed.

    `find_files` names the files as they are now: new ones come as time rolls on.  `close` may be called from another
    thread.
    """

    def __init__(
        self, find_files: Callable[[], list[Path]], tail: int | None, follow: bool, sleep: Callable[[float], None]
    ) -> None:
        self._closed = threading.Event()
        self._positions: dict[Path, int] = {}
        self._lines = self._read(find_files, tail, follow, sleep)

    def __next__(self) -> str:
        return next(self._lines)

    def close(self) -> None:
        """End the iteration, also for a thread that waits in it."""
        self._closed.set()

    def _read(
        self, find_files: Callable[[], list[Path]], tail: int | None, follow: bool, sleep: Callable[[float], None]
    ) -> Iterator[str]:
        lines = self._new_lines(find_files())
        yield from lines[len(lines) - min(tail, len(lines)) :] if tail is not None else lines
        while follow and not self._closed.is_set():
            sleep(_POLL_SECONDS)
            yield from self._new_lines(find_files())

    def _new_lines(self, files: list[Path]) -> list[str]:
        """Return the new lines of the files, in the order of the events' times."""
        return sorted((line for file in files for line in self._new_lines_of(file)), key=_time_of)

    def _new_lines_of(self, file: Path) -> list[str]:
        with file.open("rb") as opened:
            opened.seek(self._positions.get(file, 0))
            text = opened.read()
        complete = text[: text.rfind(b"\n") + 1]
        self._positions[file] = self._positions.get(file, 0) + len(complete)
        return complete.decode("utf-8", "replace").split("\n")[:-1]


def _time_of(line: str) -> str:
    try:
        return str(json.loads(line)["time"])
    except (ValueError, KeyError, TypeError):  # the file was edited
        return ""
