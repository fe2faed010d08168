"""Overrides of a file's values by the command line: `--set key=value`, `--name`, `--deployment`.

`--set '<ACR>=value'` fills a placeholder wherever the files have it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from emulator.azure_files.v2.placeholders import filled, is_placeholder
from emulator.documents.yaml_document import Document, Path, parse_value
from emulator.errors import BadArgument, BadDocument

KINDS = ("endpoint", "deployment")
_PART = re.compile(r"[^.\[\]]+|\[\d+\]")
_KEY = re.compile(r"[^.\[\]]+(\.[^.\[\]]+|\[\d+\])*")


@dataclass(frozen=True)
class Setting:
    """`path` is to be `value`; `kind` says in which kind of file, '' where the key itself tells."""

    path: Path
    value: Any
    kind: str = ""
    option: str = "--set"

    @property
    def is_placeholder(self) -> bool:
        """Whether `path` is a placeholder that the value fills."""
        return self.option == "--set" and is_placeholder(str(self.path[0]))

    def __str__(self) -> str:
        return f"{self.option} {'.'.join(map(str, self.path))}" if self.option == "--set" else self.option


def parse_setting(text: str) -> Setting:
    """`a.b[0]=value` with the value as YAML reads it; `endpoint.` and `deployment.` before it name the kind of file.

    >>> parse_setting("deployment.request_settings.request_timeout_ms=90000").value
    90000
    """
    key, equals, value = text.partition("=")
    placeholder = is_placeholder(key.strip())
    parts = _PART.findall(key.strip())
    if not equals or not (placeholder or _KEY.fullmatch(key.strip())):
        raise BadArgument(f"--set {text}: it takes KEY=VALUE, as in --set request_settings.request_timeout_ms=60000")
    path: list[str | int] = [int(part[1:-1]) if part[0] == "[" else part for part in parts]
    if placeholder:
        path = [key.strip()]
    kind = str(path.pop(0)) if path[0] in KINDS and len(path) > 1 else ""
    try:
        parsed = parse_value(value, "the value")
    except BadDocument as error:
        raise BadArgument(f"--set {text}: '{value}' is not a value that YAML can read; quote it") from error
    return Setting(tuple(path), "" if parsed is None else parsed, kind)


def with_settings(document: Document, settings: Sequence[Setting]) -> Document:
    """Return the document with the overrides applied; faults in their values name the override as their place."""
    data = deepcopy(dict(document.data))
    lines: dict[Path, int] = dict(document.lines)
    places = dict(document.places)
    for setting in settings:
        if setting.is_placeholder:
            data = filled(data, str(setting.path[0]), setting.value)
            continue
        _put(data, setting)
        lines = {path: line for path, line in lines.items() if path[: len(setting.path)] != setting.path}
        places[setting.path] = str(setting)
    return Document(document.file, data, lines, document.prefix, places)


def without(document: Document, keys: Collection[str]) -> Document:
    """The document without these keys of its first level."""
    return replace(document, data={key: value for key, value in document.data.items() if key not in keys})


def _put(data: dict[str, Any], setting: Setting) -> None:
    node: Any = data
    for part, after in zip(setting.path, setting.path[1:], strict=False):
        if isinstance(node, list):
            node = _item(node, part, setting)
            continue
        child = node.get(part)
        if not isinstance(child, list if isinstance(after, int) else Mapping):
            child = node[part] = [] if isinstance(after, int) else {}
        node = child
    last = setting.path[-1]
    if isinstance(node, list):
        _item(node, last, setting)
        node[int(last)] = setting.value
    else:
        node[last] = setting.value


def _item(node: list[Any], index: str | int, setting: Setting) -> Any:
    if not isinstance(index, int) or index >= len(node):
        raise BadArgument(f"{setting}: the list has {len(node)} items, counted from [0]")
    return node[index]
