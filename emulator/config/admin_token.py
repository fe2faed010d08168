"""The admin's token of a state folder, in a file that only its owner can read.

The emulator creates it at its first start; commands of the same user read it there.  AMLEMU_TOKEN overrides it.
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
    """Return the token of that home, '' when it has none yet; BadArgument if it is damaged or can be guessed."""
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
    """Return the token of that home, created when it has none; the caller must hold the home's lock.

    Raises BadArgument if it is damaged or cannot be written, OutOfQuota.
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
    """Return whether that host is reachable from this machine only.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def check_admin_token(token: str) -> None:
    """Raise BadArgument for a token that can be guessed, or that no header can carry."""
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
