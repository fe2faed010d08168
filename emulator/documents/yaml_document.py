"""YAML and JSON documents whose faults are reported all at once, with file, line and field path."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from emulator.errors import BadDocument, Fault, did_you_mean, fault_count

Path = tuple[str | int, ...]
_MERGE = "<<"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's where available: ten times as fast
_MOST_CHARACTERS = 1 << 20
_MOST_VALUES = 20_000
_MOST_LEVELS = 100
_TOO_DEEP = f"nested too deeply: more than {_MOST_LEVELS} levels"
_MOST_DIGITS = 100
_MOST_FAULTS = 100
_SOON = 20_000  # characters: parsed in half a second
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_NO_CHARACTER = "an escape stands for half a character"
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


@dataclass(frozen=True)
class Document:
    """A parsed YAML mapping; `lines` holds the 1-based line of every path in it.

    `prefix` is the path of a part within its file.  `places` names the origin of values that are not from the file.
    """

    file: str
    data: Mapping[str, Any]
    lines: Mapping[Path, int]
    prefix: Path = ()
    places: Mapping[Path, str] = field(default_factory=dict)

    def fault(self, path: Path, message: str) -> Fault:
        """Make a fault at `path`, with the line of the nearest part of the path that has one."""
        parts = [path[:n] for n in range(len(path), -1, -1)]
        known = next((part for part in parts if part in self.lines or part in self.places), None)
        where = self.file if known is None else self.places.get(known) or f"{self.file}:{self.lines[known]}"
        return Fault(message, where, _dotted((*self.prefix, *path)))

    def part(self, key: str) -> Document:
        """Return the mapping under `key`, whose faults keep their place in the whole document."""
        lines = {path[1:]: line for path, line in self.lines.items() if path[:1] == (key,)}
        places = {path[1:]: place for path, place in self.places.items() if path[:1] == (key,)}
        return Document(self.file, self.data[key], lines, (*self.prefix, key), places)

    def unknown_keys(self, allowed: Iterable[str], path: Path = ()) -> list[Fault]:
        """Return a fault for each key at `path` that is not allowed, with the nearest one that is."""
        node: Any = self.data
        for part in path:
            node = node[part]
        allowed = list(allowed)
        unknown = [key for key in node if key not in allowed][:_MOST_FAULTS]
        return [self.fault((*path, key), unknown_key(str(key), allowed)) for key in unknown]


def parse_document(text: str, file: str, loader: Any = LOADER) -> Document:
    """Parse a YAML mapping; BadDocument has the parser's own reason and line.

    Texts that are too long, too deep or of too many values are rejected before they are constructed.  `loader` is
    PyYAML's.
    """
    root, data = _parsed(text, file, loader)
    if not isinstance(data, dict):
        raise BadDocument(f"{file} must hold a YAML mapping (key: value), not {_kind(data)}")
    found = _Lines()
    found.collect(root, ())
    document = Document(file, data, found.lines)
    # YAML forbids duplicate keys; this parser silently keeps the last one.
    refuse(document, [Fault(f"the key '{key}' is there twice", f"{file}:{line}") for key, line in found.twice])
    return document


def parse_value(text: str, name: str) -> Any:
    """Parse any YAML value; BadDocument as for `parse_document`, with `name` in place of a file."""
    return _parsed(text, name)[1]


def parse_yaml_or_json(text: str, file: str) -> Document:
    """Parse a mapping in YAML or JSON, including JSON with tabs and with its own numbers and escapes."""
    try:
        data = parse_json(text, file)
    except BadDocument as error:
        # For a text that is meant to be JSON, YAML's error would only be about tabs.
        if isinstance(error.__cause__, json.JSONDecodeError) and not (text.lstrip().startswith("{") and "\t" in text):
            return parse_document(text, file)
        raise
    if not isinstance(data, dict):
        raise BadDocument(f"{file} must hold a JSON object, not {_kind(data)}")
    # YAML allows neither tabs, which JSON never has inside strings, nor JSON's surrogate pairs.
    return replace(parse_document(_SURROGATE.sub(r"\\ufffd", text.replace("\t", " ")), file), data=data)


def parse_json(text: str, file: str) -> Any:
    """Parse JSON; BadDocument also for a text that is too long or too deep, and for a number with too many digits.

    Errors repeat nothing of the text.
    """
    check_length(text, file)
    try:
        data = json.loads(text, parse_int=whole_number)
        json.dumps(data, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise BadDocument(f"{file} is not valid JSON", faults=[Fault(error.msg, f"{file}:{error.lineno}")]) from error
    except RecursionError as error:
        raise BadDocument(f"{file} is nested too deeply") from error
    except UnicodeEncodeError as error:
        raise BadDocument(f"{file} is not valid JSON", faults=[Fault(_NO_CHARACTER, file)]) from error
    except ValueError as error:
        raise BadDocument(f"{file} is not valid JSON", faults=[Fault(str(error), file)]) from error
    return data


def whole_number(text: str) -> int:
    """Parse a whole number; ValueError for one with too many digits."""
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"a number of {len(text)} digits: at most {_MOST_DIGITS} are read")
    return int(text)


def check_length(text: str, file: str) -> None:
    """Raise BadDocument for a text that is too long."""
    if len(text) > _MOST_CHARACTERS:
        raise BadDocument(f"{file} has {len(text)} characters: no document may have more than {_MOST_CHARACTERS}")


def _parsed(text: str, file: str, loader_class: Any = LOADER) -> tuple[yaml.Node | None, Any]:
    """Return the root node of the YAML in `text`, and its value."""
    check_length(text, file)
    try:
        _refuse_large(text, file, loader_class)
        loader = loader_class(text)
        try:
            root = loader.get_single_node()
            _refuse_expanding(root, file)
            return root, None if root is None else loader.construct_document(root)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        fault = _yaml_fault(_in_words(error, text, file), file)
        raise BadDocument(f"{file} is not valid YAML", faults=[fault]) from error
    except RecursionError as error:
        raise BadDocument(f"{file} is nested too deeply") from error
    except TypeError as error:  # a mapping as a key
        raise BadDocument(
            f"{file} is not valid YAML", faults=[Fault(f"a key must be a text: {error}", file)]
        ) from error
    except (ValueError, OverflowError) as error:  # a date such as 2024-13-01
        raise BadDocument(f"{file} is not valid YAML", faults=[Fault(str(error), file)]) from error
    except (LookupError, AttributeError) as error:  # as for `!!bool maybe`
        fault = Fault("a value is not what its tag says", file)
        raise BadDocument(f"{file} is not valid YAML", faults=[fault]) from error


def _refuse_large(text: str, file: str, loader: Any) -> None:
    """Raise BadDocument for a text that is nested too deeply or has too many values.

    Events are read one by one, which needs no memory and lets other threads run in between.
    """
    levels: list[int] = []
    for number, event in enumerate(yaml.parse(text, Loader=loader)):
        if isinstance(event, yaml.CollectionStartEvent):
            levels.append(event.start_mark.line + 1 if event.start_mark else 1)
        elif isinstance(event, yaml.CollectionEndEvent):
            levels.pop()
        if len(levels) > _MOST_LEVELS:
            fault = Fault(_TOO_DEEP, f"{file}:{levels[-1]}")
            raise BadDocument(f"{file} is nested too deeply", faults=[fault])
        if number > _MOST_VALUES:
            raise BadDocument(f"{file} has more than {_MOST_VALUES} values")


def _in_words(error: yaml.YAMLError, text: str, file: str) -> yaml.YAMLError:
    """Return the error of PyYAML's own parser, which is clearer than libyaml's, unless parsing would take long.

    Raises BadDocument for a document that is nested too deeply or has too many values.
    """
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or ""
    if "nesting depth" in problem:
        fault = Fault(_TOO_DEEP, f"{file}:{mark.line + 1}" if mark else file)
        raise BadDocument(f"{file} is nested too deeply", faults=[fault]) from error
    if LOADER is not yaml.SafeLoader and mark is not None and mark.index < _SOON:
        try:
            _refuse_large(text, file, yaml.SafeLoader)
        except yaml.YAMLError as told:
            return told
        except ValueError:
            pass  # an escape that stands for no character
    return error


def refuse(document: Document, faults: list[Fault]) -> None:
    """Raise BadDocument if there are faults, with the first hundred of them."""
    if faults:
        raise BadDocument(f"{document.file} has {fault_count(faults)}", faults=faults[:_MOST_FAULTS])


def _refuse_expanding(root: yaml.Node | None, file: str) -> None:
    """Raise BadDocument for anchors that contain themselves, or that expand to a huge document."""
    sizes: dict[int, int | None] = {}

    def size(node: yaml.Node) -> int:
        known = sizes.get(id(node), 0)
        if known is None:
            line = f"{file}:{node.start_mark.line + 1}"
            raise BadDocument(f"{file} is not a plain document", faults=[Fault("an anchor contains itself", line)])
        if known:
            return known
        _refuse_value(node, file)
        sizes[id(node)] = None
        total = sizes[id(node)] = 1 + sum(map(size, _children(node)))
        return total

    if root is not None and size(root) > _MOST_VALUES:
        raise BadDocument(f"{file} stands for more than {_MOST_VALUES} values once its anchors are followed")


def _refuse_value(node: yaml.Node, file: str) -> None:
    """Raise BadDocument for a number with too many digits (1:1:1:… to base 60 takes long), and for lone surrogates."""
    if isinstance(node, yaml.ScalarNode):
        if node.tag in _NUMBERS and len(node.value) > _MOST_DIGITS:
            problem = f"a number of {len(node.value)} digits: at most {_MOST_DIGITS} are read"
        elif not node.value.isascii() and any("\ud800" <= character <= "\udfff" for character in node.value):
            problem = _NO_CHARACTER
        else:
            return
        fault = Fault(problem, f"{file}:{node.start_mark.line + 1}")
        raise BadDocument(f"{file} is not valid YAML", faults=[fault])


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


@dataclass
class _Lines:
    """The line of every path, and duplicate keys with the line of the second one."""

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
    """Return the message for a key that is not allowed, with the nearest allowed one, or all of them."""
    near = did_you_mean(key, allowed)
    return f"unknown key '{key}'" + (f", {near}" if near else f"; known: {', '.join(allowed)}")


def _dotted(path: Path) -> str:
    """('a', 0, 'b') → 'a[0].b'."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def _kind(data: Any) -> str:
    return {list: "a list", str: "a text", type(None): "nothing"}.get(type(data), f"a {type(data).__name__}")
