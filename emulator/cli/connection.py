"""The emulator that a command speaks to, started in the background when there is none."""

from __future__ import annotations

import json
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
from emulator.admin_token import is_loopback, read_admin_token
from emulator.child_environment import EMULATOR, child_environment
from emulator.cli.output import say
from emulator.cli.upload_bar import UploadBar
from emulator.client import Client
from emulator.errors import AuthenticationFailed, AuthorizationFailed, BadArgument, EmulatorError, EngineUnavailable
from emulator.lock import read_holder
from emulator.settings import ASSUMED_VARIABLE, CURATED_VARIABLE, Settings, read_settings

_START_SECONDS = 60.0
_LOG_NAME = "server.log"


def current_settings(flags: Mapping[str, Any] | None = None) -> Settings:
    """The settings of this shell and folder."""
    return read_settings(os.environ, Path.cwd(), flags)


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
    chosen = {"base_images": settings.base_images, "platform": settings.platform}
    for name in [name for name, value in chosen.items() if value and description.get(name) != value]:
        say(f"the running emulator does not have the {name} of this folder: `amlemu down`, then `amlemu up`")
    if settings.assumed and description.get("assumed") != settings.assumed:
        say("the running emulator does not have the [assumed] settings of this folder: `amlemu down`, then `amlemu up`")
    if settings.curated_environments and description.get("curated_environments") != settings.curated_environments:
        say("the running emulator does not have the [curated_environments] settings of this folder:"
            " `amlemu down`, then `amlemu up`")  # fmt: skip


def _another_home(settings: Settings) -> EmulatorError:
    return EmulatorError(
        f"the emulator on port {settings.port} is another home's, and none works in {settings.home}",
        hint="set AMLEMU_PORT (and AMLEMU_GATEWAY_PORT, AMLEMU_ENDPOINT_PORTS) for a second emulator",
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
            env=child_environment(EMULATOR, os.environ, **_variables(settings)),
            cwd=settings.home,
            start_new_session=True,
        )
    description = _wait(process, settings, log, position)
    process.returncode = 0  # let go of: else Python warns that it still runs
    return description


def _variables(settings: Settings) -> dict[str, str]:
    ports = settings.endpoint_ports
    return {
        "AMLEMU_HOME": str(settings.home),
        "AMLEMU_PORT": str(settings.port),
        "AMLEMU_GATEWAY_PORT": str(settings.gateway_port),
        "AMLEMU_ENDPOINT_PORTS": f"{ports.start}-{ports.stop - 1}",
        "AMLEMU_BIND_HOST": settings.bind_host,
        "AMLEMU_TOKEN": settings.token,
        "AMLEMU_PUBLIC_HOST": settings.public_host,
        "AMLEMU_ENGINE": settings.engine,
        "AMLEMU_LIMITS": settings.limits,
        "AMLEMU_TRAFFIC_SEED": "" if settings.traffic_seed is None else str(settings.traffic_seed),
        ASSUMED_VARIABLE: json.dumps(settings.assumed) if settings.assumed else "",
        CURATED_VARIABLE: json.dumps(settings.curated_environments) if settings.curated_environments else "",
        "AMLEMU_AAD_KEYS": str(settings.aad_keys or ""),
        "AMLEMU_AAD_TENANT": settings.aad_tenant,
        "AMLEMU_BASE_IMAGES": json.dumps(settings.base_images) if settings.base_images else "",
        "AMLEMU_PLATFORM": settings.platform,
        "AMLEMU_NETWORK": settings.network,
        "AMLEMU_MAX_UPLOAD_BYTES": str(settings.max_upload_bytes),
    }


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
