"""Documents, lock files and errors of the process engine."""

from __future__ import annotations

import errno
import json
import stat
import threading
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from emulator.errors import EmulatorError, EngineUnavailable, OperationCanceled, OutOfQuota
from emulator.system.files import file_lock, translate_os_errors

_EXHAUSTED = {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM}
_PAUSE_SECONDS = 0.1


def machine_errors(target: str = "") -> AbstractContextManager[None]:
    """Raise an OSError of the block as OutOfQuota when the machine is exhausted, else as EngineUnavailable."""
    return translate_os_errors(target, _machine_error)


def _machine_error(error: OSError, target: str) -> EmulatorError:
    message = f"the process engine cannot go on: {error.strerror or error}"
    if error.filename:
        message += f" ({error.filename})"
    if error.errno in _EXHAUSTED:
        hint = "free disk space, memory or processes; `amlemu prune` removes what is not used"
        return OutOfQuota(message, target=target, hint=hint)
    return EngineUnavailable(message, target=target, hint="see `amlemu doctor`")


def read_json(path: Path) -> Any:
    """Return the document, or None when the file does not exist."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def locked(path: Path, canceled: threading.Event | None = None) -> AbstractContextManager[bool]:
    """Hold the lock file at `path` during the block; see `file_lock`.

    With `canceled`, wait until it is held, or raise OperationCanceled soon after `canceled` is set; without, try once
    and yield whether it is held.
    """

    def pause() -> None:
        if canceled is not None and canceled.wait(_PAUSE_SECONDS):
            raise OperationCanceled("the wait for another build of the same environment was interrupted")

    return file_lock(path, pause if canceled is not None else None)


def is_readable_by_all(path: Path) -> bool:
    """Return whether every user may read the file, or list and enter the folder, once it can be reached."""
    mode = path.stat().st_mode
    return bool(mode & stat.S_IROTH) and (not stat.S_ISDIR(mode) or bool(mode & stat.S_IXOTH))
