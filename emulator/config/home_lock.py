"""One emulator per AMLEMU_HOME: a file lock that names its holder and ends with it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from emulator.errors import BadArgument
from emulator.system.files import is_disk_full, replace_json, translate_os_errors, try_lock

_FILE = "server.json"
_LOCK = "server.lock"
_TRIES, _AGAIN_SECONDS = 5, 0.05


class HomeLock:
    """The lock of a state folder, held until released or the process ends; `server.json` in it names the holder."""

    def __init__(self, home: Path) -> None:
        with translate_os_errors(f"AMLEMU_HOME {home}", _home_error):
            if not home.is_dir():
                home.mkdir(mode=0o700, parents=True, exist_ok=True)
                home.chmod(0o700)  # whatever the umask takes away
        self._lock_path = home / _LOCK
        self._path = home / _FILE
        self._file: IO[str] | None = None
        self.was_abandoned = False
        """Once locked: whether the last holder ended without releasing it."""

    def take(self, holder: Mapping[str, Any]) -> None:
        """Lock the home; BadArgument naming the holder when another process has it."""
        if not self.try_take(holder):
            other = read_holder(self._path.parent) or {}
            raise BadArgument(
                f"an emulator is running already: process {other.get('pid', '?')} at {other.get('url', '?')}",
                target=f"AMLEMU_HOME {self._path.parent}",
                hint="`amlemu down` ends it; another AMLEMU_HOME (and AMLEMU_PORT) starts a second one",
            )

    def try_take(self, holder: Mapping[str, Any]) -> bool:
        """Lock the home unless another process has it; return whether it is locked now."""
        with translate_os_errors(f"AMLEMU_HOME {self._path.parent}", _home_error):
            file = open(self._lock_path, "a+", encoding="utf-8", opener=_owner_opener)  # noqa: SIM115 - held
        if not _lock(file):
            file.close()
            return False
        self._file = file
        self.was_abandoned = self._path.exists()
        self.write_holder(holder)
        return True

    def write_holder(self, holder: Mapping[str, Any]) -> None:
        """Write the description of the holder, which other processes read."""
        with translate_os_errors(f"AMLEMU_HOME {self._path.parent}", _home_error):
            replace_json(self._path, {**holder, "pid": os.getpid()}, durable=False)

    def release(self) -> None:
        """Unlock the home."""
        if self._file is not None:
            self._path.unlink(missing_ok=True)
            self._file.close()
            self._file = None


def read_holder(home: Path) -> dict[str, Any] | None:
    """Return who holds the home: `pid`, `version`, and `url` once it listens there; None when the home is unlocked.

    The description of a killed emulator is ignored: its port and its process id may belong to others by now.
    """
    if not _is_held(home / _LOCK):
        return None
    try:
        holder = json.loads((home / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return holder if isinstance(holder, dict) else None


def _owner_opener(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _home_error(error: OSError, target: str) -> BadArgument:
    hint = "AMLEMU_HOME names another folder"
    if is_disk_full(error):
        hint = f"free some space; {hint}"
    return BadArgument(f"the state folder cannot be written: {error.strerror}", target=target, hint=hint)


def _lock(file: IO[str]) -> bool:
    """Lock the file, with a few attempts: `read_holder` of another process holds it for a moment."""
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_AGAIN_SECONDS)
        with suppress(OSError):  # a file system without locks
            if try_lock(file):
                return True
    return False


def _is_held(path: Path) -> bool:
    """Return whether a process has the lock, and True when that cannot be found out."""
    try:
        with path.open("rb") as file:
            return not try_lock(file, shared=True)
    except FileNotFoundError:
        return False
    except OSError:
        return True
