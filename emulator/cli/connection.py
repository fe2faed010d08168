"""The emulator that a command speaks to, started in the background when there is none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emulator import __version__
from emulator.admin_token import read_admin_token
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
    client = Client(_url(settings), _token(settings), sends_files=bool(settings.url), on_bytes=UploadBar())
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


def _url(settings: Settings) -> str:
    if settings.url:
        return settings.url
    holder = read_holder(settings.home) or {}
    return str(holder.get("url") or settings.control_url)


def _token(settings: Settings) -> str:
    """What opens it: the settings' token, or that of the home where it is this machine's own."""
    return settings.token or ("" if settings.url else read_admin_token(settings.home))


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
    home = description.get("home")
    if not settings.url and home != str(settings.home):
        raise EmulatorError(
            f"the emulator on port {settings.port} works in {home}, not in {settings.home}",
            hint="set AMLEMU_PORT (and AMLEMU_GATEWAY_PORT, AMLEMU_ENDPOINT_PORTS) for a second emulator",
        )
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
            with Client(_url(settings), _token(settings)) as client:
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
