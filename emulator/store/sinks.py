"""The folders that containers share with the emulator, for data that their packages send.

Their files were written by arbitrary scripts: no link is followed, nothing is trusted, and all reads are bounded.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from emulator.store.disk import make_folder
from emulator.store.segments import segment
from emulator.system.files import translate_os_errors
from emulator.system.removal import remove_tree

_LONGEST_FILE = 96 << 20  # more than a sink writes at once
# Not there on Windows, whose containers are Docker's.
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
# Containers run as uid 1000, whatever the emulator's own; the folder above keeps other users of this machine out.
_FOR_EVERYBODY = 0o777
_OWNER_ONLY = 0o700


@dataclass(frozen=True)
class SinkFolder:
    """The folder of one container, with the names in its path."""

    path: Path
    endpoint: str
    deployment: str
    generation: int


class SinkFolders:
    """The folder `sinks` of an emulator's home: `<endpoint>/<deployment>/<generation>/<instance>`."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "sinks"
        self._folders = threading.Lock()  # an empty one must not go while another is made in it

    def of_generation(self, endpoint_name: str, deployment_name: str, generation: int) -> Path:
        """Return the folder of a generation, existing or not."""
        return self._folder / segment(endpoint_name) / segment(deployment_name) / segment(str(generation))

    def prepare(self, folder: Path, files: Mapping[str, str]) -> None:
        """Make a container's folder with these files, which replace those of an earlier container.

        Raises OutOfQuota for a full disk, BadArgument without permission.
        """
        with translate_os_errors(f"folder {folder}"):
            self._folder.mkdir(mode=_OWNER_ONLY, exist_ok=True)
            self._folder.chmod(_OWNER_ONLY)
            with self._folders:
                make_folder(folder.parent)
                folder.mkdir(exist_ok=True)
            folder.chmod(_FOR_EVERYBODY)
            for name, text in files.items():
                path = folder / segment(name)
                _remove(path)
                with path.open("x", encoding="utf-8") as file:  # which follows no link
                    file.write(text)
                path.chmod(0o644)

    def all(self) -> list[SinkFolder]:
        """Yield every container's folder."""
        found = []
        for path in sorted(self._folder.glob("*/*/*/*/")):
            endpoint, deployment, generation, _ = path.parts[-4:]
            if generation.isdecimal() and not path.is_symlink():
                found.append(SinkFolder(path, endpoint, deployment, int(generation)))
        return found

    def generations(self) -> list[Path]:
        """Yield the folder of every generation."""
        return sorted(self._folder.glob("*/*/*/"))

    def take(self, folder: SinkFolder) -> Iterator[bytes]:
        """Yield the contents of the container's files in their order; each is removed once it was taken."""
        with contextlib.suppress(OSError):  # a script may have taken the right to look away
            for path in sorted(path for path in folder.path.iterdir() if path.name.endswith(".jsonl")):
                content = _read(path)
                if content is not None:
                    yield content
                _remove(path)

    def remove(self, endpoint_name: str, deployment_name: str, generation: int) -> None:
        """Remove the folders of a generation."""
        folder = self.of_generation(endpoint_name, deployment_name, generation)
        remove_tree(folder, ignore_errors=True)
        with self._folders:
            for above in (folder.parent, folder.parent.parent):
                with contextlib.suppress(OSError):  # others are still there
                    above.rmdir()


def _read(path: Path) -> bytes | None:
    """Return the content of a regular file, None for anything else or a file that is too long."""
    try:
        handle = os.open(path, _READ)
    except OSError:
        return None
    facts = os.fstat(handle)
    if not stat.S_ISREG(facts.st_mode) or facts.st_size > _LONGEST_FILE:
        os.close(handle)
        return None
    with os.fdopen(handle, "rb") as file:
        return file.read(_LONGEST_FILE)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:  # a folder, which only a script can have made
        remove_tree(path, ignore_errors=True)
