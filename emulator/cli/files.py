"""Reading the user's own documents."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from emulator.azure_files import Disk, Source
from emulator.errors import BadArgument, BadDocument

_MOST_BYTES = 8 << 20


def read_source(path: Path) -> Source:
    """Read a file's text and folder; BadDocument when it is not text."""
    return Source(str(path), os.path.normpath(path.absolute().parent), read_text(path))


def read_text(path: Path) -> str:
    """Read a file's UTF-8 text; BadArgument when it cannot be read, BadDocument when it is not text."""
    try:
        data = path.read_bytes() if path.stat().st_size <= _MOST_BYTES else None
        if data is None:
            raise BadDocument(f"{path} is larger than {_MOST_BYTES >> 20} MiB")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadDocument(f"{path} is not UTF-8 text (byte {error.start})") from error
    except FileNotFoundError as error:
        raise BadArgument(f"the file '{path}' does not exist") from error
    except OSError as error:
        raise BadArgument(f"the file '{path}' cannot be read: {error.strerror}") from error


def disk() -> Disk:
    """Return this machine's files, as the readers of Azure's files take them."""

    def kind(path: str) -> Literal["file", "folder", ""]:
        return "folder" if Path(path).is_dir() else "file" if Path(path).is_file() else ""

    return Disk(kind, lambda path: read_text(Path(path)))
