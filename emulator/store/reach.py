"""Check file names in documents, and read the files that pass: the only place for both.

A document of the emulator's own user may name any file of that user.  An uploaded one may name only files of its
upload, and a stored one only files stored with it, wherever links lead.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from emulator.errors import BadArgument
from emulator.system.files import translate_os_errors

MOST_TEXT_BYTES = 8 << 20
_ROOTS = "what was sent or kept with the document that names it"
# A link is followed when the name is compared, never when the file is opened; a fifo is not waited for.
_READ = os.O_RDONLY | sum(getattr(os, flag, 0) for flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
_ENTER = _READ | getattr(os, "O_DIRECTORY", 0)


@dataclass(frozen=True)
class Reach:
    """File names relative to `folder` that may not lead out of `root`.

    `root` is None for the user's own documents.  `contents` is the store's folder of contents, to which it makes links
    itself: only a link to a whole content may leave the root.  `what` names `root` in messages.
    """

    folder: Path
    root: Path | None = None
    contents: Path | None = None
    what: str = _ROOTS

    def find(self, name: str | Path) -> Path:
        """Return the path of `name` with all links resolved, existing or not.

        Raises BadArgument for a name that leads out of `root`, or that is not a path.
        """
        try:
            where = Path(self.folder, name)
            found = Path(os.path.realpath(where))
            if self.root is None or found.is_relative_to(root := os.path.realpath(self.root)):
                return found
            if self._is_own_link(where, root):
                return found
        except ValueError as error:  # a zero byte, or invalid text
            raise BadArgument(f"{str(name)[:200]!a} cannot be a path") from error
        raise BadArgument(
            f"'{self._shown(name)}' leads out of {self.what}", hint="put the file beside it, and name it from there"
        )

    def _is_own_link(self, where: Path, root: str) -> bool:
        """Return whether that is the store's own link in the root to a content."""
        folder = Path(os.path.realpath(where.parent))
        return where.name != ".." and folder.is_relative_to(root) and self._is_content(folder / where.name)

    def _is_content(self, link: Path) -> bool:
        if self.contents is None or not link.is_symlink():
            return False
        target = link.readlink()
        return target.parent.parent == self.contents and ".." not in target.parts and not target.is_symlink()

    def reaches(self, path: Path) -> bool:
        """Return whether `path` stays in the root."""
        try:
            self.find(path)
        except BadArgument:
            return False
        return True

    def check_link(self, link: Path) -> None:
        """Raise BadArgument for a link in the folder that leads out of `root`."""
        if self.root is not None and not self._is_content(link):
            self.find(link)

    def holds_file(self, name: str | Path) -> bool:
        """Return whether there is a file of that name; raise BadArgument when the name leads out."""
        path = self.find(name)
        with translate_os_errors():
            return path.is_file()

    def read(self, name: str | Path, what: str = "file", *, errors: str = "strict", shown: str = "") -> str:
        """Return the UTF-8 text of a file; raise BadArgument, which calls it a `what`, if it cannot be read.

        Messages show none of its content, and call the file `shown`, '' for its name.
        """
        shown = shown or self._shown(name)
        with self.opened(name, what, shown=shown) as file:
            data = file.read(MOST_TEXT_BYTES + 1)
        if len(data) > MOST_TEXT_BYTES:
            raise BadArgument(f"the {what} '{shown}' is larger than {MOST_TEXT_BYTES >> 20} MiB")
        try:
            return data.decode("utf-8-sig", errors)
        except UnicodeDecodeError as error:
            raise BadArgument(f"the {what} '{shown}' is not UTF-8 text (byte {error.start})") from error

    @contextmanager
    def opened(self, name: str | Path, what: str = "file", *, shown: str = "") -> Iterator[IO[bytes]]:
        """Open the file of that name, the very one that was checked; raise BadArgument as `read`."""
        path, shown = self.find(name), shown or self._shown(name)
        try:
            handle = self._open(path)
        except (FileNotFoundError, NotADirectoryError):
            raise BadArgument(f"the {what} '{shown}' does not exist") from None
        except PermissionError:
            raise BadArgument(f"the {what} '{shown}' may not be read") from None
        except OSError as error:
            raise BadArgument(f"the {what} '{shown}' cannot be read: {error.strerror}") from None
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise BadArgument(f"the {what} '{shown}' does not exist as a file")
        with os.fdopen(handle, "rb") as file:
            yield file

    def _open(self, path: Path) -> int:
        base = self._base_of(path)
        if base is None or os.open not in os.supports_dir_fd:
            return os.open(path, _READ)
        # Folder by folder: none of them can have become a link since.
        *folders, name = path.relative_to(base).parts or (".",)
        here = os.open(base, _ENTER)
        try:
            for folder in folders:
                above, here = here, os.open(folder, _ENTER, dir_fd=here)
                os.close(above)
            return os.open(name, _READ, dir_fd=here)
        finally:
            os.close(here)

    def _base_of(self, path: Path) -> Path | None:
        bases = () if self.root is None else (self.root, self.contents)
        found = (Path(os.path.realpath(base)) for base in bases if base is not None)
        return next((base for base in found if path.is_relative_to(base)), None)

    def _shown(self, name: str | Path) -> str:
        """Return the name as the document has it, or the full path in the user's own documents."""
        where = Path(self.folder, name)
        if self.root is None:
            return str(where)
        return where.relative_to(self.folder).as_posix() if where.is_relative_to(self.folder) else str(name)


def context_reach(folder: Path) -> Reach:
    """Return the reach of names in a build context: as for Docker, only its own files, whoever its owner is."""
    return Reach(folder, folder, what="the build context")
