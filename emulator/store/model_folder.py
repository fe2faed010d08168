"""The files of a model by their path in its folder, stored or still the user's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from emulator.errors import BadArgument
from emulator.store.reach import Reach


@dataclass(frozen=True)
class ModelFolder:
    """`files` by their path below the registered folder, with '/'; a model may be one file.

    Reads are limited by `reach`.
    """

    files: Mapping[str, Path] = field(repr=False)
    reach: Reach

    def read(self, name: str) -> str:
        """Return the UTF-8 text of a file; raise BadArgument, with its name in the model, if it cannot be read."""
        path = self.files.get(name)
        if path is None:
            raise BadArgument(f"the file '{name}' is not in the model's folder")
        return self.reach.read(path, shown=name)


def below(folder: str, path: str) -> str:
    """Return `path` without the folder's name, with which every file of a model begins."""
    return path.removeprefix(f"{folder}/")
