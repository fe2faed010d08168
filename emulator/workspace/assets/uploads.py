"""Verbs on files that come from clients on other machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from emulator.entities import BuildContext, Caller, Upload
from emulator.errors import BadArgument, OutOfQuota
from emulator.store.files import StoredFile
from emulator.workspace.core import Core

# Disk space that uploads leave for the emulator itself.
_RESERVE_BYTES = 256 << 20


@dataclass(frozen=True)
class Wanted:
    """The state of a client's file: whether it must be sent, how much was received, and the digest of that part."""

    is_missing: bool
    received: int = 0
    sha256: str = ""


class Uploads:
    """Receives files of clients, each caller's apart from all others'.

    A content that a caller need not send again is kept for it, also while `prune` runs.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._uploads = core.store.uploads
        self._max_bytes = core.config.max_upload_bytes

    def find(self, caller: Caller, key: str, sha256: str | None) -> Wanted:
        """Return the state of the file with that key; `sha256` is None while the client does not know it."""
        with self._core.prune_lock.work():
            if sha256 and self._uploads.promise(caller.identity, sha256):
                return Wanted(is_missing=False, sha256=sha256)
        return Wanted(True, *self._uploads.received(caller.identity, key))

    def known_sizes(self, caller: Caller, sizes: Sequence[int]) -> list[int]:
        """Return the sizes that files sent by the caller have: only those are worth digesting before they are sent."""
        known = self._uploads.known_sizes(caller.identity)
        return [size for size in dict.fromkeys(sizes) if size in known]

    def check_room(self, size: int) -> None:
        """Raise BadArgument above the limit of an upload, OutOfQuota above the free disk space."""
        self._check_size(size)
        free = self._uploads.free_bytes() - _RESERVE_BYTES
        if size > free:
            hint = "`amlemu prune` there, or a larger disk"
            raise OutOfQuota(f"{size} bytes are to come, and the emulator's disk takes {max(free, 0)}", hint=hint)

    def announce(self, caller: Caller, sizes: Mapping[str, int]) -> None:
        """Set the sizes, by key, of the files that the caller is about to send."""
        self._uploads.announce(caller.identity, sizes)

    def append(self, caller: Caller, key: str, offset: int, data: bytes, *, restart: bool = False) -> int:
        """Append a piece of a file and return how many of its bytes were received; `restart` drops earlier pieces.

        Raises BadArgument for a piece beyond the announced size, OutOfQuota for a full disk or too many partial files.
        """
        self._check_size(offset + len(data))
        self.check_room(len(data))
        return self._uploads.append(caller.identity, key, offset, data, most_bytes=self._max_bytes, restart=restart)

    def finish(self, caller: Caller, key: str, size: int, sha256: str) -> None:
        """Store a file that was received whole; raise BadArgument for another size or digest than announced."""
        with self._core.prune_lock.work():
            self._uploads.finish(caller.identity, key, StoredFile(sha256, size))

    def create(self, caller: Caller, upload: Upload) -> str:
        """Make a folder of files that the caller has sent; return the reference that requests use as its path."""
        self._check_size(upload.size)
        self.check_room(upload.copied_bytes)
        with self._core.prune_lock.work():
            return self._uploads.create(caller.identity, upload)

    def _check_size(self, size: int) -> None:
        if size > self._max_bytes:
            hint = "AMLEMU_MAX_UPLOAD_BYTES of the emulator allows more"
            raise BadArgument(f"an upload of {size} bytes; the emulator takes {self._max_bytes} at a time", hint=hint)

    def path_of(self, caller: Caller, reference: str) -> Path:
        """Return the path of the caller's upload; raise ResourceNotFound when it is gone."""
        return self._uploads.path_of(reference, caller.identity)

    def context_of(self, build: BuildContext) -> BuildContext:
        """Store a build context that was uploaded, for as long as an environment uses it."""
        return self._core.store.keep_build_context(build)
