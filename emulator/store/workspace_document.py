"""`workspace.json`: which workspace a home is, and how its documents are laid out."""

from __future__ import annotations

import secrets
from pathlib import Path

from emulator.errors import BadArgument, EmulatorError
from emulator.store.disk import read_document, write_document

FORMAT = 1
"""How this version lays a home out.  It counts up when an older amlemu could not read what a newer one writes."""

_FILE = "workspace.json"


def workspace_id(home: Path) -> str:
    """The random id of the workspace in `home`, drawn the first time.

    Raises BadArgument for a home that a newer amlemu has made: nothing of it is touched.
    """
    path = home / _FILE
    document = read_document(path)
    if document is None:
        document = {"id": secrets.token_hex(6), "format": FORMAT}
        write_document(path, document)
    _check_format(document.get("format", 1), home)  # before there was a number, it was 1
    if not isinstance(document.get("id"), str):
        raise EmulatorError(f"'{path}' is damaged: it names no id", hint="remove this file")
    return str(document["id"])


def _check_format(found: object, home: Path) -> None:
    if not isinstance(found, int) or found > FORMAT:
        raise BadArgument(
            f"this home was made by a newer amlemu: its format is {found}, and this version knows {FORMAT}",
            target=f"AMLEMU_HOME {home}",
            hint="update amlemu, or let AMLEMU_HOME name another folder",
        )
