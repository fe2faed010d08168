"""What tells whether the files that a deployment is made of have changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from emulator.cli.watch import Stamps, stamps


def stamps_of(value: Any) -> dict[str, Stamps]:
    """By path the stamps of every file and folder that stands, as an absolute path, anywhere in a document."""
    return {path: _stamps(Path(path)) for path in sorted(set(_paths(value)))}


def _paths(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if value.startswith("/") and "\n" not in value:
            yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _paths(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _paths(each)


def _stamps(path: Path) -> Stamps:
    try:
        if path.is_dir():
            return stamps(path)
        stat = path.stat()
    except (OSError, ValueError):
        return {}
    return {"": (stat.st_mtime_ns, stat.st_size)}
