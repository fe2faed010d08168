"""What comes from clients on other machines: files piece by piece, then folders made of them.

A file is received under a key that its client chooses, so that a transfer that broke off goes on where it was.  Whole,
it is one of the content-addressed files; a folder is made of links to those, so that nothing is copied.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulator.entities import UPLOAD_PREFIX, Upload, UploadedFile
from emulator.errors import BadArgument, OperationInProgress, ResourceNotFound
from emulator.store.disk import make_folder, translated
from emulator.store.files import Files, StoredFile
from emulator.store.segments import inner_path, segment

_TURN_SECONDS = 10.0
_CHUNK = 4 << 20
_IDENTITY = re.compile(r"[0-9a-f]{24}")
# What a client has not used by then it has given up.
_KEPT_SECONDS = 3600.0


@dataclass
class _Part:
    """A file that is being received: `digest` is that of the `received` bytes; `is_over` once it is kept or not."""

    path: Path
    received: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    is_over: bool = False
    turn: threading.Condition = field(default_factory=threading.Condition)


class Uploads:
    """Below `uploads/` of a home: `parts` that are received, `trees` that are made."""

    def __init__(self, home: Path, files: Files) -> None:
        self._home = home
        self._parts_folder = home / "uploads" / "parts"
        self._trees_folder = home / "uploads" / "trees"
        self._files = files
        self._parts: dict[str, _Part] = {}
        self._kept: dict[str, StoredFile] = {}
        self._lock = threading.Lock()
        self._digesting = ThreadPoolExecutor(2, thread_name_prefix="digest")

    @property
    def trees_folder(self) -> Path:
        """In which every upload has a folder."""
        return self._trees_folder

    def free_bytes(self) -> int:
        """How much the disk still takes."""
        return shutil.disk_usage(self._home).free

    def received(self, key: str) -> tuple[int, str]:
        """How many bytes of that file are here, and their sha256."""
        part = self._part(key)
        with part.turn:
            return part.received, part.digest.hexdigest()

    def append(self, key: str, offset: int, data: bytes, *, restart: bool = False) -> int:
        """Take the bytes that come at `offset`, all before thrown away with `restart`; how many are here then.

        Pieces may overtake each other by a little: each waits for its turn.  OperationInProgress when that does not
        come, because what is before it is not here; OutOfQuota.
        """
        part = self._part(key)
        with translated("upload"), part.turn:
            if restart:
                part.received, part.digest = 0, hashlib.sha256()
            part.turn.wait_for(lambda: part.is_over or part.received >= offset, _TURN_SECONDS)
            if part.is_over or part.received != offset:
                message = "somebody else has sent it" if part.is_over else f"byte {part.received} is next, not {offset}"
                raise OperationInProgress(message, target=f"upload {key}", hint="ask how much is received, go on there")
            self._write(part, data)
            part.turn.notify_all()
            return part.received

    def _write(self, part: _Part, data: bytes) -> None:
        digest = part.digest.copy()
        digesting = self._digesting.submit(digest.update, data)
        make_folder(part.path.parent)
        with part.path.open("ab", buffering=0) as file:
            try:
                file.truncate(part.received)  # what a failed write has left
                view = memoryview(data)
                while view:
                    view = view[file.write(view) :]
            finally:
                digesting.result()
        part.received, part.digest = part.received + len(data), digest

    def finish(self, key: str, size: int, sha256: str | None) -> StoredFile:
        """Keep the file now that all of it is here, or find that somebody else's is.

        BadArgument when it is not what it was said to be: then nothing of it is kept.
        """
        if kept := self.kept(key):
            return kept
        part = self._part(key)
        with translated("upload"), part.turn:
            found = part.digest.hexdigest()
            if part.received == size and sha256 in (None, found):
                if not part.path.exists():  # an empty file, of which there were no pieces
                    make_folder(part.path.parent)
                    part.path.touch()
                self._kept[key] = self._files.adopt(part.path, StoredFile(found, size))
                self._end(key, part)
                return self._kept[key]
            part.path.unlink(missing_ok=True)
            self._end(key, part)
        what = f"{part.received} bytes instead of {size}" if part.received != size else f"sha256 {found}"
        raise BadArgument(f"the file that came is another: {what}", target=f"upload {key}", hint="send it again")

    def kept(self, key: str) -> StoredFile | None:
        """What was sent under that key while this emulator runs, if it is still here."""
        kept = self._kept.get(key)
        return kept if kept and self.has(kept.sha256) else None

    def _end(self, key: str, part: _Part) -> None:
        part.is_over = True
        part.turn.notify_all()
        self._forget(key)

    def _part(self, key: str) -> _Part:
        with self._lock:
            part = self._parts.get(key)
            if part is None:
                part = self._parts[key] = _read_part(self._parts_folder / segment(key))
            return part

    def _forget(self, key: str) -> None:
        with self._lock:
            self._parts.pop(key, None)

    def has_size(self, size: int) -> bool:
        """Whether a content of that size is stored, which then may be the one that a client has."""
        return any(path.stat().st_size == size for path in self._files.contents())

    def has(self, sha256: str) -> bool:
        """Whether that content is stored."""
        return self._files.path_of(sha256).exists()

    def create(self, upload: Upload) -> str:
        """Make the folder of stored contents; what it is called from now on.

        ResourceNotFound names contents that are not here.
        """
        missing = [file.path for file in upload.files if not self.has(file.sha256)]
        if missing:
            message = f"{len(missing)} files have not been sent, '{missing[0]}' among them"
            raise ResourceNotFound(message, target=f"upload {upload.name}", hint="send them, then try again")
        with translated(f"upload {upload.name}"):
            identity = secrets.token_hex(12)
            folder = self._trees_folder / identity
            try:
                root = folder / inner_path(upload.name) if upload.is_folder else folder
                for file in upload.files:
                    self._place(file, root / inner_path(file.path), copy=upload.as_copies)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
        return UPLOAD_PREFIX + identity

    def _place(self, file: UploadedFile, target: Path, *, copy: bool) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        content = self._files.path_of(file.sha256)
        if copy or file.executable:  # which a link to a content that others share cannot be
            shutil.copyfile(content, target)
            target.chmod(0o755 if file.executable else 0o644)
        else:
            target.symlink_to(content)

    def path_of(self, reference: str) -> Path:
        """The file or folder that an upload has made; ResourceNotFound when it is gone."""
        identity = reference.removeprefix(UPLOAD_PREFIX)
        folder = self._trees_folder / identity
        if not _IDENTITY.fullmatch(identity) or not folder.is_dir():
            raise ResourceNotFound("there is no such upload", target=reference, hint="send it again")
        return next(iter(folder.iterdir()))

    def is_one(self, path: Path) -> bool:
        """Whether that path is an upload's."""
        return path.is_relative_to(self._trees_folder)

    def contents(self) -> set[str]:
        """The digests of what fresh uploads are made of."""
        links = (link for tree in self._fresh(self._trees_folder) for link in tree.rglob("*") if link.is_symlink())
        return {link.readlink().name for link in links}

    def prune(self, *, dry_run: bool) -> list[str]:
        """Remove what clients have given up; say what, a line each."""
        removed = []
        for kind, folder in (("upload", self._trees_folder), ("half an upload", self._parts_folder)):
            for path in sorted(set(_children(folder)) - set(self._fresh(folder))):
                removed.append(f"{kind} {path.name[:12]}")
                if not dry_run:
                    self._forget(path.name)
                    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        return removed

    def _fresh(self, folder: Path) -> Sequence[Path]:
        oldest = time.time() - _KEPT_SECONDS
        return [path for path in _children(folder) if path.lstat().st_mtime > oldest]


def _children(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _read_part(path: Path) -> _Part:
    """What an emulator before this one has received."""
    part = _Part(path)
    with _open_or_nothing(path) as chunks:
        for chunk in chunks:
            part.digest.update(chunk)
            part.received += len(chunk)
    return part


@contextmanager
def _open_or_nothing(path: Path) -> Iterator[Iterator[bytes]]:
    if not path.is_file():
        yield iter(())
        return
    with path.open("rb") as file:
        yield iter(lambda: file.read(_CHUNK), b"")
