"""YAML documents whose faults are told with file, line and field path, all of them at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from emulator.errors import BadDocument, Fault

Path = tuple[str | int, ...]
_MERGE = "<<"


@dataclass(frozen=True)
class Document:
    """A parsed YAML mapping; `lines` holds the 1-based line of every path in it."""

    file: str
    data: Mapping[str, Any]
    lines: Mapping[Path, int]

    def fault(self, path: Path, message: str) -> Fault:
        """A fault at `path`, or at the nearest part of it that has a line."""
        known = next((path[:n] for n in range(len(path), 0, -1) if path[:n] in self.lines), ())
        line = self.lines.get(known)
        return Fault(message, f"{self.file}:{line}" if line else self.file, _dotted(path))

    def unknown_keys(self, allowed: Iterable[str], path: Path = ()) -> list[Fault]:
        """A fault for each key at `path` that is not allowed, with the nearest one that is."""
        node: Any = self.data
        for part in path:
            node = node[part]
        allowed = list(allowed)
        return [self.fault((*path, key), _unknown(str(key), allowed)) for key in node if key not in allowed]


def parse_document(text: str, file: str) -> Document:
    """The YAML mapping in `text`; BadDocument with the parser's own reason and line when it is none."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadDocument(f"{file} is not valid YAML", faults=[_yaml_fault(error, file)]) from error
    except ValueError as error:  # a date such as 2024-13-01
        raise BadDocument(f"{file} is not valid YAML", faults=[Fault(str(error), file)]) from error
    if not isinstance(data, dict):
        raise BadDocument(f"{file} must hold a YAML mapping (key: value), not {_kind(data)}")
    found = _Lines()
    found.collect(root, ())
    document = Document(file, data, found.lines)
    # YAML forbids the same key twice; this parser would take the last one and say nothing.
    refuse(document, [Fault(f"the key '{key}' is there twice", f"{file}:{line}") for key, line in found.twice])
    return document


def refuse(document: Document, faults: list[Fault]) -> None:
    """Raise BadDocument if there are faults."""
    if faults:
        count = "one fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise BadDocument(f"{document.file} has {count}", faults=faults)


@dataclass
class _Lines:
    """The line of every path, and the keys that are there twice with the line of the second one."""

    lines: dict[Path, int] = field(default_factory=dict)
    twice: list[tuple[str, int]] = field(default_factory=list)
    _seen: set[int] = field(default_factory=set)

    def collect(self, node: Any, path: Path) -> None:
        if id(node) in self._seen:
            return  # an alias, perhaps of something that it is part of
        self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                self._entry((*path, key.value), key.start_mark.line + 1, value)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                child: Path = (*path, index)
                self.lines[child] = value.start_mark.line + 1
                self.collect(value, child)

    def _entry(self, path: Path, line: int, value: Any) -> None:
        if path in self.lines and path[-1] != _MERGE:
            self.twice.append((str(path[-1]), line))
        self.lines[path] = line
        self.collect(value, path)


def _yaml_fault(error: yaml.YAMLError, file: str) -> Fault:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    context = getattr(error, "context", None)
    where = f"{file}:{mark.line + 1}" if mark else file
    return Fault(f"{problem} ({context})" if context else problem, where)


def _unknown(key: str, allowed: list[str]) -> str:
    near = difflib.get_close_matches(key, allowed, n=1)
    return f"unknown key '{key}'" + (f", did you mean '{near[0]}'?" if near else f"; known: {', '.join(allowed)}")


def _dotted(path: Path) -> str:
    """('a', 0, 'b') → 'a[0].b'."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def _kind(data: Any) -> str:
    return {list: "a list", str: "a text", type(None): "nothing"}.get(type(data), f"a {type(data).__name__}")
