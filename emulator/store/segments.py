"""Checks of values that become part of a path in the home.

Every path of this package that contains a value is made with these two, also when the value was checked before: it may
come from a document that was edited.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from emulator.errors import BadArgument
from emulator.names import check_inner_path, is_segment, shown


def segment(name: str) -> str:
    """Return `name` if it is one part of a path, else raise BadArgument: not two, not `..`, not a temporary name."""
    if not is_segment(name):
        raise BadArgument(f"'{shown(name)}' cannot be the name of a file or folder in the emulator's home")
    return name


def inner_path(path: str) -> PurePosixPath:
    """Return `path`, with '/', if it stays below its folder, else raise BadArgument."""
    return PurePosixPath(check_inner_path(path))
