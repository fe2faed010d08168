"""Small, safe steps on the disk: whole files by rename, and the system's errors translated."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from emulator.errors import BadArgument, EmulatorError, OutOfQuota, damaged_document
from emulator.store.privacy import OWNER_FILE, OWNER_FOLDER
from emulator.system.removal import remove_tree

# A fifo in a document's place is not waited for.
_READ = os.O_RDONLY | sum(getattr(os, flag, 0) for flag in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
_LARGEST_DOCUMENT = 512 << 20


@contextlib.contextmanager
def translated(target: str = "") -> Iterator[None]:
    """Turn what the operating system refuses into our errors: no room → OutOfQuota, no access → BadArgument."""
    try:
        yield
    except EmulatorError:
        raise
    except OSError as error:
        path = os.fsdecode(error.filename) if error.filename else ""
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            hint = "free some space, or `amlemu prune`; AMLEMU_HOME chooses another disk"
            raise OutOfQuota("there is no space left on the disk", target=target, hint=hint) from error
        if error.errno in (errno.EACCES, errno.EPERM):
            raise BadArgument(f"'{path}' may not be read or written", target=target) from error
        if error.errno == errno.ENOENT:
            raise BadArgument(f"'{path}' does not exist", target=target) from error
        if error.errno == errno.ENAMETOOLONG:
            raise BadArgument(f"the path '{path[:80]}…' is too long for the disk", target=target) from error
        if error.errno == errno.ELOOP:
            raise BadArgument(f"'{path}' is a link that leads in a circle", target=target) from error
        raise EmulatorError(f"{error.strerror or error} '{path}'", target=target) from error


def write_document(path: Path, document: Mapping[str, Any]) -> None:
    """Replace the JSON file at `path` as a whole: it is the old one or the new one, whatever happens.

    Only its owner can read it.
    """
    make_folder(path.parent)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(OWNER_FILE)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def read_document(path: Path) -> dict[str, Any] | None:
    """The JSON mapping at `path`, None when there is none; DamagedDocument when it cannot be read."""
    found = read_file(str(path))
    return parsed_document(found[0], str(path)) if found else None


def read_file(path: str) -> tuple[bytes, os.stat_result] | None:
    """What the document at `path` holds, and its facts; None when there is none.

    DamagedDocument for what is no plain file, may not be read, or is a link that leads nowhere.
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
            raise damaged_document(path, "a folder is in its place" if stat.S_ISDIR(facts.st_mode) else "it is no file")
        if facts.st_size > _LARGEST_DOCUMENT:
            raise damaged_document(path, f"it has {facts.st_size} bytes")
        with open(handle, "rb", closefd=False) as file:
            return file.read(), facts
    except OSError as error:
        raise damaged_document(path, error.strerror or str(error)) from error
    finally:
        os.close(handle)


def parsed_document(text: bytes, path: str) -> dict[str, Any]:
    """The JSON mapping that the file at `path` holds; DamagedDocument when it holds none."""
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
    raise ValueError(f"{constant} is no value of JSON")


def remove_whole(path: Path) -> None:
    """Remove what is there, a file, a link or a folder with all that is in it; what cannot be removed stays."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        if not path.is_dir() or path.is_symlink():
            raise
        remove_tree(path, ignore_errors=True)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, for their owner and so that they survive a power cut."""
    if not folder.is_dir():
        make_folder(folder.parent)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=OWNER_FOLDER)
            folder.chmod(OWNER_FOLDER)  # whatever the umask takes away
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut, where the system lets a folder be synced."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
