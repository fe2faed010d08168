"""Files of the process engine: whole documents, trees that scripts have written to, errors of the disk."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emulator.errors import EngineUnavailable, OperationCanceled, OutOfQuota

try:
    import fcntl
except ImportError:  # Windows, where the engine's check() refuses to work
    fcntl = None  # type: ignore[assignment]

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM}


@contextlib.contextmanager
def translated(target: str) -> Iterator[None]:
    """OSError as OutOfQuota when the machine has no room left, else as EngineUnavailable, about `target`."""
    try:
        yield
    except OSError as error:
        message = f"the process engine cannot go on: {error.strerror or error}"
        if error.filename:
            message += f" ({error.filename})"
        if error.errno in _NO_ROOM:
            hint = "free disk space, memory or processes; `amlemu prune` removes what is not used"
            raise OutOfQuota(message, target=target, hint=hint) from error
        raise EngineUnavailable(message, target=target, hint="see `amlemu doctor`") from error


def replace_json(path: Path, document: Any) -> None:
    """Write a document so that readers find it whole or not at all.

    Not forced to the disk: what it tells of, a process or a build, does not outlive a power failure either.
    """
    temporary = path.with_name(path.name + ".new")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
    temporary.replace(path)


def read_json(path: Path) -> Any:
    """The document, or None when there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def locked(path: Path, canceled: threading.Event | None = None) -> Iterator[bool]:
    """Hold the lock file `path`, among threads and processes alike; its holder's death frees it.

    With `canceled` it waits until it has the lock and yields True; OperationCanceled soon after `canceled` is set.
    Without, it does not wait: it yields whether it has the lock.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        held = _try_lock(descriptor)
        while not held and canceled is not None:
            if canceled.wait(0.1):
                raise OperationCanceled("the wait for another build of the same environment was interrupted")
            held = _try_lock(descriptor)
        yield held
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_readable_by_all(path: Path) -> bool:
    """Whether any user may read the file, or list and enter the folder, once it is in reach."""
    mode = path.stat().st_mode
    return bool(mode & stat.S_IROTH) and (not stat.S_ISDIR(mode) or bool(mode & stat.S_IXOTH))
