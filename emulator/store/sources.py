"""The user's own files: scripts and environment files, read and never written."""

from __future__ import annotations

from pathlib import Path

from emulator.errors import BadArgument
from emulator.store.reach import Reach
from emulator.system.files import translate_os_errors


def read_text(path: Path, what: str) -> str:
    """Return the UTF-8 text of a user's file; raise BadArgument, which calls it a `what`, if it cannot be read."""
    return Reach(path.parent).read(path.name, what)


def file_names(folder: Path) -> list[str]:
    """Return the names of the files in a folder; raise BadArgument if it is not a folder."""
    with translate_os_errors():
        if not folder.is_dir():
            raise BadArgument(f"the code folder '{folder}' does not exist")
        return sorted(path.name for path in folder.iterdir() if path.is_file())
