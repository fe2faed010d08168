"""Files that are being received piece by piece, each caller's apart from all others'."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulator.errors import BadArgument, OperationInProgress, OutOfQuota
from emulator.store.disk import make_folder
from emulator.store.files import StoredFile
from emulator.store.privacy import owner_opener
from emulator.store.segments import segment

_MOST_WAITING = 8  # pieces of one caller, each of which holds a thread of the control API
_CHUNK = 4 << 20
_NOTHING = hashlib.sha256().hexdigest()
_MOST_PARTS = 64
_MOST_ANNOUNCED = 20_000
# After that long without a piece, a partial file may be dropped to make room for another.
_IDLE_SECONDS = 60.0


@dataclass
class _Part:
    """A file that is being received: `digest` is that of the `received` bytes; `is_over` when stored or dropped."""

    path: Path
    received: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    is_read: bool = False
    is_over: bool = False
    turn: threading.Condition = field(default_factory=threading.Condition)


PartKey = tuple[str, str]
"""Whose file it is, and what the caller sends it under."""


class UploadParts:
    """The folder of files that are being received."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts: dict[PartKey, _Part] = {}
        self._announced: dict[str, dict[str, int]] = {}
        self._waiting: dict[str, int] = {}
        self._lock = threading.Lock()
        self._digesting = ThreadPoolExecutor(2, thread_name_prefix="digest")

    def received(self, key: PartKey) -> tuple[int, str]:
        """Return how many bytes of the file were received, and their sha256."""
        if not self._is_known(key):
            return 0, _NOTHING
        with self._turn(key) as part:
            return (0, _NOTHING) if part.is_over else (part.received, part.digest.hexdigest())

    def announce(self, owner: str, sizes: Mapping[str, int]) -> None:
        """Record the sizes of files that the caller is about to send, by key; only recent ones are kept."""
        with self._lock:
            together = {**self._announced.get(owner, {}), **sizes}
            self._announced[owner] = dict(list(together.items())[-_MOST_ANNOUNCED:])

    def append(self, key: PartKey, offset: int, data: bytes, *, restart: bool, patience: float) -> int:
        """Append the bytes at `offset` and return how many were received; `restart` drops all earlier bytes.

        Raises OperationInProgress if the bytes before `offset` do not arrive within `patience` seconds, BadArgument
        above the announced size.
        """
        self._check_announced(key, offset + len(data))
        with self._turn(key) as part:
            try:
                if restart:
                    part.received, part.digest = 0, hashlib.sha256()
                self._wait_for_turn(key[0], part, offset, patience)
                if part.is_over or part.received != offset:
                    raise _out_of_turn(key, part, offset)
                self._write(part, data)
            except BaseException:
                if not part.received and not part.path.exists():
                    self._end(key, part)
                raise
            part.turn.notify_all()
            return part.received

    def finish(self, key: PartKey, wanted: StoredFile, keep: Callable[[Path, StoredFile], object]) -> bool:
        """Move the received file with `keep`; return False if nothing of it was received.

        Raises BadArgument, and drops the file, if it differs from `wanted`.
        """
        if wanted.size and not self._is_known(key):
            return False
        with self._turn(key) as part:
            if part.is_over:
                return False
            found = StoredFile(part.digest.hexdigest(), part.received)
            if found == wanted:
                make_folder(part.path.parent)
                with part.path.open("ab") as file:
                    file.truncate(part.received)  # leftovers of a failed write
                keep(part.path, found)
            else:
                part.path.unlink(missing_ok=True)
            self._end(key, part)
        if found == wanted:
            return True
        what = f"{found.size} bytes instead of {wanted.size}" if found.size != wanted.size else f"sha256 {found.sha256}"
        raise not_the_file(key[1], what)

    def files(self) -> list[Path]:
        """Return the partial files of all callers."""
        return list(self._folder.glob("*"))

    def remove(self, path: Path) -> None:
        """Remove a partial file that its client has given up."""
        owner, _, name = path.name.rpartition(".")
        with self._turn((owner, name), path) as part:
            if not part.is_over:
                part.path.unlink(missing_ok=True)
                self._end((owner, name), part)

    def _check_announced(self, key: PartKey, end: int) -> None:
        owner, name = key
        with self._lock:
            size = self._announced.get(owner, {}).get(name)
        if size is not None and end > size:
            message = f"a piece ends at byte {end}, and {size} bytes were announced"
            raise BadArgument(message, target=f"upload {name}")

    def _wait_for_turn(self, owner: str, part: _Part, offset: int, patience: float) -> None:
        with self._lock:
            may_wait = self._waiting.get(owner, 0) < _MOST_WAITING
            self._waiting[owner] = self._waiting.get(owner, 0) + may_wait
        if may_wait:
            try:
                part.turn.wait_for(lambda: part.is_over or part.received >= offset, patience)
            finally:
                with self._lock:
                    self._waiting[owner] -= 1

    def _write(self, part: _Part, data: bytes) -> None:
        digest = part.digest.copy()
        digesting = self._digesting.submit(digest.update, data)
        make_folder(part.path.parent)
        with open(part.path, "ab", buffering=0, opener=owner_opener) as file:
            try:
                file.truncate(part.received)  # leftovers of a failed write
                view = memoryview(data)
                while view:
                    view = view[file.write(view) :]
            finally:
                digesting.result()
        part.received, part.digest = part.received + len(data), digest

    def make_room(self, key: PartKey, more: int, most_bytes: int) -> None:
        """Drop the caller's oldest idle files until `more` bytes fit; raise OutOfQuota if none is idle."""
        path = self._path_of(key)
        found = self._files_of(key[0])
        others = sorted((stat.st_mtime, stat.st_size, other) for other, stat in found if other != path)
        own = sum(stat.st_size for other, stat in found if other == path)
        left = sum(size for _, size, _ in others) + own + more
        while others and (len(others) >= _MOST_PARTS or left > most_bytes):
            changed, size, other = others.pop(0)
            if changed > time.time() - _IDLE_SECONDS:
                message = f"{len(others) + 1} other files are partly sent, and there is no room for another"
                hint = f"send them to their end, or try again after {_IDLE_SECONDS:.0f} seconds"
                raise OutOfQuota(message, target=f"upload {key[1]}", hint=hint)
            self.remove(other)
            left -= size

    @contextlib.contextmanager
    def _turn(self, key: PartKey, path: Path | None = None) -> Iterator[_Part]:
        """Lock the file; read it for its digest if this emulator process has not received it."""
        with self._lock:
            part = self._parts.setdefault(key, _Part(path or self._path_of(key)))
        with part.turn:
            if not part.is_read or _size_of(part.path) < part.received:
                _read(part)
            yield part

    def _is_known(self, key: PartKey) -> bool:
        with self._lock:
            return key in self._parts or self._path_of(key).exists()

    def _path_of(self, key: PartKey) -> Path:
        return self._folder / segment(".".join(key))

    def _files_of(self, owner: str) -> list[tuple[Path, os.stat_result]]:
        found = []
        for path in self._folder.glob(f"{owner}.*"):
            with contextlib.suppress(FileNotFoundError):  # which another request has just ended
                found.append((path, path.stat()))
        return found

    def _end(self, key: PartKey, part: _Part) -> None:
        part.is_over = True
        part.turn.notify_all()
        with self._lock:
            if self._parts.get(key) is part:
                del self._parts[key]


def not_the_file(key: str, what: str) -> BadArgument:
    """Return the error for a file that differs from its announcement."""
    return BadArgument(f"the file that came is another: {what}", target=f"upload {key}", hint="send it again")


def _out_of_turn(key: PartKey, part: _Part, offset: int) -> OperationInProgress:
    message = "it was sent, or given up, by another request" if part.is_over else ""
    message = message or f"byte {part.received} is next, not {offset}"
    hint = "query how much was received, and continue there"
    return OperationInProgress(message, target=f"upload {key[1]}", hint=hint)


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _read(part: _Part) -> None:
    part.received, part.digest = 0, hashlib.sha256()
    if part.path.is_file():
        with part.path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                part.digest.update(chunk)
                part.received += len(chunk)
    part.is_read = True
