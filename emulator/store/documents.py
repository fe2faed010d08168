"""Documents as entities: read and parsed once, and again when somebody has replaced the file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar, cast

from emulator.entities import Entity
from emulator.store.disk import parsed_document, write_document

E = TypeVar("E", bound=Entity)
_Stamp = tuple[int, int, int, int]


class Documents:
    """The documents of one store.

    An entity is frozen, so all who read a document share it.  What the file is, its stamp tells: documents are replaced
    by rename, never changed in place.  A document that is written here is forgotten in any case, because its successor
    may get the same stamp: the inode of the one before it, within one tick of the file system's clock.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[_Stamp, Entity]] = {}

    def find(self, path: Path | str, shape: type[E]) -> E | None:
        """The entity in that file, None when there is no such file; EmulatorError when it is damaged."""
        name = os.fspath(path)
        try:
            known = self._known.get(name)
            if known is not None and known[0] == _stamp(os.stat(name)):  # noqa: PTH116 - a Path costs more than the call
                return cast(E, known[1])
            return self._read(name, shape)
        except (FileNotFoundError, NotADirectoryError):
            self._known.pop(name, None)
            return None

    def _read(self, name: str, shape: type[E]) -> E:
        with open(name, "rb") as file:  # noqa: PTH123 - as above
            stamp = _stamp(os.fstat(file.fileno()))
            text = file.read()
        entity = shape.parse(parsed_document(text, name))
        self._known[name] = stamp, entity
        return entity

    def put(self, path: Path, entity: Entity, *, secret: bool = False) -> None:
        """Replace the file as a whole."""
        try:
            write_document(path, entity.to_document(), secret=secret)
        finally:
            self._known.pop(os.fspath(path), None)

    def all_in(self, folder: Path | str, shape: type[E]) -> list[E]:
        """The entities of all files NAME.json in a folder, in the order of names."""
        paths = (path for path in paths_in(folder) if path.endswith(".json"))
        return [found for found in (self.find(path, shape) for path in paths) if found]


def paths_in(folder: Path | str) -> list[str]:
    """Everything that lies in a folder, in the order of names; nothing when there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.path for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _stamp(status: os.stat_result) -> _Stamp:
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
