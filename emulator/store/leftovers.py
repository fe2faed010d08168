"""Remove what a killed emulator left unfinished in its home, at the next start.

Call it only while nothing else writes there: it cannot tell a document that is being written from an abandoned one.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from emulator.store.disk import remove_whole
from emulator.store.documents import names_in
from emulator.store.logs import Logs
from emulator.store.segments import segment

_FOLDERS = ("models", "environments", "images", "endpoints", "known")
REMOVED = ".removed-"
"""The prefix of an endpoint's folder that is being removed."""


def remove_leftovers(home: Path, logs: Logs) -> None:
    """Remove partial documents, and finish the creation or deletion of endpoints.

    What cannot be removed stays and is harmless.
    """
    for path in [*home.glob(".*.json.*"), *(found for name in _FOLDERS for found in (home / name).rglob(".*.json.*"))]:
        with suppress(OSError):
            path.unlink(missing_ok=True)
    for path in (home / "files").glob(".adding-*"):  # partial contents
        with suppress(OSError):
            path.unlink()
    endpoints = home / "endpoints"
    for folder in endpoints.glob(f"{REMOVED}*"):
        with suppress(OSError):
            remove_whole(folder)
    for name in names_in(endpoints):
        if _was_never_one(endpoints / segment(name)):
            remove_whole(endpoints / segment(name))
    logs.keep_only(set(names_in(endpoints)))


def _was_never_one(folder: Path) -> bool:
    """Return whether only an endpoint's keys, which come first, were written; a broken link counts as written."""
    others = (folder / "endpoint.json", folder / "deployments")
    return folder.is_dir() and not folder.is_symlink() and not any(map(os.path.lexists, others))
