"""The admin's token of a state folder, in a file that only its owner can read.

The emulator takes it for its admin's, and commands of the same user find it there.  A token of the settings
(AMLEMU_TOKEN) goes before it.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable
from pathlib import Path

from emulator.errors import BadArgument
from emulator.names import TOKEN_PREFIX

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
    from emulator.store.disk import write_document  # every command reads the token, few make one

    token = TOKEN_PREFIX + new_secret()
    write_document(home / _FILE, {"token": token}, secret=True)
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
