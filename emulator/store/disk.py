"""Read and write JSON documents, and make and remove folders, so that neither a crash nor a power cut breaks them."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emulator.errors import damaged_document
from emulator.store.privacy import OWNER_FOLDER
from emulator.system.files import replace_json, sync_folder
from emulator.system.removal import remove_tree

# Do not block on a fifo in a document's place.
_READ = os.O_RDONLY | sum(getattr(os, flag, 0) for flag in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
_LARGEST_DOCUMENT = 512 << 20


def write_document(path: Path, document: Mapping[str, Any]) -> None:
    """Replace the JSON file at `path` as a whole, and make its folder where there is none.

    Only its owner can read it.
    """
    make_folder(path.parent)
    replace_json(path, document)


def read_document(path: Path) -> dict[str, Any] | None:
    """Return the JSON object at `path`, None if it does not exist; raise DamagedDocument for an unreadable one."""
    found = read_file(str(path))
    return parsed_document(found[0], str(path)) if found else None


def read_file(path: str) -> tuple[bytes, os.stat_result] | None:
    """Return content and status of the file at `path`, None if it does not exist.

    Raises DamagedDocument for a broken link, and for anything that is not a readable regular file.
    """
    try:
        handle = os.open(path, _READ)
    except (FileNotFoundError, NotADirectoryError) as error:
        if os.path.islink(path):  # noqa: PTH114 - a path that is a text
            raise damaged_document(path, "it is a link that leads nowhere") from error
        return None
    except OSError as error:
        raise damaged_document(path, error.strerror or str(error)) from error
    try:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            is_folder = stat.S_ISDIR(facts.st_mode)
            raise damaged_document(path, "a folder is in its place" if is_folder else "it is not a regular file")
        if facts.st_size > _LARGEST_DOCUMENT:
            raise damaged_document(path, f"it has {facts.st_size} bytes")
        with open(handle, "rb", closefd=False) as file:
            return file.read(), facts
    except OSError as error:
        raise damaged_document(path, error.strerror or str(error)) from error
    finally:
        os.close(handle)


def parsed_document(text: bytes, path: str) -> dict[str, Any]:
    """Parse the JSON object of the file at `path`; raise DamagedDocument for anything else."""
    try:
        document = json.loads(text, parse_constant=_refuse)
        if not isinstance(document, dict):
            raise ValueError("it holds no object")
        return document
    except ValueError as error:
        raise damaged_document(path, str(error) if text else "it is empty") from error
    except RecursionError as error:
        raise damaged_document(path, "it is nested too deeply") from error


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not valid JSON")


def remove_whole(path: Path) -> None:
    """Remove a file, a link or a whole folder; what cannot be removed stays."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        if not path.is_dir() or path.is_symlink():
            raise
        remove_tree(path, ignore_errors=True)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, accessible to the owner only, and sync them to the disk."""
    if not folder.is_dir():
        make_folder(folder.parent)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=OWNER_FOLDER)
            folder.chmod(OWNER_FOLDER)  # whatever the umask takes away
        sync_folder(folder.parent)
