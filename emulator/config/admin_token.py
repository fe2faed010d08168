"""The admin's token of a state folder, in a file that only its owner can read.

The emulator makes it at its first start and takes it for its admin's; commands of the same user find it there.  A token
of the settings (AMLEMU_TOKEN) goes before it.
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
    """The token of that home, '' when it has none yet; BadArgument for one that is damaged or can be guessed."""
    path = home / _FILE
    try:
        token = json.loads(path.read_bytes())["token"]
        if not _is_good(token):
            raise ValueError("no token")
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        hint = f"end the emulator if it runs, remove {path}, and start it again: that makes another token"
        raise BadArgument("the admin's token cannot be read", target=f"AMLEMU_HOME {home}", hint=hint) from error
    return str(token)


def obtain_admin_token(home: Path, new_secret: Callable[[], str]) -> str:
    """The token of that home, made when it has none; for whoever holds the home's lock.

    Raises BadArgument for one that is damaged and where none can be written, OutOfQuota.
    """
    token = read_admin_token(home)
    if not token:
        from emulator.store.disk import write_document  # every command reads the token, few make one
        from emulator.system.files import translate_os_errors

        token = TOKEN_PREFIX + new_secret()
        with translate_os_errors(f"AMLEMU_HOME {home}"):
            write_document(home / _FILE, {"token": token})
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


def check_admin_token(token: str) -> None:
    """Raise BadArgument for a token of the settings that can be guessed, or that no header can carry."""
    if not _is_good(token):
        raise BadArgument(
            f"AMLEMU_TOKEN must have at least {_SHORTEST} characters, ASCII without spaces",
            hint="unset it, and the emulator makes one; or take the output of: openssl rand -hex 32",
        )


def _is_good(token: object) -> bool:
    return (
        isinstance(token, str)
        and len(token) >= _SHORTEST
        and token.isascii()
        and token.isprintable()
        and " " not in token
    )
