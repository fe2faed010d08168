"""How this program is called here, for commands that are printed to be copied."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

NAME = "amlemu"


def program(executable: str = sys.executable, search_path: str | None = None, folder: Path | None = None) -> str:
    """`amlemu` where the shell finds this very program by that name, else the path of it, else the module's way.

    `executable` is the Python that runs, `search_path` the shell's PATH (None for this one), `folder` where the command
    will be typed.
    """
    own = Path(executable).parent / NAME
    found = shutil.which(NAME, path=search_path)
    if found and own.exists() and os.path.realpath(found) == os.path.realpath(own):
        return NAME
    if not own.exists():
        return f"{shown_path(Path(executable), folder)} -m emulator"
    return shown_path(own, folder)


def shown_path(path: Path, folder: Path | None = None) -> str:
    """A path as it is typed in `folder` (None: the working folder): relative where it lies below."""
    here = folder or Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
