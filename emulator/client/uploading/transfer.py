"""Sends files in pieces, unless the emulator has them already by their digest."""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Protocol

from emulator.entities import check_upload_path
from emulator.errors import BadArgument, EmulatorError, OperationInProgress

PIECE_BYTES = 8 << 20
# From this size on, a file is read for its digest only if the emulator may have it already.
LARGE_BYTES = 64 << 20
_FILES_AT_A_TIME = 5_000
_PIECES_AT_A_TIME = 2
# A file that another client sends is taken over after this time without progress.
STALL_SECONDS = 1.0
_SAMPLE_BYTES = 1 << 20

Json = dict[str, Any]
OnBytes = Callable[[str, int, int], None]
"""Takes the name of what is being sent, the bytes that have arrived and their total."""


class UploadApi(Protocol):
    """The emulator's routes for uploads."""

    def find_uploads(self, offer: Mapping[str, Any]) -> Json:
        """Return which of the offered files are missing there."""

    def append_upload(self, key: str, offset: int, data: bytes, *, restart: bool = False) -> None:
        """Send a piece of a file."""

    def finish_upload(self, key: str, whole: Mapping[str, Any]) -> Json:
        """Complete a file; return the digest that the emulator computed."""

    def create_upload(self, upload: Mapping[str, Any]) -> str:
        """Create a file or folder of uploaded files; return the path that requests name it by."""


@dataclass(frozen=True)
class LocalFile:
    """A file of this machine and its path below what is sent, with '/'."""

    path: str
    source: Path

    @property
    def is_executable(self) -> bool:
        """Whether its owner may execute it."""
        return bool(self.source.stat().st_mode & 0o100)


@dataclass(frozen=True)
class _OfferedFile:
    """A file to send; `key` is its sha256 where that is known, else a quick identity."""

    file: LocalFile
    size: int
    key: str
    sha256: str | None

    def to_document(self) -> Json:
        return {"key": self.key, "size": self.size, "sha256": self.sha256}


def send_tree(
    api: UploadApi,
    name: str,
    files: Sequence[LocalFile],
    on_bytes: OnBytes,
    *,
    is_folder: bool,
    as_copies: bool = False,
) -> str:
    """Send the files that the emulator does not have, and create the upload; return the path that requests name.

    Raises BadArgument for an invalid path and for a file that changes meanwhile, OutOfQuota when the disk is full.
    """
    for file in files:
        check_upload_path(file.path)
    offered = [_offer(file, known) for file, known in _may_be_known(api, files)]
    progress = _Progress(name, sum({one.key: one.size for one in offered}.values()), on_bytes)
    digests = _send_missing(api, offered, progress)
    entries = [
        {"path": one.file.path, "size": one.size, "sha256": digests[one.key], "executable": one.file.is_executable}
        for one in offered
    ]
    return api.create_upload({"name": name, "is_folder": is_folder, "as_copies": as_copies, "files": entries})


def _may_be_known(api: UploadApi, files: Sequence[LocalFile]) -> Iterator[tuple[LocalFile, bool]]:
    """Yield each file, and whether this caller may have sent it before."""
    sizes = {file: file.source.stat().st_size for file in files}
    large = sorted({size for size in sizes.values() if size >= LARGE_BYTES})
    known = set(api.find_uploads({"sizes": large})["known_sizes"]) if large else set()
    for file, size in sizes.items():
        yield file, size < LARGE_BYTES or size in known


def _offer(file: LocalFile, may_be_known: bool) -> _OfferedFile:
    size = file.source.stat().st_size
    with file.source.open("rb") as content:
        if may_be_known:
            sha256 = _digest(content, size).hexdigest()
            return _OfferedFile(file, size, sha256, sha256)
        # Read once only, as it is sent.
        return _OfferedFile(file, size, _quick_identity(content, size), None)


def _digest(content: IO[bytes], size: int) -> Any:
    """Compute the SHA-256 of the first `size` bytes."""
    digest, left = hashlib.sha256(), size
    while left and (block := content.read(min(left, PIECE_BYTES))):
        digest.update(block)
        left -= len(block)
    return digest


def _quick_identity(content: IO[bytes], size: int) -> str:
    """Identify a large file without reading all of it: by its size, times, first and last bytes."""
    stat = os.fstat(content.fileno())
    first = content.read(_SAMPLE_BYTES)
    content.seek(size - _SAMPLE_BYTES)
    words = f"{size} {stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_dev} {stat.st_ino} "
    return hashlib.sha256(words.encode() + first + content.read(_SAMPLE_BYTES)).hexdigest()


class _Progress:
    """Counts the bytes that the emulator has received."""

    def __init__(self, name: str, total: int, on_bytes: OnBytes) -> None:
        self._name, self._total, self._on_bytes = name, total, on_bytes
        self._done: dict[str, int] = {}

    def set(self, key: str, done: int) -> None:
        self._done[key] = done
        self._on_bytes(self._name, min(sum(self._done.values()), self._total), self._total)

    def add(self, key: str, count: int) -> None:
        self.set(key, self._done.get(key, 0) + count)


def _send_missing(api: UploadApi, offered: Sequence[_OfferedFile], progress: _Progress) -> dict[str, str]:
    """Send the missing files, equal ones once; return the sha256 of each file by its key."""
    digests: dict[str, str] = {}
    with ThreadPoolExecutor(_PIECES_AT_A_TIME, thread_name_prefix="send") as threads:
        for batch in _batches({one.key: one for one in offered}.values()):
            found = api.find_uploads({"files": [one.to_document() for one in batch]})["files"]
            for one, wanted in zip(batch, found, strict=True):
                digests[one.key] = _send(api, one, wanted, progress, threads)
                progress.set(one.key, one.size)
    return digests


def _batches(offered: Iterable[_OfferedFile]) -> Iterator[list[_OfferedFile]]:
    everything = list(offered)
    for start in range(0, len(everything), _FILES_AT_A_TIME):
        yield everything[start : start + _FILES_AT_A_TIME]


def _send(api: UploadApi, one: _OfferedFile, wanted: Json, progress: _Progress, threads: ThreadPoolExecutor) -> str:
    """Send the rest of a file; return its sha256, which both sides have computed.

    Where another client with the same token sends the same file, one of the two continues and the other waits for it.
    """
    while wanted["is_missing"]:
        received, digest = _resume_at(one, wanted)
        restart = received == 0 and wanted["received"] > 0
        progress.set(one.key, received)
        try:
            _send_from(api, one, received, digest, progress, threads, restart=restart)
            one = replace(one, sha256=digest.hexdigest())
            wanted = {"is_missing": False, **api.finish_upload(one.key, {"size": one.size, "sha256": one.sha256})}
        except OperationInProgress:
            one = _with_digest(one)
            wanted = _wait_for_other_sender(api, one)
    one = _with_digest(one)
    if wanted["sha256"] != one.sha256:
        message = f"the emulator has other bytes than '{one.file.source}': sha256 {wanted['sha256']}"
        raise EmulatorError(message, target=one.file.path, hint="nothing was registered; tell the emulator's owner")
    return str(one.sha256)


def _with_digest(one: _OfferedFile) -> _OfferedFile:
    """Return the file with its digest, reading it if necessary."""
    if one.sha256 is not None:
        return one
    with one.file.source.open("rb") as content:
        return replace(one, sha256=_digest(content, one.size).hexdigest())


def _wait_for_other_sender(api: UploadApi, one: _OfferedFile) -> Json:
    """Wait until a file that another client sends is complete or makes no progress; return its state."""
    before = -1
    while True:
        wanted: Json = api.find_uploads({"files": [one.to_document()]})["files"][0]
        if not wanted["is_missing"] or wanted["received"] == before:
            return wanted
        before = wanted["received"]
        # With jitter, so that one waiting client continues before the others.
        time.sleep(STALL_SECONDS * random.uniform(1, 3))


def _resume_at(one: _OfferedFile, wanted: Json) -> tuple[int, Any]:
    """Return how many of the received bytes can be kept, all or none of them, and their digest."""
    received = int(wanted["received"])
    if 0 < received <= one.size:
        with one.file.source.open("rb") as content:
            digest = _digest(content, received)
        if digest.hexdigest() == wanted["sha256"]:
            return received, digest
    return 0, hashlib.sha256()


def _send_from(
    api: UploadApi,
    one: _OfferedFile,
    offset: int,
    digest: Any,
    progress: _Progress,
    threads: ThreadPoolExecutor,
    *,
    restart: bool,
) -> None:
    """Send the pieces from `offset` on, two in flight at a time, and add them to `digest`."""
    in_flight: list[tuple[Future[None], int]] = []
    with one.file.source.open("rb", buffering=0) as content:
        content.seek(offset)
        while offset < one.size and (data := content.read(min(PIECE_BYTES, one.size - offset))):
            sending = threads.submit(api.append_upload, one.key, offset, data, restart=restart)
            in_flight.append((sending, len(data)))
            digest.update(data)
            offset += len(data)
            if len(in_flight) == _PIECES_AT_A_TIME or restart:
                _complete(in_flight.pop(0), one, progress)
            restart = False
    for piece in in_flight:
        _complete(piece, one, progress)
    if offset < one.size or one.sha256 not in (None, digest.hexdigest()):
        message = f"'{one.file.source}' has changed while it was being sent"
        raise BadArgument(message, target=one.file.path, hint="send it again once nothing writes to it")


def _complete(piece: tuple[Future[None], int], one: _OfferedFile, progress: _Progress) -> None:
    future, size = piece
    future.result()
    progress.add(one.key, size)
