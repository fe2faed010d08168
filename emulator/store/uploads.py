"""Uploads from clients on other machines: files piece by piece, then folders made of them.

Partial files, sent files and folders belong to one caller, their `owner`, and are invisible to others.  A file is
received under a key that its client chooses, so that an interrupted transfer can resume.  Once it is whole and verified
it is one of the content-addressed files; a folder consists of links to those, so that nothing is copied.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

from emulator.entities import UPLOAD_PREFIX, Upload, UploadedFile
from emulator.errors import BadArgument, ResourceNotFound
from emulator.store.claims import Claims
from emulator.store.disk import make_folder
from emulator.store.files import Files, StoredFile
from emulator.store.segments import inner_path, segment
from emulator.store.upload_parts import UploadParts, not_the_file
from emulator.system.files import translate_os_errors
from emulator.system.removal import remove_tree

# Uploads that are older are given up.
_KEPT_SECONDS = 3600.0
_TURN_SECONDS = 10.0
_IDENTITY = re.compile(r"(?P<owner>[0-9a-z]{1,64})\.[0-9a-f]{24}")


class Uploads:
    """Below `uploads/` of a home: `parts` being received, `claims` to received contents, `trees` made of them."""

    def __init__(self, home: Path, files: Files) -> None:
        self._home = home
        self._trees_folder = home / "uploads" / "trees"
        self._parts = UploadParts(home / "uploads" / "parts")
        self._claims = Claims(home / "uploads" / "claims")
        self._files = files
        self._promised: dict[str, float] = {}  # digests, and until when `time.monotonic` says so

    @property
    def trees_folder(self) -> Path:
        """The folder with one folder per upload."""
        return self._trees_folder

    def free_bytes(self) -> int:
        """Return the free space of the disk."""
        return shutil.disk_usage(self._home).free

    def received(self, owner: str, key: str) -> tuple[int, str]:
        """Return how many bytes of the file were received, and their sha256."""
        with translate_os_errors(f"upload {key}"):
            return self._parts.received((owner, key))

    def announce(self, owner: str, sizes: Mapping[str, int]) -> None:
        """Record the sizes of files about to be sent, by key; more is refused."""
        self._parts.announce(owner, sizes)

    def append(self, owner: str, key: str, offset: int, data: bytes, *, most_bytes: int, restart: bool = False) -> int:
        """Append the bytes at `offset` and return how many were received; `restart` drops all earlier bytes.

        Pieces may arrive slightly out of order: each waits for its turn.  Raises OperationInProgress if that does not
        come, BadArgument above the announced size, OutOfQuota for more partial files, or more than `most_bytes` of
        them, than a caller may have.
        """
        with translate_os_errors(f"upload {key}"):
            self._parts.make_room((owner, key), len(data), most_bytes)
            return self._parts.append((owner, key), offset, data, restart=restart, patience=_TURN_SECONDS)

    def finish(self, owner: str, key: str, wanted: StoredFile) -> None:
        """Store the file that was received whole; nothing is done if it was stored before.

        Raises BadArgument, and drops the file, if it differs from its announcement.
        """
        with translate_os_errors(f"upload {key}"):
            if self._parts.finish((owner, key), wanted, self._files.adopt):
                self._claims.add(owner, wanted)
            elif self.size_of(owner, wanted.sha256) != wanted.size:
                raise not_the_file(key, f"0 bytes instead of {wanted.size}")
        self._promise(wanted.sha256)

    def promise(self, owner: str, sha256: str) -> bool:
        """Return whether the caller has sent that content; if so, keep it until a folder uses it, or for a while."""
        if self.size_of(owner, sha256) is None:
            return False
        self._promise(sha256)
        return True

    def _promise(self, sha256: str) -> None:
        self._promised[sha256] = time.monotonic() + _KEPT_SECONDS

    def known_sizes(self, owner: str) -> Set[int]:
        """Return the sizes of the contents that the caller has sent."""
        return self._claims.sizes(owner)

    def size_of(self, owner: str, sha256: str) -> int | None:
        """Return the size of a content that the caller has sent; None for any other, stored or not."""
        if not self._claims.has(owner, sha256):
            return None
        with contextlib.suppress(FileNotFoundError):
            return self._files.path_of(sha256).stat().st_size
        return None

    def create(self, owner: str, upload: Upload) -> str:
        """Make a folder of files that the caller has sent; return its reference.

        Raises ResourceNotFound for contents that the caller has not sent, BadArgument for a wrong size.
        """
        self._check(owner, upload)
        with translate_os_errors(f"upload {upload.name}"):
            identity = f"{owner}.{secrets.token_hex(12)}"
            make_folder(self._trees_folder)
            folder = self._trees_folder / segment(identity)
            try:
                root = folder / inner_path(upload.name) if upload.is_folder else folder
                for file in upload.files:
                    self._place(file, root / inner_path(file.path), copy=upload.is_copied(file))
            except BaseException:
                remove_tree(folder, ignore_errors=True)
                raise
        for file in upload.files:  # kept by the folder from now on
            self._promised.pop(file.sha256, None)
        return UPLOAD_PREFIX + identity

    def _check(self, owner: str, upload: Upload) -> None:
        target = f"upload {upload.name}"
        sizes = {sha256: self.size_of(owner, sha256) for sha256 in {file.sha256 for file in upload.files}}
        missing = [file.path for file in upload.files if sizes[file.sha256] is None]
        if missing:
            message = f"{len(missing)} files have not been sent, '{missing[0]}' among them"
            raise ResourceNotFound(message, target=target, hint="send them, then try again")
        for file in upload.files:
            if file.size != sizes[file.sha256]:
                message = f"'{file.path}' has {sizes[file.sha256]} bytes, and is said to have {file.size}"
                raise BadArgument(message, target=target)

    def _place(self, file: UploadedFile, target: Path, *, copy: bool) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        content = self._files.path_of(file.sha256)
        if copy:
            shutil.copyfile(content, target)
            target.chmod(0o755 if file.executable else 0o644)
        else:
            target.symlink_to(content)

    def path_of(self, reference: str, owner: str | None = None) -> Path:
        """Return the path of an upload; raise ResourceNotFound if it is gone, or another owner's."""
        identity = reference.removeprefix(UPLOAD_PREFIX)
        found = _IDENTITY.fullmatch(identity)
        if found and owner in (None, found["owner"]):
            folder = self._trees_folder / segment(identity)
            if folder.is_dir():
                return next(iter(folder.iterdir()))
        raise ResourceNotFound("there is no such upload", target=reference[:80], hint="send it again")

    def is_one(self, path: Path) -> bool:
        """Return whether that path belongs to an upload."""
        return path.is_relative_to(self._trees_folder)

    def contents(self) -> set[str]:
        """Return the digests that recent uploads use, or that callers may be about to use."""
        links = (link for tree in _fresh(self._trees()) for link in tree.rglob("*") if link.is_symlink())
        now = time.monotonic()
        promised = {sha256 for sha256, until in list(self._promised.items()) if now < until}
        return {link.readlink().name for link in links} | promised

    def prune(self, *, dry_run: bool) -> list[str]:
        """Remove uploads that clients have given up; return a line for each."""
        trees, parts = self._trees(), self._parts.files()
        old_trees, old_parts = set(trees) - set(_fresh(trees)), set(parts) - set(_fresh(parts))
        if not dry_run:
            for tree in old_trees:
                remove_tree(tree)
            for part in old_parts:
                self._parts.remove(part)
        said = [f"upload {tree.name[-12:]}" for tree in sorted(old_trees)]
        return said + [f"half an upload {part.name[-12:]}" for part in sorted(old_parts)]

    def forget_removed_contents(self) -> None:
        """Forget claims to contents that were pruned."""
        self._claims.prune(lambda sha256: self._files.path_of(sha256).exists())

    def _trees(self) -> list[Path]:
        return list(self._trees_folder.glob("*"))


def _fresh(paths: Sequence[Path]) -> Sequence[Path]:
    oldest = time.time() - _KEPT_SECONDS
    return [path for path in paths if path.lstat().st_mtime > oldest]
