"""`workspace.json`: the id of a home's workspace, and the format of its documents."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Any

from emulator.errors import BadArgument, DamagedDocument, damaged_document
from emulator.store.disk import read_document, write_document

FORMAT = 1
"""How this version lays a home out.  It counts up when an older amlemu could not read what a newer one writes."""

_FILE = "workspace.json"
# It becomes part of the names of containers.
_ID = re.compile(r"[0-9a-f]{12}")


def workspace_id(home: Path) -> str:
    """Return the random id of the workspace in `home`, drawn the first time.

    Raises BadArgument for the home of a newer amlemu, and DamagedDocument; neither changes the home.
    """
    document = check_workspace(home)
    if document is None:
        document = {"id": secrets.token_hex(6), "format": FORMAT}
        write_document(home / _FILE, document)
    return str(document["id"])


def check_workspace(home: Path) -> dict[str, Any] | None:
    """Return the document of that home, None if it has none yet; raise as `workspace_id`."""
    path = home / _FILE
    try:
        document = read_document(path)
        if document is not None:
            _check_format(document.get("format", 1), home)  # before there was a number, it was 1
            if not isinstance(document.get("id"), str) or not _ID.fullmatch(document["id"]):
                raise damaged_document(str(path), "it names no id")
        return document
    except DamagedDocument as error:
        hint = (
            "put a copy of it back: with another id the emulator does not know its containers;"
            " `amlemu doctor --fix` moves it aside, and the next start draws a new id"
        )
        raise error.with_details(target=f"AMLEMU_HOME {home}", hint=hint) from error


def _check_format(found: object, home: Path) -> None:
    if not isinstance(found, int) or found > FORMAT:
        raise BadArgument(
            f"this home was made by a newer amlemu: its format is {found}, and this version knows {FORMAT}",
            target=f"AMLEMU_HOME {home}",
            hint="update amlemu, or let AMLEMU_HOME name another folder",
        )
