"""What an emulator that was killed leaves in its home between two steps, removed as the next one starts.

Only while nothing else writes there: a document that is just being written looks like one that never was.
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
"""With which the name begins of an endpoint's folder that is being removed."""


def remove_leftovers(home: Path, logs: Logs) -> None:
    """Remove documents that were never whole, and finish what makes or deletes an endpoint.

    What cannot be removed stays: it is in nobody's way.
    """
    for path in [*home.glob(".*.json.*"), *(found for name in _FOLDERS for found in (home / name).rglob(".*.json.*"))]:
        with suppress(OSError):
            path.unlink(missing_ok=True)
    for path in (home / "files").glob(".adding-*"):  # contents that were never whole
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
    """Whether all that was written of an endpoint is its keys, which come first; a link that leads nowhere is there."""
    others = (folder / "endpoint.json", folder / "deployments")
    return folder.is_dir() and not folder.is_symlink() and not any(map(os.path.lexists, others))
