"""The admin's token of a state folder, in a file that only its owner can read.

The emulator takes it for its admin's, and commands of the same user find it there.  A token of the settings
(AMLEMU_TOKEN) goes before it.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
from collections.abc import Callable
from pathlib import Path

from emulator.errors import BadArgument

PREFIX = "amlemu_"
"""With which tokens begin, so that whoever looks for secrets in files and logs can know them."""

_FILE = "token.json"
_SHORTEST = 16


def read_admin_token(home: Path) -> str:
    """The token of that home, '' when it has none."""
    try:
        document = json.loads((home / _FILE).read_text(encoding="utf-8"))
        return str(document["token"])
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = f"remove {home / _FILE}; `amlemu up --make-token` makes another"
        raise BadArgument("the admin's token cannot be read", target=str(home), hint=hint) from error


def make_admin_token(home: Path, new_secret: Callable[[], str]) -> str:
    """Make the home's token and return it; '' when it has one already."""
    if read_admin_token(home):
        return ""
    home.mkdir(parents=True, exist_ok=True)
    token = PREFIX + new_secret()
    temporary = home / f".{_FILE}.{os.getpid()}"
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump({"token": token}, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(home / _FILE)
    return token


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def check_admin_token(token: str, bind_host: str) -> None:
    """Raise BadArgument for a token that can be guessed, or none where others can reach the emulator."""
    if not token and not is_loopback(bind_host):
        raise BadArgument(
            f"the emulator would listen at {bind_host}, where others can reach it, and has no token",
            hint="set AMLEMU_TOKEN, or let `amlemu up --make-token` make one",
        )
    if token and (len(token) < _SHORTEST or not token.isascii() or not token.isprintable() or " " in token):
        raise BadArgument(
            f"AMLEMU_TOKEN must have at least {_SHORTEST} characters, ASCII without spaces",
            hint="let `amlemu up --make-token` make one, or take the output of: openssl rand -hex 32",
        )
