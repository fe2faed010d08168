"""Verbs on files that come from clients on other machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from emulator.entities import BuildContext, Upload
from emulator.errors import BadArgument, OutOfQuota
from emulator.store import Store
from emulator.store.files import StoredFile

# What an emulator needs to go on when an upload has filled the disk.
_RESERVE_BYTES = 256 << 20


@dataclass(frozen=True)
class Wanted:
    """Of a file that a client has: whether it must be sent, and what of it is here, with the digest of that."""

    is_missing: bool
    received: int = 0
    sha256: str = ""


class Uploads:
    """Takes in what a client sends, up to `max_bytes` at a time."""

    def __init__(self, store: Store, max_bytes: int) -> None:
        self._uploads = store.uploads
        self._keep_build_context = store.keep_build_context
        self._max_bytes = max_bytes

    def find(self, key: str, sha256: str | None) -> Wanted:
        """What is to be done with a file that is sent under that key; `sha256` None is not known to the client yet."""
        if sha256 and self._uploads.has(sha256):
            return Wanted(is_missing=False, sha256=sha256)
        if kept := self._uploads.kept(key):
            return Wanted(False, kept.size, kept.sha256)
        return Wanted(True, *self._uploads.received(key))

    def known_sizes(self, sizes: Sequence[int]) -> list[int]:
        """Those of the sizes that a stored content has: for all others there is no need to ask by digest."""
        return [size for size in dict.fromkeys(sizes) if self._uploads.has_size(size)]

    def check_room(self, size: int) -> None:
        """Raise BadArgument for more than is taken at a time, OutOfQuota for more than there is room for."""
        self._check_size(size)
        free = self._uploads.free_bytes() - _RESERVE_BYTES
        if size > free:
            hint = "`amlemu prune` there, or a larger disk"
            raise OutOfQuota(f"{size} bytes are to come, and the emulator's disk takes {max(free, 0)}", hint=hint)

    def append(self, key: str, offset: int, data: bytes, *, restart: bool = False) -> int:
        """Take a piece of a file, all before thrown away with `restart`; how many of its bytes are here then."""
        self._check_size(offset + len(data))
        return self._uploads.append(key, offset, data, restart=restart)

    def finish(self, key: str, size: int, sha256: str | None) -> StoredFile:
        """Keep a file now that all of it is here; BadArgument when it is another than was said."""
        return self._uploads.finish(key, size, sha256)

    def create(self, upload: Upload) -> str:
        """Make a folder of files that are here; what a request calls it in place of a path."""
        self._check_size(upload.size)
        return self._uploads.create(upload)

    def _check_size(self, size: int) -> None:
        if size > self._max_bytes:
            hint = "AMLEMU_MAX_UPLOAD_BYTES of the emulator allows more"
            raise BadArgument(f"an upload of {size} bytes; the emulator takes {self._max_bytes} at a time", hint=hint)

    def path_of(self, reference: str) -> Path:
        """The file or folder of an upload; ResourceNotFound when it is gone."""
        return self._uploads.path_of(reference)

    def context_of(self, build: BuildContext) -> BuildContext:
        """A build context whose `path` is an upload's, kept for as long as something is built of it."""
        return self._keep_build_context(build)
