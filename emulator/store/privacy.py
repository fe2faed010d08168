"""Who may read a home: its owner.

What containers read lies in folders of their own, which engines mount: whoever a container runs as, nobody walks
through the home to it.  Modes are set as things are made, whatever the umask; a home of an earlier version, which had
others, is tightened as the emulator starts.
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
# The folders above what containers or builds are given as it is: how many levels of them.
_ABOVE = {"files": 2, "layouts": 3, "sinks": 1, "contexts": 1, "uploads": 2, "process": 1}


def owner_opener(path: str, flags: int) -> int:
    """For `open`: a file that is made is its owner's, whatever the umask."""
    handle = os.open(path, flags, OWNER_FILE)
    if hasattr(os, "fchmod") and os.fstat(handle).st_size == 0:
        os.fchmod(handle, OWNER_FILE)
    return handle


def make_home(home: Path) -> None:
    """Make the home's folder, for its owner only; one that is there already is `tighten`'s."""
    if not home.is_dir():
        home.mkdir(mode=OWNER_FOLDER, parents=True, exist_ok=True)
        home.chmod(OWNER_FOLDER)


def tighten(home: Path) -> None:
    """Take from everybody but the owner what an earlier version has let them read.

    What belongs to somebody else, and a folder that everybody shares, is left as it is.
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
