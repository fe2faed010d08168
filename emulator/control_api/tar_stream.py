"""Files as a tar stream, made while it is sent."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

_CHUNK = 1 << 20


def tar_stream(files: Iterable[tuple[str, Path]]) -> Iterator[bytes]:
    """The bytes of a tar of `files`, each a path in it and where its content lies."""
    for name, path in files:
        info = tarfile.TarInfo(name)
        status = path.stat()
        info.size, info.mode = status.st_size, 0o755 if status.st_mode & 0o100 else 0o644
        yield info.tobuf(tarfile.PAX_FORMAT)
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
        yield b"\0" * (-info.size % tarfile.BLOCKSIZE)
    yield b"\0" * (2 * tarfile.BLOCKSIZE)
