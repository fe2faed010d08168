"""The user's own files: scripts and environment files, read and never written."""

from __future__ import annotations

from pathlib import Path

from emulator.errors import BadArgument
from emulator.store.disk import translated

_MAX_TEXT_BYTES = 8 << 20


def read_text(path: Path, what: str) -> str:
    """The UTF-8 text of a user's file; BadArgument naming `what` it should have been when it cannot be read."""
    if not path.is_file():
        raise BadArgument(f"the {what} '{path}' does not exist" + ("" if not path.exists() else " as a file"))
    with translated():
        if path.stat().st_size > _MAX_TEXT_BYTES:
            raise BadArgument(f"the {what} '{path}' is larger than {_MAX_TEXT_BYTES >> 20} MiB")
        try:
            return path.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise BadArgument(f"the {what} '{path}' is not UTF-8 text (byte {error.start})") from error


def file_names(folder: Path) -> list[str]:
    """The names of the files in a folder; BadArgument when it is none."""
    if not folder.is_dir():
        raise BadArgument(f"the code folder '{folder}' does not exist")
    with translated():
        return sorted(path.name for path in folder.iterdir() if path.is_file())
