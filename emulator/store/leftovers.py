"""What an emulator that was killed leaves in its home between two steps, removed as the next one starts.

Only while nothing else writes there: a document that is just being written looks like one that never was.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from emulator.store.logs import Logs

_FOLDERS = ("models", "environments", "images", "endpoints", "known")


def remove_leftovers(home: Path, logs: Logs) -> None:
    """Remove documents that were never whole, and finish deletions of endpoints."""
    for path in [*home.glob(".*.json.*"), *(found for name in _FOLDERS for found in (home / name).rglob(".*.json.*"))]:
        path.unlink(missing_ok=True)
    for folder in (home / "endpoints").glob("*"):
        if not (folder / "endpoint.json").exists():
            shutil.rmtree(folder, ignore_errors=True)
    logs.keep_only({folder.name for folder in (home / "endpoints").glob("*")})
