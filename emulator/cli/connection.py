"""The emulator that a command speaks to, started in the background when there is none."""

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
from emulator.cli.upload_bar import UploadBar
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
    """The settings of this shell and folder."""
    settings = read_settings(os.environ, Path.cwd(), flags)
    for name in unknown_variables(os.environ):
        say(f"{name} means nothing to amlemu: `amlemu config` lists what does", dim=True)
    return settings


def connect(settings: Settings | None = None) -> Client:
    """The running emulator; EngineUnavailable when none answers."""
    settings = settings or current_settings()
    address = address_of(settings) or _address_of_newcomer(settings)
    client = Client(address.url, address.token, sends_files=bool(settings.url), on_bytes=UploadBar())
    _check_same(_describe(client), settings)
    return client


def connect_or_start(settings: Settings | None = None) -> Client:
    """The running emulator, started in the background when none runs and none is named by AMLEMU_URL."""
    settings = settings or current_settings()
    try:
        return connect(settings)
    except EngineUnavailable:
        if settings.url:
            raise
    start_in_background(settings)
    return connect(settings)


def running_client() -> Client | None:
    """The emulator of this shell's settings where one says that it runs; nothing is started, asked or told."""
    address = address_of(read_settings(os.environ, Path.cwd()))
    return None if address is None else Client(address.url, address.token)


def description_of_running(settings: Settings) -> dict[str, Any] | None:
    """What the emulator that commands here speak to says of itself; None where none answers."""
    address = address_of(settings)
    if address is None:
        return None
    try:
        with Client(address.url, address.token) as client:
            return _describe(client)
    except EmulatorError:
        return None


def start_or_refuse(settings: Settings, program: Sequence[str] = ("emulator", "up")) -> tuple[dict[str, Any], bool]:
    """What this home's emulator says of itself, and whether it has just been started for that.

    Raises BadArgument where one runs already without what the settings ask for.
    """
    settings = for_this_machine(settings)
    if (read_holder(settings.home) or {}).get("url") is None:
        return start_in_background(settings, program), True
    address = address_of(settings)
    if address is None:  # it has ended meanwhile
        return start_in_background(settings, program), True
    with Client(address.url, address.token) as client:
        description = _describe(client)
    missing = not_in_force(settings, description.get("settings", {}))
    if missing:
        raise BadArgument(
            f"an emulator runs on this home already, without what is asked for: {'; '.join(missing)}",
            target=f"home {settings.home}",
            hint="`amlemu down`, then `amlemu up` again: what is deployed comes back",
        )
    return description, False


@dataclass(frozen=True)
class Address:
    """Where an emulator is, and what opens it."""

    url: str
    token: str = field(default="", repr=False)


def address_of(settings: Settings) -> Address | None:
    """The emulator that the settings name, else the one of their home; None when no emulator serves that.

    The token of a home is for the emulator that holds it and has said where it listens.  Raises BadArgument for a token
    that is damaged.
    """
    own = (read_holder(settings.home) or {}).get("url")
    if settings.url and not (own and _is_same_place(settings.url, str(own))):
        return Address(settings.url, settings.token)
    if not own:
        return None
    return Address(settings.url or str(own), settings.token or read_admin_token(settings.home))


def _address_of_newcomer(settings: Settings) -> Address:
    """The emulator of a home that none served a moment ago.

    Whatever sits on its port meanwhile is asked what it is, and told nothing.  Raises EngineUnavailable when that is
    nothing.
    """
    if settings.port == 0:
        raise EngineUnavailable(f"no emulator works in {settings.home}", hint="`amlemu up --detach` starts one")
    with Client(settings.control_url) as client, suppress(AuthenticationFailed):
        _describe(client)
    address = address_of(settings)
    if address is None:
        raise _another_home(settings)
    return address


def _is_same_place(one: str, other: str) -> bool:
    """Whether both are the same port of this machine."""
    try:
        places = [(urlsplit(url).hostname or "", urlsplit(url).port) for url in (one, other)]
    except ValueError:
        return False
    return places[0][1] == places[1][1] and all(is_loopback(host) for host, _ in places)


def _describe(client: Client) -> dict[str, Any]:
    """What the server says of itself; BadArgument when what answers there is something else."""
    try:
        description = client.describe()
        if "workspace_id" in description:
            return description
        why: Exception | None = None
    except (AuthenticationFailed, AuthorizationFailed, EngineUnavailable):
        raise
    except (EmulatorError, ValueError) as error:  # ValueError: an answer that is no JSON
        why = error
    raise BadArgument(
        f"what listens at {client.url} is no amlemu",
        target=client.url,
        hint="AMLEMU_PORT chooses another port for the emulator, AMLEMU_URL names one that runs elsewhere",
    ) from why


def _check_same(description: Mapping[str, Any], settings: Settings) -> None:
    """Refuse to speak to the emulator of another home, which may listen on our port."""
    if not settings.url and description.get("home") != str(settings.home):
        raise _another_home(settings)
    if description.get("version") != __version__:
        say(f"the running emulator is version {description.get('version')}, this is {__version__}: "
            "`amlemu down`, then `amlemu up`")  # fmt: skip
    for difference in not_in_force(settings, description.get("settings", {})):
        say(f"not in force: {difference}; `amlemu down`, then `amlemu up`")


def _another_home(settings: Settings) -> EmulatorError:
    return BadArgument(
        f"the emulator on port {settings.port} is another home's, and none works in {settings.home}",
        target=f"port {settings.port}",
        hint="AMLEMU_PORT=0 gives this one free ports, AMLEMU_PORT=19080 those; its home remembers them",
    )


def start_in_background(settings: Settings, program: Sequence[str] = ("emulator", "up")) -> dict[str, Any]:
    """Start the emulator so that it survives this terminal; return what it says of itself once it serves.

    `program` is a module, and its words, that becomes the emulator.
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
    description = _wait(process, settings, log, position)
    process.returncode = 0  # let go of: else Python warns that it still runs
    return description


def _wait(process: subprocess.Popen[bytes], settings: Settings, log: Path, position: int) -> dict[str, Any]:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        # Another one may have been quicker; it has the home, and serves soon.
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
