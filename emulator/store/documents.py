"""Documents as entities: read and parsed once, and again after the file was replaced."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar, cast

from emulator.entities import Entity
from emulator.errors import BadArgument, DamagedDocument, damaged_document
from emulator.names import is_segment
from emulator.store.disk import parsed_document, read_file, write_document

E = TypeVar("E", bound=Entity)
_Stamp = tuple[int, int, int, int]
_END = ".json"


class Documents:
    """The documents of one store.

    An entity is frozen, so all readers of a document share it.  The cache is checked by the file's stamp: documents are
    replaced by rename, never changed in place.  A document that is written here always leaves the cache, because its
    successor may get the same stamp: the old inode, within one tick of the file system's clock.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[_Stamp, Entity]] = {}

    def find(self, path: Path | str, shape: type[E], named: Mapping[str, str] | None = None) -> E | None:
        """Return the entity in that file, None if there is no such file.

        Raises DamagedDocument if it cannot be read, or if its fields differ from those that its path implies (`named`).
        """
        name = os.fspath(path)
        try:
            known = self._known.get(name)
            if known is not None and known[0] == _stamp(os.stat(name)):  # noqa: PTH116 - a Path costs more than the call
                return cast(E, known[1])
        except OSError:  # read_file raises for it
            self._known.pop(name, None)
        return self._read(name, shape, named or {})

    def _read(self, name: str, shape: type[E], named: Mapping[str, str]) -> E | None:
        found = read_file(name)
        if found is None:
            return None
        text, facts = found
        try:
            entity = shape.of_store(parsed_document(text, name))
        except BadArgument as error:
            raise damaged_document(name, error.message) from error
        for field, value in named.items():
            if getattr(entity, field) != value:
                raise damaged_document(name, f"its {field} is '{getattr(entity, field)}', and its place is '{value}'")
        self._known[name] = _stamp(facts), entity
        return entity

    def put(self, path: Path, entity: Entity) -> None:
        """Replace the document."""
        try:
            write_document(path, entity.to_stored())
        finally:
            self._known.pop(os.fspath(path), None)

    def readable(self, path: Path | str, shape: type[E], named: Mapping[str, str] | None = None) -> E | None:
        """Return the entity, None if it does not exist or is damaged: one damaged document must not break a list."""
        try:
            return self.find(path, shape, named)
        except DamagedDocument:
            return None


def names_in(folder: Path | str) -> list[str]:
    """Return the sorted names in a folder, without temporary files; none if it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if is_segment(entry.name))
    except OSError:
        return []


def stems_in(folder: Path | str) -> Iterator[str]:
    """Yield the sorted names of the documents in a folder, without .json."""
    return (name.removesuffix(_END) for name in names_in(folder) if name.endswith(_END))


def _stamp(status: os.stat_result) -> _Stamp:
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
