"""Uploads from other machines: lists of files by digest, and the folders that they make up."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, FailFast, Field, model_validator

from emulator.entities.base import Entity, rule
from emulator.errors import BadArgument

MOST_FILES = 200_000
"""How many files a list of files may have."""
_LONGEST_NAME_BYTES = 255
# As of the name of a blob, which is where the cloud would keep the file.
_LONGEST_PATH = 1024
_MOST_SEGMENTS = 254
UPLOAD_PREFIX = "upload:"
"""With which a path begins that means an upload, not a file of the emulator's machine."""


def check_file_name(name: str) -> str:
    """Return `name` if it is valid for a file or folder on every supported system, else raise BadArgument."""
    encoded = name.encode("utf-8", "surrogatepass")
    if name in ("", ".", "..") or any(c in name for c in "/\\\0") or len(encoded) > _LONGEST_NAME_BYTES:
        raise BadArgument(f"'{name[:80]!r}' cannot be the name of a file")
    if encoded.decode("utf-8", "replace") != name:
        raise BadArgument(f"the name {name[:80]!r} is not UTF-8 text")
    return name


def check_upload_path(path: str) -> str:
    """Return `path` if it stays below its folder and is normalized, with '/', else raise BadArgument."""
    names = path.split("/")
    for name in names:
        check_file_name(name)
    if len(path) > _LONGEST_PATH:
        raise BadArgument(f"the path '{path[:80]}…' is longer than {_LONGEST_PATH} characters")
    if len(names) > _MOST_SEGMENTS:
        raise BadArgument(f"the path '{path[:80]}…' has {len(names)} segments, and may have {_MOST_SEGMENTS}")
    return path


def _check_count(items: Any) -> Any:
    """Before any of them is looked at."""
    if isinstance(items, list) and len(items) > MOST_FILES:
        raise ValueError(f"{len(items)} are more than {MOST_FILES}")
    return tuple(items) if isinstance(items, list) else items


T = TypeVar("T")
LongList = Annotated[tuple[T, ...], Field(max_length=MOST_FILES), FailFast(), BeforeValidator(_check_count)]
"""A list of up to MOST_FILES: it is counted before it is read, and only its first fault is told."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class UploadedFile(Entity):
    """A file of an upload: its path below the folder, its bytes, and whether it may be executed."""

    path: Annotated[str, rule(check_upload_path)]
    size: int = Field(ge=0)
    sha256: Sha256
    executable: bool = False


def _check_tree(files: tuple[UploadedFile, ...]) -> tuple[UploadedFile, ...]:
    """Raise ValueError for paths that collide, also on systems that ignore case or Unicode spelling."""
    paths: dict[str, str] = {}
    for file in files:
        folded = _folded(file.path)
        if folded in paths:
            raise ValueError(_twice(paths[folded], file.path))
        paths[folded] = file.path
    folders: set[str] = set()
    for path in paths:
        above = path.rpartition("/")[0]
        while above and above not in folders:
            if above in paths:
                raise ValueError(f"'{paths[above]}' is a file and a folder")
            folders.add(above)
            above = above.rpartition("/")[0]
    return files


def _twice(one: str, other: str) -> str:
    if one == other:
        return f"the path '{one}' is there twice"
    return f"'{one}' and '{other}' are one name on some systems: they are spelled apart in case or Unicode form only"


def _folded(path: str) -> str:
    return path if path.isascii() and path.islower() else unicodedata.normalize("NFC", path).casefold()


class Upload(Entity):
    """What a client has sent: a folder of that name, or one file whose path is the name.

    `as_copies` makes it of files that stand for themselves, for a build context; else they are links to what is stored.
    """

    name: Annotated[str, rule(check_file_name)]
    is_folder: bool = True
    as_copies: bool = False
    files: Annotated[LongList[UploadedFile], AfterValidator(_check_tree)]

    @model_validator(mode="after")
    def _whole(self) -> Upload:
        if not self.files:
            raise ValueError("an upload has at least one file")
        if not self.is_folder and [file.path for file in self.files] != [self.name]:
            raise ValueError(f"an upload that is not a folder has one file, and its path is the name '{self.name}'")
        return self

    @property
    def size(self) -> int:
        """Return the size of all files."""
        return sum(file.size for file in self.files)

    @property
    def copied_bytes(self) -> int:
        """Return the size of the files that must be copies."""
        return sum(file.size for file in self.files if self.is_copied(file))

    def is_copied(self, file: UploadedFile) -> bool:
        """Return whether that file must be a copy, not a link to a shared content."""
        return self.as_copies or file.executable
