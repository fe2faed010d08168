"""Verbs on files that come from clients on other machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from emulator.entities import BuildContext, Caller, Upload
from emulator.errors import BadArgument, OutOfQuota
from emulator.store.files import StoredFile
from emulator.workspace.core import Core

# What an emulator needs to go on when an upload has filled the disk.
_RESERVE_BYTES = 256 << 20


@dataclass(frozen=True)
class Wanted:
    """Of a file that a client has: whether it must be sent, and what of it is here, with the digest of that."""

    is_missing: bool
    received: int = 0
    sha256: str = ""


class Uploads:
    """Takes in what a client sends, up to `max_bytes` at a time; what one caller has sent, no other gets at.

    A content that a caller was told is here stays for it, whoever prunes meanwhile.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._uploads = core.store.uploads
        self._max_bytes = core.config.max_upload_bytes

    def find(self, caller: Caller, key: str, sha256: str | None) -> Wanted:
        """What is to be done with a file that is sent under that key; `sha256` None is not known to the client yet."""
        with self._core.prune_lock.work():
            if sha256 and self._uploads.promise(caller.identity, sha256):
                return Wanted(is_missing=False, sha256=sha256)
        return Wanted(True, *self._uploads.received(caller.identity, key))

    def known_sizes(self, caller: Caller, sizes: Sequence[int]) -> list[int]:
        """Those of the sizes that something has that the caller has sent: of all others it need not ask by digest."""
        known = self._uploads.known_sizes(caller.identity)
        return [size for size in dict.fromkeys(sizes) if size in known]

    def check_room(self, size: int) -> None:
        """Raise BadArgument for more than is taken at a time, OutOfQuota for more than there is room for."""
        self._check_size(size)
        free = self._uploads.free_bytes() - _RESERVE_BYTES
        if size > free:
            hint = "`amlemu prune` there, or a larger disk"
            raise OutOfQuota(f"{size} bytes are to come, and the emulator's disk takes {max(free, 0)}", hint=hint)

    def announce(self, caller: Caller, sizes: Mapping[str, int]) -> None:
        """Those of the files that the caller is about to send, by their keys."""
        self._uploads.announce(caller.identity, sizes)

    def append(self, caller: Caller, key: str, offset: int, data: bytes, *, restart: bool = False) -> int:
        """Take a piece of a file, all before thrown away with `restart`; how many of its bytes are here then.

        Raises BadArgument for a piece beyond the announced size, OutOfQuota when there is no room, or the caller has
        left too much half sent.
        """
        self._check_size(offset + len(data))
        self.check_room(len(data))
        return self._uploads.append(caller.identity, key, offset, data, most_bytes=self._max_bytes, restart=restart)

    def finish(self, caller: Caller, key: str, size: int, sha256: str) -> None:
        """Keep a file now that all of it is here; BadArgument when it is another than was said."""
        with self._core.prune_lock.work():
            self._uploads.finish(caller.identity, key, StoredFile(sha256, size))

    def create(self, caller: Caller, upload: Upload) -> str:
        """Make a folder of files that the caller has sent; what its requests call it in place of a path."""
        self._check_size(upload.size)
        self.check_room(upload.copied_bytes)
        with self._core.prune_lock.work():
            return self._uploads.create(caller.identity, upload)

    def _check_size(self, size: int) -> None:
        if size > self._max_bytes:
            hint = "AMLEMU_MAX_UPLOAD_BYTES of the emulator allows more"
            raise BadArgument(f"an upload of {size} bytes; the emulator takes {self._max_bytes} at a time", hint=hint)

    def path_of(self, caller: Caller, reference: str) -> Path:
        """The file or folder of an upload of the caller's; ResourceNotFound when it is gone."""
        return self._uploads.path_of(reference, caller.identity)

    def context_of(self, build: BuildContext) -> BuildContext:
        """A build context whose `path` is an upload's, kept for as long as something is built of it."""
        return self._core.store.keep_build_context(build)
