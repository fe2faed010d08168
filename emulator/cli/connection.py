"""Connecting to the emulator that a command uses, and starting it in the background."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from emulator import __version__
from emulator.cli.output import say
from emulator.cli.progress import UploadBar
from emulator.client.client import Client
from emulator.config import (
    Settings,
    for_this_machine,
    not_in_force,
    read_settings,
    to_environ,
    unknown_variables,
)
from emulator.config.admin_token import is_loopback, read_admin_token
from emulator.config.home_lock import read_holder
from emulator.errors import AuthenticationFailed, AuthorizationFailed, BadArgument, EmulatorError, EngineUnavailable
from emulator.system.child_environment import EMULATOR, child_environment

_START_SECONDS = 60.0
_LOG_NAME = "server.log"


def current_settings(flags: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings of this shell and folder; warn of unknown variables."""
    settings = read_settings(os.environ, Path.cwd(), flags)
    for name in unknown_variables(os.environ):
        say(f"{name} means nothing to amlemu: `amlemu config` lists what does", dim=True)
    return settings


def connect(settings: Settings | None = None) -> Client:
    """Connect to the running emulator; EngineUnavailable when none answers."""
    settings = settings or current_settings()
    address = address_of(settings) or _address_of_new_emulator(settings)
    client = Client(address.url, address.token, sends_files=bool(settings.url), on_bytes=UploadBar())
    _check_home(_describe_emulator(client), settings)
    return client


def connect_or_start(settings: Settings | None = None) -> Client:
    """Connect to the running emulator; start one in the background if none runs and AMLEMU_URL names none."""
    settings = settings or current_settings()
    try:
        return connect(settings)
    except EngineUnavailable:
        if settings.url:
            raise
    start_in_background(settings)
    return connect(settings)


def running_client() -> Client | None:
    """Return a client of the running emulator, without starting, asking or printing anything."""
    address = address_of(read_settings(os.environ, Path.cwd()))
    return None if address is None else Client(address.url, address.token)


def description_of_running(settings: Settings) -> dict[str, Any] | None:
    """Return the description of the emulator that commands here use; None when none answers."""
    address = address_of(settings)
    if address is None:
        return None
    try:
        with Client(address.url, address.token) as client:
            return _describe_emulator(client)
    except EmulatorError:
        return None


def ensure_running(settings: Settings, program: Sequence[str] = ("emulator", "up")) -> tuple[dict[str, Any], bool]:
    """Start this home's emulator unless it runs; return its description, and whether it was started.

    Raises BadArgument if it runs already with other settings.
    """
    settings = for_this_machine(settings)
    if (read_holder(settings.home) or {}).get("url") is None:
        return start_in_background(settings, program), True
    address = address_of(settings)
    if address is None:  # it has ended meanwhile
        return start_in_background(settings, program), True
    with Client(address.url, address.token) as client:
        description = _describe_emulator(client)
    missing = not_in_force(settings, description.get("settings", {}))
    if missing:
        raise BadArgument(
            f"an emulator runs on this home already, with other settings: {'; '.join(missing)}",
            target=f"home {settings.home}",
            hint="`amlemu down`, then `amlemu up` again: what is deployed comes back",
        )
    return description, False


@dataclass(frozen=True)
class Address:
    """The URL of an emulator, and the token to send there."""

    url: str
    token: str = field(default="", repr=False)


def address_of(settings: Settings) -> Address | None:
    """Return the emulator that the settings name, else the one of their home; None when none serves that home.

    The home's token is sent only to the URL that the holder of the home's lock has written down.  Raises BadArgument
    for a damaged token.
    """
    own = (read_holder(settings.home) or {}).get("url")
    if settings.url and not (own and _is_same_place(settings.url, str(own))):
        return Address(settings.url, settings.token)
    if not own:
        return None
    return Address(settings.url or str(own), settings.token or read_admin_token(settings.home))


def _address_of_new_emulator(settings: Settings) -> Address:
    """Return the emulator of a home that no emulator served a moment ago.

    Whatever listens on its port is asked what it is, without a token.  Raises EngineUnavailable if nothing does.
    """
    if settings.port == 0:
        raise EngineUnavailable(f"no emulator runs in {settings.home}", hint="`amlemu up --detach` starts one")
    with Client(settings.control_url) as client, suppress(AuthenticationFailed):
        _describe_emulator(client)
    address = address_of(settings)
    if address is None:
        raise _wrong_home_error(settings)
    return address


def _is_same_place(one: str, other: str) -> bool:
    """Return whether both URLs are the same port of this machine."""
    try:
        places = [(urlsplit(url).hostname or "", urlsplit(url).port) for url in (one, other)]
    except ValueError:
        return False
    return places[0][1] == places[1][1] and all(is_loopback(host) for host, _ in places)


def _describe_emulator(client: Client) -> dict[str, Any]:
    """Return the emulator's description; BadArgument when another program answers there."""
    try:
        description = client.describe()
        if "workspace_id" in description:
            return description
        why: Exception | None = None
    except (AuthenticationFailed, AuthorizationFailed, EngineUnavailable):
        raise
    except (EmulatorError, ValueError) as error:  # ValueError: the response is not JSON
        why = error
    raise BadArgument(
        f"the program that listens at {client.url} is not an emulator",
        target=client.url,
        hint="AMLEMU_PORT chooses another port for the emulator, AMLEMU_URL names one that runs elsewhere",
    ) from why


def _check_home(description: Mapping[str, Any], settings: Settings) -> None:
    """Raise if the emulator on our port belongs to another home; warn of another version or other settings."""
    if not settings.url and description.get("home") != str(settings.home):
        raise _wrong_home_error(settings)
    if description.get("version") != __version__:
        say(f"the running emulator is version {description.get('version')}, this is {__version__}: "
            "`amlemu down`, then `amlemu up`")  # fmt: skip
    for difference in not_in_force(settings, description.get("settings", {})):
        say(f"not in force: {difference}; `amlemu down`, then `amlemu up`")


def _wrong_home_error(settings: Settings) -> EmulatorError:
    return BadArgument(
        f"the emulator on port {settings.port} belongs to another home, and none runs in {settings.home}",
        target=f"port {settings.port}",
        hint="AMLEMU_PORT=0 gives this one free ports, AMLEMU_PORT=19080 those; its home remembers them",
    )


def start_in_background(settings: Settings, program: Sequence[str] = ("emulator", "up")) -> dict[str, Any]:
    """Start the emulator so that it survives this terminal; return its description once it serves.

    `program` is the module to run, with its arguments.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    log = settings.home / _LOG_NAME
    say(f"starting the emulator in the background (log: {log})", dim=True)
    position = log.stat().st_size if log.exists() else 0
    with log.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *program],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=child_environment(EMULATOR, os.environ, **to_environ(settings)),
            cwd=settings.home,
            start_new_session=True,
        )
    description = _await_start(process, settings, log, position)
    process.returncode = 0  # detached; else Python warns that it still runs
    return description


def _await_start(process: subprocess.Popen[bytes], settings: Settings, log: Path, position: int) -> dict[str, Any]:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        # Another process may have locked the home first; its emulator serves soon.
        ended = process.poll() is not None and read_holder(settings.home) is None
        try:
            if address := address_of(settings):
                with Client(address.url, address.token) as client:
                    description = client.describe(timeout_seconds=2.0)
                if description.get("home") == str(settings.home):
                    return description
        except EmulatorError:
            pass  # not yet
        if ended:
            raise _start_failure(log, position)
        time.sleep(0.03)
    raise EmulatorError(f"the emulator did not start within {_START_SECONDS:.0f} s", hint=f"see {log}")


def _start_failure(log: Path, position: int) -> EmulatorError:
    with log.open("rb") as file:
        file.seek(position)
        lines = file.read().decode("utf-8", "replace").strip().splitlines()
    return EngineUnavailable("the emulator could not start", log_tail="\n".join(lines[-20:]), hint="`amlemu doctor`")
