"""Files by content: each is stored once under its sha256, never changes, and is handed out as hard links."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import queue
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import IO

from emulator.errors import BadArgument, EmulatorError
from emulator.store.disk import make_folder, read_document, write_document
from emulator.store.segments import segment
from emulator.system.files import sync_folder

_CHUNK = 4 << 20
_CHUNKS_AHEAD = 4
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Linux: clone a file's extents; filesystems without it answer EOPNOTSUPP, EXDEV, EINVAL or ENOTTY.
_FICLONE = 0x40049409
# A file written in the clock tick in which it is read could change again under the same times.
_SETTLED_NS = 100_000_000


@dataclass(frozen=True)
class StoredFile:
    """A file's content: its sha256 and its size in bytes."""

    sha256: str
    size: int


class Files:
    """The content-addressed files of one workspace folder.

    `known` remembers, by device and inode, which content a file outside had when it was last read, so that a 5 GB
    model that lies beside the script is neither read nor copied twice.  Times include the inode's own (ctime), which
    no program can set back.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve() / "files"
        self._known = folder / "known"
        make_folder(self._folder)
        make_folder(self._known)

    @property
    def folder(self) -> Path:
        """The folder of the contents, with no link in its path."""
        return self._folder

    def path_of(self, sha256: str) -> Path:
        """Return the path of the content, existing or not."""
        return self._folder / segment(sha256[:2]) / segment(sha256)

    def add(self, source: Path) -> StoredFile:
        """Store the content of `source` in one pass and return its digest; a known file is not read again."""
        source = source.resolve()
        stat = source.stat()
        if source.parent.parent == self._folder:  # a link to what is stored already
            return StoredFile(source.name, stat.st_size)
        if not S_ISREG(stat.st_mode):  # opening a fifo would wait for ever
            raise BadArgument(f"'{source}' is not a regular file")
        known = self._recall(stat)
        if known:
            return known
        stored = self._copy_in(source)
        self._remember(source, stat, stored)
        return stored

    def adopt(self, path: Path, stored: StoredFile) -> StoredFile:
        """Move the file at `path`, which must have that content and lie on the same disk, to its place."""
        with path.open("rb") as file:
            os.fsync(file.fileno())
        path.chmod(0o444)
        final = self.path_of(stored.sha256)
        make_folder(final.parent)
        if final.exists():  # layouts are linked to the one that is there
            path.unlink()
        else:
            path.replace(final)
            sync_folder(final.parent)
        return stored

    def contents(self) -> Iterator[Path]:
        """Yield the file of every content."""
        return self._folder.glob("??/*")

    def link(self, sha256: str, target: Path) -> None:
        """Make `target` the stored content: a hard link, or a copy where the filesystem has no more links to give."""
        try:
            os.link(self.path_of(sha256), target)
        except OSError as error:
            if error.errno not in (errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP, errno.EXDEV):
                raise
            shutil.copyfile(self.path_of(sha256), target)

    def prune(self, used: Set[str] | None, *, dry_run: bool) -> list[str]:
        """Remove contents outside `used` that no layout links to, and partial ones; return a line for each.

        `used` is None when unknown: then every content stays.  Nothing may be added meanwhile.
        """
        said = [] if used is None else [self._forget(path, dry_run) for path in self._unused(used)]
        half_written = sorted(self._folder.glob(".adding-*"))
        if not dry_run:
            self._forget_the_rest(half_written)
        return said + [f"half-written {path.name}" for path in half_written]

    def _forget_the_rest(self, half_written: list[Path]) -> None:
        for path in half_written:
            path.unlink(missing_ok=True)
        for entry in self._known.glob("*.json"):
            with contextlib.suppress(OSError):  # a folder in its place is harmless
                if not self._is_kept(_sha256_in(entry)):
                    entry.unlink(missing_ok=True)

    def _is_kept(self, sha256: str) -> bool:
        return bool(_SHA256.fullmatch(sha256)) and self.path_of(sha256).exists()

    def _unused(self, used: Set[str]) -> list[Path]:
        return [p for p in sorted(self.contents()) if p.name not in used and p.stat().st_nlink == 1]

    def _forget(self, path: Path, dry_run: bool) -> str:
        said = f"file {path.name[:12]} ({path.stat().st_size} bytes)"
        if not dry_run:
            path.unlink()
        return said

    def _copy_in(self, source: Path) -> StoredFile:
        handle, name = tempfile.mkstemp(prefix=".adding-", dir=self._folder)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb", buffering=0) as target, source.open("rb", buffering=0) as file:
                stored = _clone(file, target) or _copy_and_digest(file, target)
                os.fsync(target.fileno())
            temporary.chmod(0o444)
            final = self.path_of(stored.sha256)
            make_folder(final.parent)
            if not final.exists():  # layouts are linked to the one that is there
                temporary.replace(final)
                sync_folder(final.parent)
            return stored
        finally:
            temporary.unlink(missing_ok=True)

    def _recall(self, stat: os.stat_result) -> StoredFile | None:
        try:
            entry = read_document(self._entry(stat))
        except EmulatorError:
            return None  # damaged: the file is read again, and the entry replaced
        if entry is None or entry.get("stamp") != _stamp(stat):
            return None
        sha256 = str(entry.get("sha256"))
        return StoredFile(sha256, stat.st_size) if self._is_kept(sha256) else None

    def _remember(self, source: Path, before: os.stat_result, stored: StoredFile) -> None:
        settled = time.time_ns() - max(before.st_mtime_ns, before.st_ctime_ns) > _SETTLED_NS
        if settled and _stamp(source.stat()) == _stamp(before):
            with contextlib.suppress(OSError):  # then the file is read again the next time
                write_document(self._entry(before), {"stamp": _stamp(before), "sha256": stored.sha256})

    def _entry(self, stat: os.stat_result) -> Path:
        return self._known / segment(f"{stat.st_dev:x}-{stat.st_ino:x}.json")


def _sha256_in(entry: Path) -> str:
    """Return the digest of a note, '' for a damaged one."""
    try:
        return str((read_document(entry) or {}).get("sha256"))
    except EmulatorError:
        return ""


def _stamp(stat: os.stat_result) -> list[int]:
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]


def _clone(source: IO[bytes], target: IO[bytes]) -> StoredFile | None:
    """Share the extents and digest the copy; return None where the filesystem cannot."""
    try:
        import fcntl
    except ImportError:
        return None
    try:
        fcntl.ioctl(target.fileno(), _FICLONE, source.fileno())
    except OSError:
        return None
    digest, size = hashlib.sha256(), 0
    with open(target.fileno(), "rb", closefd=False) as clone:
        while chunk := clone.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return StoredFile(digest.hexdigest(), size)


def _copy_and_digest(source: IO[bytes], target: IO[bytes]) -> StoredFile:
    """Copy in one pass: this thread reads and digests, a second one writes the same bytes."""
    digest, size = hashlib.sha256(), 0
    with _writer(target) as write:
        while chunk := source.read(_CHUNK):
            write(chunk)
            digest.update(chunk)
            size += len(chunk)
    return StoredFile(digest.hexdigest(), size)


@contextlib.contextmanager
def _writer(target: IO[bytes]) -> Iterator[Callable[[bytes], None]]:
    """Yield a function that queues chunks for writing; the end of the block waits for all of them."""
    chunks: queue.Queue[bytes | None] = queue.Queue(_CHUNKS_AHEAD)
    failures: list[OSError] = []
    thread = threading.Thread(target=_write_all, args=(chunks, target, failures), daemon=True)
    thread.start()

    def write(chunk: bytes) -> None:
        if failures:
            raise failures[0]
        chunks.put(chunk)

    try:
        yield write
    finally:
        chunks.put(None)
        thread.join()
    if failures:
        raise failures[0]


def _write_all(chunks: queue.Queue[bytes | None], target: IO[bytes], failures: list[OSError]) -> None:
    while (chunk := chunks.get()) is not None:
        try:
            view = memoryview(chunk)
            while view and not failures:
                view = view[target.write(view) :]
        except OSError as error:
            failures.append(error)  # go on taking chunks, so that the reader is never stuck
