"""One emulator per AMLEMU_HOME: a lock that says who holds it and goes with its holder."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from emulator.errors import BadArgument

_FILE = "server.json"
_LOCK = "server.lock"
# Whoever only asks whether it is held has it for a moment.
_TRIES, _AGAIN_SECONDS = 5, 0.05


class HomeLock:
    """The lock of a state folder, held as long as the process lives; `server.json` in it names the holder."""

    def __init__(self, home: Path) -> None:
        with _translated(home):
            if not home.is_dir():
                home.mkdir(mode=0o700, parents=True, exist_ok=True)
                home.chmod(0o700)  # whatever the umask takes away
        self._lock_path = home / _LOCK
        self._path = home / _FILE
        self._file: IO[str] | None = None
        self.was_left = False
        """Once it is held: whether its last holder ended without giving it back."""

    def take(self, holder: Mapping[str, Any]) -> None:
        """Hold the lock; BadArgument naming the holder when another process has it."""
        if not self.try_take(holder):
            other = read_holder(self._path.parent) or {}
            raise BadArgument(
                f"an emulator is running already: process {other.get('pid', '?')} at {other.get('url', '?')}",
                target=f"AMLEMU_HOME {self._path.parent}",
                hint="`amlemu down` ends it; another AMLEMU_HOME (and AMLEMU_PORT) starts a second one",
            )

    def try_take(self, holder: Mapping[str, Any]) -> bool:
        """Hold the lock, unless another process has it."""
        with _translated(self._path.parent):
            file = open(self._lock_path, "a+", encoding="utf-8", opener=_owner_opener)  # noqa: SIM115 - held
        if not _lock(file):
            file.close()
            return False
        self._file = file
        self.was_left = self._path.exists()
        self.note(holder)
        return True

    def note(self, holder: Mapping[str, Any]) -> None:
        """Say of the holder, who has the lock, what others are to find."""
        with _translated(self._path.parent):
            new = self._path.with_name(f".{_FILE}.new")
            with open(new, "w", encoding="utf-8", opener=_owner_opener) as note:
                note.write(json.dumps({**holder, "pid": os.getpid()}))
            new.replace(self._path)

    def release(self) -> None:
        """Give the lock back."""
        if self._file is not None:
            self._path.unlink(missing_ok=True)
            self._file.close()
            self._file = None


def read_holder(home: Path) -> dict[str, Any] | None:
    """Who holds the home: `pid`, `version`, and `url` once it listens there; None when nobody does.

    What the note says of an emulator that was killed counts no more: its port and its process id may be others' by now.
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


@contextmanager
def _translated(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"the state folder cannot be written: {error.strerror}"
        hint = "AMLEMU_HOME names another folder"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            hint = f"free some space; {hint}"
        raise BadArgument(message, target=f"AMLEMU_HOME {home}", hint=hint) from error


def _lock(file: IO[str]) -> bool:
    for _ in range(_TRIES - 1):
        if _try_lock(file):
            return True
        time.sleep(_AGAIN_SECONDS)
    return _try_lock(file)


def _is_held(path: Path) -> bool:
    """Whether a process has the lock; also when that cannot be found out."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        with path.open("rb") as file, suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except FileNotFoundError:
        return False
    except OSError:
        pass
    return True


def _try_lock(file: IO[str]) -> bool:
    try:
        import fcntl
    except ImportError:
        return _try_lock_windows(file)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _try_lock_windows(file: IO[str]) -> bool:
    import msvcrt

    try:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError:
        return False
    return True
