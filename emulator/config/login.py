"""The login: URL and token of an emulator on another machine, kept in a file that only its owner can read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from emulator.errors import BadDocument

_FILE = "login.json"


@dataclass(frozen=True)
class Login:
    """The URL that commands use, and the token that they send there."""

    url: str
    token: str = field(default="", repr=False)


def config_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of the user's own configuration."""
    home = Path(environ.get("HOME") or Path("~").expanduser())
    return Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "amlemu"


def read_login(environ: Mapping[str, str]) -> Login | None:
    """Read the login; None when there is none, BadDocument when it is damaged."""
    path = config_folder(environ) / _FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(document["url"], str) or not isinstance(document["token"], str):
            raise TypeError("url and token are texts")
        return Login(document["url"], document["token"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadDocument(f"{path} is damaged", hint="amlemu logout, then amlemu login URL") from error


def write_login(environ: Mapping[str, str], login: Login) -> Path:
    """Save the login, replacing an earlier one; return its file."""
    from emulator.store.disk import write_document  # every command reads a login, few write one

    path = config_folder(environ) / _FILE
    write_document(path, {"url": login.url, "token": login.token})
    return path


def remove_login(environ: Mapping[str, str]) -> bool:
    """Remove the login; return whether there was one."""
    path = config_folder(environ) / _FILE
    there = path.exists()
    path.unlink(missing_ok=True)
    return there
