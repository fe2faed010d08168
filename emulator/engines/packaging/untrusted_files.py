"""Read files that code of packages could have replaced by a link, a pipe or gigabytes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

_MOST_BYTES = 8 << 20


def read_untrusted(file: Path, most_bytes: int = _MOST_BYTES) -> str | None:
    """Return the text of a plain file, None for anything else; never what a link leads to."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(file, flags)
    except OSError:
        return None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_size > most_bytes:
        os.close(descriptor)
        return None
    with os.fdopen(descriptor, "rb") as opened:
        return opened.read(most_bytes).decode("utf-8", "replace")


def walk_untrusted(folder: Path) -> Iterator[tuple[Path, list[os.DirEntry[str]]]]:
    """Yield each folder at and below `folder` with what lies in it, at any depth; no link is followed.

    os.walk calls itself for each level, which a tree can have too many of.  What cannot be listed is left out.
    """
    waiting = [str(folder)]
    while waiting:
        above = waiting.pop()
        try:
            with os.scandir(above) as found:
                entries = list(found)
        except OSError:
            continue
        yield Path(above), entries
        waiting += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
