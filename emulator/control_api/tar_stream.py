"""A tar stream of files, produced while it is sent."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import IO

_CHUNK = 1 << 20


def tar_stream(files: Iterable[tuple[str, Callable[[], AbstractContextManager[IO[bytes]]]]]) -> Iterator[bytes]:
    """Yield the bytes of a tar of `files`: paths in it, each with a function that opens its content."""
    for name, opened in files:
        info = tarfile.TarInfo(name)
        with opened() as file:
            status = os.fstat(file.fileno())
            info.size, info.mode = status.st_size, 0o755 if status.st_mode & 0o100 else 0o644
            yield info.tobuf(tarfile.PAX_FORMAT)
            left = info.size  # a file that grows meanwhile is sent as it was
            while left and (chunk := file.read(min(_CHUNK, left))):
                left -= len(chunk)
                yield chunk
            yield b"\0" * left  # nor does one that shrinks break the tar
        yield b"\0" * (-info.size % tarfile.BLOCKSIZE)
    yield b"\0" * (2 * tarfile.BLOCKSIZE)
