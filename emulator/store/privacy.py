"""Permissions of a home: only its owner may read it.

Containers read folders of their own, which engines mount, and never through the home.  Modes are set when files are
made, whatever the umask; the home of an earlier version with wider modes is tightened when the emulator starts.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from emulator.system.files import OWNER_FILE

OWNER_FOLDER = 0o700

# Written by the emulator alone, all the way down.
_OWN = ("models", "environments", "images", "endpoints", "known", "logs", "modelDataCollector", "claims", "damaged")
# Folders above those that containers or builds get as they are, and how many levels of them.
_ABOVE = {"files": 2, "layouts": 3, "sinks": 1, "contexts": 1, "uploads": 2, "process": 1}


def owner_opener(path: str, flags: int) -> int:
    """Open a file for `open`; a new one is readable by its owner only, whatever the umask."""
    handle = os.open(path, flags, OWNER_FILE)
    if hasattr(os, "fchmod") and os.fstat(handle).st_size == 0:
        os.fchmod(handle, OWNER_FILE)
    return handle


def make_home(home: Path) -> None:
    """Make the home's folder, for its owner only; `tighten` handles an existing one."""
    if not home.is_dir():
        home.mkdir(mode=OWNER_FOLDER, parents=True, exist_ok=True)
        home.chmod(OWNER_FOLDER)


def tighten(home: Path) -> None:
    """Remove permissions of other users that an earlier version has set.

    Files of other users and shared folders are not changed.
    """
    _take_away(home, OWNER_FOLDER)
    for entry in _entries(home):
        if entry.is_file(follow_symlinks=False):
            _take_away(Path(entry.path), OWNER_FILE)
    for name in _OWN:
        _tighten_all(home / name)
    for name, levels in _ABOVE.items():
        _tighten_folders(home / name, levels)


def _tighten_all(folder: Path) -> None:
    if not folder.is_dir() or folder.is_symlink():
        return
    _take_away(folder, OWNER_FOLDER)
    for entry in _entries(folder):
        if entry.is_dir(follow_symlinks=False):
            _tighten_all(Path(entry.path))
        elif entry.is_file(follow_symlinks=False):
            _take_away(Path(entry.path), OWNER_FILE)


def _tighten_folders(folder: Path, levels: int) -> None:
    if levels and folder.is_dir() and not folder.is_symlink():
        _take_away(folder, OWNER_FOLDER)
        for entry in _entries(folder):
            if entry.is_dir(follow_symlinks=False):
                _tighten_folders(Path(entry.path), levels - 1)


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with suppress(OSError), os.scandir(folder) as entries:
        yield from entries


def _take_away(path: Path, mode: int) -> None:
    with suppress(OSError):
        facts = path.stat()
        shared = facts.st_mode & stat.S_ISVTX
        if stat.S_IMODE(facts.st_mode) & ~mode and not shared:
            path.chmod(stat.S_IMODE(facts.st_mode) & mode)
