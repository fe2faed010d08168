"""Files, by digest and piece by piece, to an emulator that may have them already."""

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
# Of a file of that size the emulator is asked whether this caller may have sent it before it is read for its digest.
LARGE_BYTES = 64 << 20
_FILES_AT_A_TIME = 5_000
_PIECES_AT_A_TIME = 2
# How long nothing must have come of a file that somebody else sends, before this client goes on with it.
STANDSTILL_SECONDS = 1.0
_SAMPLE_BYTES = 1 << 20

Json = dict[str, Any]
OnBytes = Callable[[str, int, int], None]
"""Takes what is being sent, and how many of how many bytes the emulator has by now."""


class UploadDoor(Protocol):
    """The emulator's routes for uploads, as the client calls them."""

    def find_uploads(self, offer: Mapping[str, Any]) -> Json:
        """What of the offered files is missing there."""

    def append_upload(self, key: str, offset: int, data: bytes, *, restart: bool = False) -> None:
        """Send a piece of a file."""

    def finish_upload(self, key: str, whole: Mapping[str, Any]) -> Json:
        """Say that all of a file is there; what the emulator found."""

    def create_upload(self, upload: Mapping[str, Any]) -> str:
        """Make a folder of files that are there; what requests call it."""


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
class _Offered:
    """`key` is what the file is sent under: its sha256 where that is known, else what tells it from others."""

    file: LocalFile
    size: int
    key: str
    sha256: str | None

    def to_document(self) -> Json:
        return {"key": self.key, "size": self.size, "sha256": self.sha256}


def send_tree(
    door: UploadDoor,
    name: str,
    files: Sequence[LocalFile],
    on_bytes: OnBytes,
    *,
    is_folder: bool,
    as_copies: bool = False,
) -> str:
    """Send what the emulator has not, and make the folder there; what requests call it.

    Raises BadArgument for a path that no upload can have, and for a file that changes meanwhile, OutOfQuota when there
    is no room.
    """
    for file in files:
        check_upload_path(file.path)
    offered = [_offer(file, known) for file, known in _with_known_sizes(door, files)]
    progress = _Progress(name, sum({one.key: one.size for one in offered}.values()), on_bytes)
    digests = _send_missing(door, offered, progress)
    entries = [
        {"path": one.file.path, "size": one.size, "sha256": digests[one.key], "executable": one.file.is_executable}
        for one in offered
    ]
    return door.create_upload({"name": name, "is_folder": is_folder, "as_copies": as_copies, "files": entries})


def _with_known_sizes(door: UploadDoor, files: Sequence[LocalFile]) -> Iterator[tuple[LocalFile, bool]]:
    """Each file, and whether this caller may have sent it before."""
    sizes = {file: file.source.stat().st_size for file in files}
    large = sorted({size for size in sizes.values() if size >= LARGE_BYTES})
    known = set(door.find_uploads({"sizes": large})["known_sizes"]) if large else set()
    for file, size in sizes.items():
        yield file, size < LARGE_BYTES or size in known


def _offer(file: LocalFile, may_be_known: bool) -> _Offered:
    size = file.source.stat().st_size
    with file.source.open("rb") as content:
        if may_be_known:
            sha256 = _digest(content, size).hexdigest()
            return _Offered(file, size, sha256, sha256)
        # Read once only, as it is sent.
        return _Offered(file, size, _identity(content, size), None)


def _digest(content: IO[bytes], size: int) -> Any:
    """That of the first `size` bytes."""
    digest, left = hashlib.sha256(), size
    while left and (block := content.read(min(left, PIECE_BYTES))):
        digest.update(block)
        left -= len(block)
    return digest


def _identity(content: IO[bytes], size: int) -> str:
    """What tells a large file from others without reading all of it: its size, its times, its ends."""
    stat = os.fstat(content.fileno())
    first = content.read(_SAMPLE_BYTES)
    content.seek(size - _SAMPLE_BYTES)
    words = f"{size} {stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_dev} {stat.st_ino} "
    return hashlib.sha256(words.encode() + first + content.read(_SAMPLE_BYTES)).hexdigest()


class _Progress:
    """Counts what the emulator has."""

    def __init__(self, name: str, total: int, on_bytes: OnBytes) -> None:
        self._name, self._total, self._on_bytes = name, total, on_bytes
        self._done: dict[str, int] = {}

    def set(self, key: str, done: int) -> None:
        self._done[key] = done
        self._on_bytes(self._name, min(sum(self._done.values()), self._total), self._total)

    def add(self, key: str, count: int) -> None:
        self.set(key, self._done.get(key, 0) + count)


def _send_missing(door: UploadDoor, offered: Sequence[_Offered], progress: _Progress) -> dict[str, str]:
    """The sha256 of each file by its key, once all of them are there; the same content is sent once."""
    digests: dict[str, str] = {}
    with ThreadPoolExecutor(_PIECES_AT_A_TIME, thread_name_prefix="send") as threads:
        for batch in _batches({one.key: one for one in offered}.values()):
            found = door.find_uploads({"files": [one.to_document() for one in batch]})["files"]
            for one, wanted in zip(batch, found, strict=True):
                digests[one.key] = _send(door, one, wanted, progress, threads)
                progress.set(one.key, one.size)
    return digests


def _batches(offered: Iterable[_Offered]) -> Iterator[list[_Offered]]:
    everything = list(offered)
    for start in range(0, len(everything), _FILES_AT_A_TIME):
        yield everything[start : start + _FILES_AT_A_TIME]


def _send(door: UploadDoor, one: _Offered, wanted: Json, progress: _Progress, threads: ThreadPoolExecutor) -> str:
    """Send the rest of a file, from what is there on; its sha256, which both sides have found.

    Where somebody else with the same token sends the same file, one of the two goes on and the other waits for it.
    """
    while wanted["is_missing"]:
        received, digest = _resume_at(one, wanted)
        restart = received == 0 and wanted["received"] > 0
        progress.set(one.key, received)
        try:
            _send_from(door, one, received, digest, progress, threads, restart=restart)
            one = replace(one, sha256=digest.hexdigest())
            wanted = {"is_missing": False, **door.finish_upload(one.key, {"size": one.size, "sha256": one.sha256})}
        except OperationInProgress:
            one = _with_digest(one)
            wanted = _when_it_stands_still(door, one)
    one = _with_digest(one)
    if wanted["sha256"] != one.sha256:
        message = f"the emulator has other bytes than '{one.file.source}': sha256 {wanted['sha256']}"
        raise EmulatorError(message, target=one.file.path, hint="nothing was registered; tell the emulator's owner")
    return str(one.sha256)


def _with_digest(one: _Offered) -> _Offered:
    """The file with its digest, for which a large one is read."""
    if one.sha256 is not None:
        return one
    with one.file.source.open("rb") as content:
        return replace(one, sha256=_digest(content, one.size).hexdigest())


def _when_it_stands_still(door: UploadDoor, one: _Offered) -> Json:
    """How far it is once nobody sends it any more, or all of it is there."""
    before = -1
    while True:
        wanted: Json = door.find_uploads({"files": [one.to_document()]})["files"][0]
        if not wanted["is_missing"] or wanted["received"] == before:
            return wanted
        before = wanted["received"]
        # Not all at the same time: whoever is first goes on.
        time.sleep(STANDSTILL_SECONDS * random.uniform(1, 3))


def _resume_at(one: _Offered, wanted: Json) -> tuple[int, Any]:
    """How much of what is there is the beginning of this file, all of it or nothing; and the digest of that."""
    received = int(wanted["received"])
    if 0 < received <= one.size:
        with one.file.source.open("rb") as content:
            digest = _digest(content, received)
        if digest.hexdigest() == wanted["sha256"]:
            return received, digest
    return 0, hashlib.sha256()


def _send_from(
    door: UploadDoor,
    one: _Offered,
    offset: int,
    digest: Any,
    progress: _Progress,
    threads: ThreadPoolExecutor,
    *,
    restart: bool,
) -> None:
    """Piece after piece, the next one on its way while the emulator works on the last; `digest` takes them too."""
    on_the_way: list[tuple[Future[None], int]] = []
    with one.file.source.open("rb", buffering=0) as content:
        content.seek(offset)
        while offset < one.size and (data := content.read(min(PIECE_BYTES, one.size - offset))):
            sending = threads.submit(door.append_upload, one.key, offset, data, restart=restart)
            on_the_way.append((sending, len(data)))
            digest.update(data)
            offset += len(data)
            if len(on_the_way) == _PIECES_AT_A_TIME or restart:
                _wait_for(on_the_way.pop(0), one, progress)
            restart = False
    for piece in on_the_way:
        _wait_for(piece, one, progress)
    if offset < one.size or one.sha256 not in (None, digest.hexdigest()):
        message = f"'{one.file.source}' has changed while it was being sent"
        raise BadArgument(message, target=one.file.path, hint="send it again once nothing writes to it")


def _wait_for(piece: tuple[Future[None], int], one: _Offered, progress: _Progress) -> None:
    future, size = piece
    future.result()
    progress.add(one.key, size)
