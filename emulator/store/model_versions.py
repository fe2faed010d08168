"""Names and creation times of model versions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath

# azure-ai-ml `_utils/_asset_utils.py`, get_object_hash: what the digest begins with, so that names are the cloud's own.
_SEED = b"Initialize for october 2021 AML CLI version"
_CHUNK_BYTES = 1 << 20
_STEP = timedelta(milliseconds=1)


def content_name(files: Iterable[tuple[str, Path]]) -> str:
    """Return the name that the cloud gives a model without one: a digest of its content, as azure-ai-ml does.

    `files` are paths below the version's folder, and the paths of their contents.

    A file is digested by its content.  In a folder the name of each file and folder goes before what it holds, in the
    order of the names in lower case; the folder's own name does not count.
    """
    contents = dict(files)
    digest = hashlib.sha256(_SEED)
    entered: set[tuple[str, ...]] = set()
    for path in sorted(contents, key=lambda path: path.lower().split("/")):
        parts = PurePosixPath(path).parts
        for depth in range(2, len(parts) + 1):
            if parts[:depth] not in entered:
                entered.add(parts[:depth])
                digest.update(parts[depth - 1].encode())
        with contents[path].open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    # The SDK digests the digest once more when it makes a name of it (`entities/_assets/_artifacts/model.py`).
    return hashlib.sha256(digest.hexdigest().encode()).hexdigest()


def created_after(others: Iterable[str], now: str) -> str:
    """Return a creation time after all `others`: now, or a millisecond after the last if the clock was set back.

    >>> created_after(["2024-01-01T10:00:00.000+00:00"], "2024-01-01T09:00:00.000+00:00")
    '2024-01-01T10:00:00.001+00:00'
    """
    last = max(others, default="")
    if now > last:
        return now
    return (datetime.fromisoformat(last) + _STEP).isoformat(timespec="milliseconds")
