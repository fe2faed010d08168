"""The reading of a v1 file: its values by kind, its faults, and its differences.

v1's own parsers (azureml-core `_model_management/_util.py`) ignore unknown keys without a word.  So an unknown key is a
difference here, not a fault, and names the key that was probably meant.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from emulator.difference import Difference, differs
from emulator.documents.yaml_document import Document, Path, refuse
from emulator.errors import Fault, did_you_mean


@dataclass(frozen=True)
class Kind:
    """A kind of value; `what` completes the sentence "must be …"."""

    what: str
    accepts: Callable[[Any], bool]


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")


TEXT = Kind("a text", lambda value: isinstance(value, str))
FLAG = Kind("true or false", lambda value: isinstance(value, bool))
WHOLE = Kind("a whole number from 1 up", lambda value: _is_whole(value) and value >= 1)
COUNT = Kind("a whole number from 0 up", lambda value: _is_whole(value) and value >= 0)
AMOUNT = Kind("a number greater than zero", _is_positive)
SECTION = Kind("an object", lambda value: isinstance(value, Mapping))
LIST = Kind("a list", lambda value: isinstance(value, list))
ANY = Kind("anything", lambda _: True)

Keys = Mapping[Path, Kind]
"""The keys of a file by their paths, each section before its own keys."""


@dataclass
class Reading:
    """Collects the faults and differences of a document while its values are read; end it with `finish`."""

    document: Document
    faults: list[Fault] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)

    def values(self, keys: Keys) -> dict[Path, Any]:
        """Return the values of `keys` that are present and of their kind; null is absent, as for v1's parsers."""
        found = {path: self.value(path, kind) for path, kind in keys.items()}
        for section in [(), *(path for path, kind in keys.items() if kind is SECTION)]:
            self._note_unknown(section, [str(path[-1]) for path in keys if path[:-1] == section])
        return {path: value for path, value in found.items() if value is not None}

    def value(self, path: Path, kind: Kind) -> Any:
        """Return the value at `path`; None when it is absent, or of another kind, which is a fault."""
        value = self._at(path)
        if value is None or kind.accepts(value):
            return value
        self.fault(path, f"must be {kind.what}")
        return None

    def _at(self, path: Path) -> Any:
        node: Any = self.document.data
        for part in path:
            node = node.get(part) if isinstance(node, Mapping) else None
        return node

    def fault(self, path: Path, message: str) -> None:
        """Add a fault: something that would not work in the cloud either, or cannot work here."""
        self.faults.append(self.document.fault(path, message))

    def missing(self, path: Path, message: str) -> None:
        """Add a fault for a missing required key, with the nearest key; not where its value is a fault already."""
        told = self.document.fault(path, message)
        near = difflib.get_close_matches(told.field, [str(key) for key in self.document.data], n=1)
        if not any(fault.field == told.field for fault in self.faults):
            self.fault(path, f"{message}; '{near[0]}' is another key" if near and near[0] != path[-1] else message)

    def note(self, path: Path, difference: Difference) -> None:
        """Add a difference of the value at `path`: its text gets the place in the file."""
        self.differences.append(replace(difference, text=str(self.document.fault(path, difference.text))))

    def _note_unknown(self, section: Path, known: Iterable[str]) -> None:
        node, known = self._at(section), list(known)
        for key in node if isinstance(node, Mapping) and known else ():
            if key not in known:
                near = did_you_mean(str(key), known)
                text = f"unknown key '{key}' is ignored, as in the cloud{near and f'; {near}'}"
                self.note((*section, key), differs("file.unknown_key", text))

    def finish(self) -> None:
        """Raise BadDocument with every fault, if there are any."""
        refuse(self.document, self.faults)
