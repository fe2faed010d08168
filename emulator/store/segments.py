"""What may become part of a path in the home.

Every path of this package that is made of a value is made through these two, whoever has checked the value before: the
value may come from a document that somebody has changed.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from emulator.errors import BadArgument
from emulator.names import check_inner_path, is_segment, shown


def segment(name: str) -> str:
    """`name` as one part of a path, else BadArgument: never two parts, nor the folder above, nor a temporary name."""
    if not is_segment(name):
        raise BadArgument(f"'{shown(name)}' cannot be the name of a file or folder in the emulator's home")
    return name


def inner_path(path: str) -> PurePosixPath:
    """`path`, with '/', as it goes on below a folder, else BadArgument: it never leaves it."""
    return PurePosixPath(check_inner_path(path))
