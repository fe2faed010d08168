"""YAML for readers: keys in their order, comments beside them, empty values left out."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

_WIDTH = 118


class _Dumper(yaml.SafeDumper):
    """Indents lists below their keys, and writes no anchors."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def yaml_text(head: Iterable[str], document: Mapping[str, Any], comments: Mapping[str, str] | None = None) -> str:
    """Return the document below comment lines; `comments` are put above their keys.  Empty values are left out."""
    parts = [comment_lines(text) for text in head]
    for key, value in document.items():
        if value is None or value in ("", {}, [], ()):
            continue
        parts += [comment_lines(text) for text in [(comments or {}).get(key, "")] if text]
        parts.append(dumped({key: value}))
    return "".join(parts)


def dumped(data: Any) -> str:
    """Return plain YAML."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)


def comment_lines(text: str) -> str:
    """Return `text` as lines that begin with '#'; nothing in it can end the comment."""
    plain = " ".join(part for part in "".join(c if c.isprintable() else " " for c in text).split(" ") if part)
    indent = "  " if plain.startswith("- ") else ""
    lines = textwrap.wrap(plain, _WIDTH - 2, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return "".join(f"# {line}\n" for line in lines) or "#\n"
