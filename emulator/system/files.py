"""Replace files as a whole, lock files between processes, and translate the operating system's errors."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from emulator.errors import BadArgument, EmulatorError, OutOfQuota

OWNER_FILE = 0o600
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def replace_json(path: Path, document: Any, *, durable: bool = True) -> None:
    """Replace the JSON file at `path`; readers find the old document or the new one, whatever happens.

    Only the owner can read it.  `durable` forces it to the disk, which a document that does not outlive the machine's
    processes does not need.
    """
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        with open(temporary, "x", encoding="utf-8", opener=_owner_opener) as file:
            json.dump(document, file, indent=1, sort_keys=True)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.chmod(OWNER_FILE)  # whatever the umask takes away
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def _owner_opener(path: str, flags: int) -> int:
    return os.open(path, flags, OWNER_FILE)


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut, where the system lets a folder be synced."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def disk_error(error: OSError, target: str) -> EmulatorError:
    """Return what `error` means for a file of the user or of the home: no room, no access, no such file."""
    path = os.fsdecode(error.filename) if error.filename else ""
    if is_disk_full(error):
        hint = "free some space, or `amlemu prune`; AMLEMU_HOME chooses another disk"
        return OutOfQuota("there is no space left on the disk", target=target, hint=hint)
    if error.errno in (errno.EACCES, errno.EPERM):
        return BadArgument(f"'{path}' may not be read or written", target=target)
    if error.errno == errno.ENOENT:
        return BadArgument(f"'{path}' does not exist", target=target)
    if error.errno == errno.ENAMETOOLONG:
        return BadArgument(f"the path '{path[:80]}…' is too long for the disk", target=target)
    if error.errno == errno.ELOOP:
        return BadArgument(f"'{path}' is a circular link", target=target)
    return EmulatorError(f"{error.strerror or error} '{path}'", target=target)


def is_disk_full(error: OSError) -> bool:
    """Return whether the disk, a quota or the largest size of a file is exhausted."""
    return error.errno in _DISK_FULL


@contextlib.contextmanager
def translate_os_errors(
    target: str = "", translate: Callable[[OSError, str], EmulatorError] = disk_error
) -> Iterator[None]:
    """Raise an OSError of the block as what `translate` makes of it; `target` names the resource it concerns."""
    try:
        yield
    except OSError as error:
        raise translate(error, target) from error


def try_lock(file: IO[Any], *, shared: bool = False) -> bool:
    """Lock an open file for as long as it stays open; return False when another process or thread holds it."""
    if sys.platform == "win32":
        return not shared and _try_lock_windows(file)
    import fcntl

    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


if sys.platform == "win32":

    def _try_lock_windows(file: IO[Any]) -> bool:
        import msvcrt

        try:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True


@contextlib.contextmanager
def file_lock(path: Path, pause: Callable[[], None] | None = None) -> Iterator[bool]:
    """Hold the lock file at `path` during the block, against threads and processes; yield whether it is held.

    `pause` is called between two attempts, until the lock is free or `pause` raises; without it there is one attempt.
    The kernel releases the lock of a process that dies.
    """
    with open(path, "a", encoding="utf-8", opener=_owner_opener) as file:
        held = try_lock(file)
        while not held and pause is not None:
            pause()
            held = try_lock(file)
        yield held
