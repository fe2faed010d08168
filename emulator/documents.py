"""YAML documents whose faults are told with file, line and field path, all of them at once."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from emulator.errors import BadDocument, Fault

Path = tuple[str | int, ...]
_MERGE = "<<"
_MOST_VALUES = 100_000


@dataclass(frozen=True)
class Document:
    """A parsed YAML mapping; `lines` holds the 1-based line of every path in it.

    `prefix` is the path of a part within its file.  `places` names what is not in the file by what has put it there.
    """

    file: str
    data: Mapping[str, Any]
    lines: Mapping[Path, int]
    prefix: Path = ()
    places: Mapping[Path, str] = field(default_factory=dict)

    def fault(self, path: Path, message: str) -> Fault:
        """A fault at `path`, or at the nearest part of it that has a line."""
        parts = [path[:n] for n in range(len(path), -1, -1)]
        known = next((part for part in parts if part in self.lines or part in self.places), None)
        where = self.file if known is None else self.places.get(known) or f"{self.file}:{self.lines[known]}"
        return Fault(message, where, _dotted((*self.prefix, *path)))

    def part(self, key: str) -> Document:
        """The mapping under `key`, whose faults are told with their place in the whole."""
        lines = {path[1:]: line for path, line in self.lines.items() if path[:1] == (key,)}
        places = {path[1:]: place for path, place in self.places.items() if path[:1] == (key,)}
        return Document(self.file, self.data[key], lines, (*self.prefix, key), places)

    def unknown_keys(self, allowed: Iterable[str], path: Path = ()) -> list[Fault]:
        """A fault for each key at `path` that is not allowed, with the nearest one that is."""
        node: Any = self.data
        for part in path:
            node = node[part]
        allowed = list(allowed)
        return [self.fault((*path, key), unknown_key(str(key), allowed)) for key in node if key not in allowed]


def parse_document(text: str, file: str) -> Document:
    """The YAML mapping in `text`; BadDocument with the parser's own reason and line when it is none."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_expanding(root, file)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadDocument(f"{file} is not valid YAML", faults=[_yaml_fault(error, file)]) from error
    except RecursionError as error:
        raise BadDocument(f"{file} is nested too deeply") from error
    except TypeError as error:  # a mapping as a key
        raise BadDocument(
            f"{file} is not valid YAML", faults=[Fault(f"a key must be a text: {error}", file)]
        ) from error
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


def parse_yaml_or_json(text: str, file: str) -> Document:
    """The mapping in `text`, which is YAML or any JSON: also one with tabs, and with JSON's own numbers and escapes."""
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        if not (text.lstrip().startswith("{") and "\t" in text):
            return parse_document(text, file)
        # Of YAML one would only hear that tabs are wrong.
        raise BadDocument(f"{file} is not valid JSON", faults=[Fault(error.msg, f"{file}:{error.lineno}")]) from error
    except RecursionError as error:
        raise BadDocument(f"{file} is nested too deeply") from error
    if not isinstance(data, dict):
        raise BadDocument(f"{file} must hold a JSON object, not {_kind(data)}")
    # YAML takes no tabs; what is JSON has none inside of its texts.
    return replace(parse_document(text.replace("\t", " "), file), data=data)


def refuse(document: Document, faults: list[Fault]) -> None:
    """Raise BadDocument if there are faults."""
    if faults:
        count = "one fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise BadDocument(f"{document.file} has {count}", faults=faults)


def _refuse_expanding(root: yaml.Node | None, file: str) -> None:
    """Raise BadDocument for anchors that contain themselves, or that make a small text a huge document."""
    sizes: dict[int, int | None] = {}

    def size(node: yaml.Node) -> int:
        known = sizes.get(id(node), 0)
        if known is None:
            line = f"{file}:{node.start_mark.line + 1}"
            raise BadDocument(f"{file} is not a plain document", faults=[Fault("an anchor contains itself", line)])
        if known:
            return known
        sizes[id(node)] = None
        total = sizes[id(node)] = 1 + sum(map(size, _children(node)))
        return total

    if root is not None and size(root) > _MOST_VALUES:
        raise BadDocument(f"{file} stands for more than {_MOST_VALUES} values once its anchors are followed")


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


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


def unknown_key(key: str, allowed: list[str]) -> str:
    """What is said of a key that is not allowed: the nearest one that is, or all of them."""
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
