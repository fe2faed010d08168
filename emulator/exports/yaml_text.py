"""YAML for people: keys in their order, comments where they belong, nothing that says nothing."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

_WIDTH = 118


class _Dumper(yaml.SafeDumper):
    """Lists are indented below their keys, and the same value twice is written twice."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def yaml_text(head: Iterable[str], document: Mapping[str, Any], comments: Mapping[str, str] | None = None) -> str:
    """The document below comment lines; `comments` stand above the keys they are of.  Empty values are left out."""
    parts = [comment_lines(text) for text in head]
    for key, value in document.items():
        if value is None or value in ("", {}, [], ()):
            continue
        parts += [comment_lines(text) for text in [(comments or {}).get(key, "")] if text]
        parts.append(dumped({key: value}))
    return "".join(parts)


def dumped(data: Any) -> str:
    """Plain YAML."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)


def comment_lines(text: str) -> str:
    """`text` as lines that begin with '#'; it cannot end the comment, whatever is in it."""
    plain = " ".join(part for part in "".join(c if c.isprintable() else " " for c in text).split(" ") if part)
    indent = "  " if plain.startswith("- ") else ""
    lines = textwrap.wrap(plain, _WIDTH - 2, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return "".join(f"# {line}\n" for line in lines) or "#\n"
