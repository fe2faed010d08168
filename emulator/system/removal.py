"""Remove folder trees that a script may have filled, whatever it left in them.

Not shutil.rmtree: that goes down by calling itself, and stops at a folder whose permissions were taken away.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

_OPEN = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


def remove_tree(path: Path, *, ignore_errors: bool = False) -> None:
    """Remove a folder with all that is in it, or a file; nothing when there is none.

    Folders may be as deep as they like, and without permissions; no link is followed.  What cannot be removed is left,
    with what lies above it; OSError, unless told otherwise, says of the first why.
    """
    try:
        _remove(path)
    except FileNotFoundError:
        return
    except OSError:
        if not ignore_errors:
            raise


@contextlib.contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """Provide a new folder among the temporary files, which goes with the context."""
    path = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield path
    finally:
        remove_tree(path, ignore_errors=True)


def _remove(path: Path) -> None:
    if not stat.S_ISDIR(path.lstat().st_mode):
        path.unlink()
    elif os.open in os.supports_dir_fd:
        _Removal(path).run()
        path.rmdir()
    else:
        shutil.rmtree(path)


class _Removal:
    """Empties the folder `top`.

    A subfolder of a subfolder is moved up to `top` before its own content is looked at.  So nothing is ever deeper than
    two folders, no path gets long, and two descriptors are open however deep the tree was.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._top = -1
        self._prefix, self._moved = secrets.token_hex(8), 0
        self._stuck: dict[str, OSError] = {}

    def run(self) -> None:
        """Remove what can be; OSError for the first thing that cannot."""
        self._top = _opened(os.fspath(self._path), None)
        try:
            while self._pass():
                pass
        finally:
            os.close(self._top)
        for error in self._stuck.values():
            raise error

    def _pass(self) -> bool:
        """Remove the files and the subfolders of `top`; whether their subfolders have come up meanwhile."""
        moved = self._moved
        with os.scandir(self._top) as found:
            entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]
        for name, is_folder in entries:
            if name in self._stuck:
                continue
            try:
                self._remove_folder(name) if is_folder else os.unlink(name, dir_fd=self._top)
            except FileNotFoundError:
                continue
            except OSError as error:
                self._stuck[name] = error
        return self._moved > moved

    def _remove_folder(self, name: str) -> None:
        """Empty a subfolder of `top` into it, and remove it."""
        folder = _opened(name, self._top)
        try:
            with os.scandir(folder) as found:
                entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]
            for inner, is_folder in entries:
                if is_folder:
                    self._move_up(inner, folder)
                else:
                    os.unlink(inner, dir_fd=folder)
        finally:
            os.close(folder)
        os.rmdir(name, dir_fd=self._top)

    def _move_up(self, name: str, folder: int) -> None:
        with contextlib.suppress(OSError):
            os.rmdir(name, dir_fd=folder)
            return
        _permit(name, folder)  # who moves a folder changes what it says of the one above
        os.rename(name, f"{self._prefix}{self._moved}", src_dir_fd=folder, dst_dir_fd=self._top)
        self._moved += 1


def _opened(name: str, above: int | None) -> int:
    """Return the folder, with the right to change what is in it."""
    try:
        folder = os.open(name, _OPEN, dir_fd=above)
    except PermissionError:
        _permit(name, above)
        folder = os.open(name, _OPEN, dir_fd=above)
    with contextlib.suppress(PermissionError):
        os.fchmod(folder, stat.S_IRWXU)
    return folder


def _permit(name: str, above: int | None) -> None:
    """Give back the rights that were taken from a folder of our own; by its name, as it cannot be opened without."""
    with contextlib.suppress(PermissionError):
        if stat.S_ISDIR(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode):
            os.chmod(name, stat.S_IRWXU, dir_fd=above)
