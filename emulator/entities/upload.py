"""Files that come from another machine: their list, by digest, and the folder that they make up."""

from __future__ import annotations

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from emulator.entities.base import Entity, rule
from emulator.errors import BadArgument

_MOST_FILES = 200_000
_LONGEST_NAME_BYTES = 255
_LONGEST_PATH_BYTES = 4096
UPLOAD_PREFIX = "upload:"
"""With which a path begins that means an upload, not a file of the emulator's machine."""


def check_file_name(name: str) -> str:
    """`name` if a file or folder can have it on every system that an emulator runs on, else BadArgument."""
    encoded = name.encode("utf-8", "surrogatepass")
    if name in ("", ".", "..") or any(c in name for c in "/\\\0") or len(encoded) > _LONGEST_NAME_BYTES:
        raise BadArgument(f"'{name[:80]!r}' cannot be the name of a file")
    if encoded.decode("utf-8", "replace") != name:
        raise BadArgument(f"the name {name[:80]!r} is not UTF-8 text")
    return name


def check_upload_path(path: str) -> str:
    """`path` if it stays below its folder, in one spelling and with '/', else BadArgument."""
    for name in path.split("/"):
        check_file_name(name)
    if len(path.encode()) > _LONGEST_PATH_BYTES:
        raise BadArgument(f"the path '{path[:80]}…' is longer than {_LONGEST_PATH_BYTES} bytes")
    return path


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class UploadedFile(Entity):
    """A file of an upload: its path below the folder, its bytes, and whether it may be executed."""

    path: Annotated[str, rule(check_upload_path)]
    size: int = Field(ge=0)
    sha256: Sha256
    executable: bool = False


def _check_tree(files: tuple[UploadedFile, ...]) -> tuple[UploadedFile, ...]:
    if len({file.path for file in files}) != len(files):
        raise ValueError("a path is there twice")
    # On some systems, those of Macs among them, names in two spellings of Unicode are one.
    paths = {unicodedata.normalize("NFC", file.path) for file in files}
    if len(paths) != len(files):
        raise ValueError("a path is there twice, spelled in two ways")
    for path in paths:
        above = path.rpartition("/")[0]
        while above:
            if above in paths:
                raise ValueError(f"'{above}' is a file and a folder")
            above = above.rpartition("/")[0]
    return files


class Upload(Entity):
    """What a client has sent: a folder of that name, or one file whose path is the name.

    `as_copies` makes it of files that stand for themselves, for a build context; else they are links to what is stored.
    """

    name: Annotated[str, rule(check_file_name)]
    is_folder: bool = True
    as_copies: bool = False
    files: Annotated[tuple[UploadedFile, ...], AfterValidator(_check_tree)] = Field(max_length=_MOST_FILES)

    @field_validator("files")
    @classmethod
    def _some(cls, files: tuple[UploadedFile, ...]) -> tuple[UploadedFile, ...]:
        if not files:
            raise ValueError("an upload has at least one file")
        return files

    @property
    def size(self) -> int:
        """All of its bytes."""
        return sum(file.size for file in self.files)
