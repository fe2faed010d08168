"""Secret ids of the BuildKit caches that a build may use, one for each set of code that can write to a cache.

BuildKit shares its caches between all builds on an engine: any Dockerfile that names an id can read and rewrite that
cache.  So an id is an HMAC under a secret of this user, and code of a package never runs while a cache is mounted that
builds of other packages read.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_FILE = "build-caches.secret"
_LENGTH = 64


@dataclass(frozen=True)
class CacheIds:
    """The cache ids of one build: `wheels` is shared, `sources` belongs to one environment.  Both are secret."""

    wheels: str = field(repr=False)
    sources: str = field(repr=False)


def cache_ids(
    secret: str, base_image_id: str, system_packages: Sequence[str], conda_lock: str, digest: str, lock: str
) -> CacheIds:
    """Return the ids for a build of the environment `digest` with the packages of `lock`.

    Wheels are installed before any of their code runs.  What runs before is the base image's code, that of Debian
    packages that the user has named, and conda's: builds share a cache of wheels when all of these are the same.
    """
    return CacheIds(
        wheels=_id(secret, "wheels", base_image_id, sorted(system_packages), conda_lock),
        sources=_id(secret, "sources", base_image_id, digest, conda_lock, lock),
    )


def _id(secret: str, *parts: object) -> str:
    digest = hmac.new(secret.encode(), json.dumps(parts).encode(), hashlib.sha256).hexdigest()
    return f"amlemu-{digest[:40]}"


def read_cache_secret(folder: Path) -> str:
    """The secret of this user's caches, made at the first use, in a file below `folder` that only its owner can read.

    It belongs to a user as uv's own cache does, not to a home: emulators of one user share what they have downloaded.
    Where no file can be kept, the secret is good for this process only.
    """
    file = folder / _FILE
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_once(file)
        if file.stat().st_uid == os.getuid() and not file.stat().st_mode & 0o077:
            text = file.read_text(encoding="ascii").strip()
            if len(text) == _LENGTH:
                return text
    except (OSError, UnicodeDecodeError):
        pass
    return secrets.token_hex(_LENGTH // 2)


def _write_once(file: Path) -> None:
    """Create the file atomically, because two emulators may start at the same time."""
    if file.exists():
        return
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as text:
            text.write(secrets.token_hex(_LENGTH // 2))
        os.link(temporary, file)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
