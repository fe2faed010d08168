"""The files of a model as they lie in its own folder, whether they are stored already or still the user's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from emulator.errors import BadArgument
from emulator.store.reach import Reach


@dataclass(frozen=True)
class ModelFolder:
    """`files` by their path below the registered folder, with '/'; of a model that is one file, that file alone.

    They are read as far as `reach` goes.
    """

    files: Mapping[str, Path] = field(repr=False)
    reach: Reach

    def read(self, name: str) -> str:
        """The UTF-8 text of a file; BadArgument, with the name that it has in the model, when it cannot be read."""
        path = self.files.get(name)
        if path is None:
            raise BadArgument(f"the file '{name}' is not in the model's folder")
        return self.reach.read(path, shown=name)


def below(folder: str, path: str) -> str:
    """`path` without the folder's name in front, with which every file of a model begins."""
    return path.removeprefix(f"{folder}/")
