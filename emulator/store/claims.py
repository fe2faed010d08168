"""Records which contents each caller has sent: only those may it name by digest.

A digest is not a secret: otherwise anyone who knows one could find out that the content is here, and read it.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Callable, Set
from pathlib import Path

from emulator.store.disk import make_folder
from emulator.store.files import StoredFile
from emulator.store.segments import segment

# A line for each content; one that is lost costs no more than sending that content again.
_LINE = re.compile(rb"([0-9a-f]{64}) ([0-9]{1,16})\n")


class Claims:
    """One file of lines per caller, below `folder`, read at the caller's first request."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sizes: dict[str, dict[str, int]] = {}
        self._lock = threading.Lock()

    def add(self, owner: str, stored: StoredFile) -> None:
        """Record that the caller has sent the content."""
        with self._lock:
            sizes = self._of(owner)
            if stored.sha256 not in sizes:
                self._write(owner, {stored.sha256: stored.size}, os.O_APPEND)
                sizes[stored.sha256] = stored.size

    def has(self, owner: str, sha256: str) -> bool:
        """Return whether the caller has sent the content, which may have been pruned since."""
        with self._lock:
            return sha256 in self._of(owner)

    def sizes(self, owner: str) -> Set[int]:
        """Return the sizes of the contents that the caller has sent."""
        with self._lock:
            return set(self._of(owner).values())

    def prune(self, is_stored: Callable[[str], bool]) -> None:
        """Forget pruned contents."""
        with self._lock:
            for path in self._folder.glob("*"):
                sizes = self._of(path.name)
                kept = {sha256: size for sha256, size in sizes.items() if is_stored(sha256)}
                if kept != sizes:
                    self._sizes[path.name] = kept
                    self._write(path.name, kept, os.O_TRUNC)
                if not kept and path.is_file():
                    path.unlink()

    def _of(self, owner: str) -> dict[str, int]:
        if owner not in self._sizes:
            text = b""
            with contextlib.suppress(OSError):  # an unreadable file claims nothing
                text = (self._folder / segment(owner)).read_bytes()
            lines = (_LINE.fullmatch(line) for line in text.splitlines(keepends=True))
            self._sizes[owner] = {line[1].decode(): int(line[2]) for line in lines if line}
        return self._sizes[owner]

    def _write(self, owner: str, sizes: dict[str, int], how: int) -> None:
        text = b"".join(b"%s %d\n" % (sha256.encode(), size) for sha256, size in sizes.items())
        with contextlib.suppress(OSError):  # an emulator that ends before there is room will be sent it again
            make_folder(self._folder)
            handle = os.open(self._folder / segment(owner), os.O_WRONLY | os.O_CREAT | how, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(text)
