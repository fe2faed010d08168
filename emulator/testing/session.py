"""The session of one pytest process: a client of the run's emulator, and the factory of endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.cli.connection import address_of, connect
from emulator.client.client import Client
from emulator.config import Settings, read_settings
from emulator.testing.factory import EndpointFactory
from emulator.testing.run import Run


@dataclass(frozen=True)
class Emulator:
    """The emulator that the tests use.

    `url` is its control API, `client` a client of it, `engine` is `docker` or `process`, `environ` are the variables
    with which the command line uses it too.
    """

    url: str
    engine: str
    client: Client
    environ: Mapping[str, str]


@dataclass(frozen=True)
class Session:
    """The session of one pytest process; `settings` are those of the run's emulator."""

    settings: Settings
    emulator: Emulator
    endpoints: EndpointFactory


def wanted_settings(environ: Mapping[str, str], root: Path, run: Run, flags: Mapping[str, Any]) -> Settings:
    """Read the settings of this shell, of amlemu.toml in pytest's root folder and of the plug-in's options (`flags`).

    Another emulator is used only if it is named, not because of `amlemu login`, and the user's own home only if `flags`
    name it: tests must not touch what is deployed there.
    """
    if flags.get("url") or environ.get("AMLEMU_URL"):
        return read_settings(environ, root, flags)
    return read_settings({**environ, "AMLEMU_HOME": str(run.folder / "home")}, root, flags)


def open_session(run: Run, wanted: Settings, root: Path, *, keep: bool) -> Session:
    """Connect to the run's emulator, starting it if necessary; EngineUnavailable."""
    settings = run.obtain(wanted, keep=keep)
    client = connect(settings)
    described = client.describe()
    address = address_of(settings)
    environ = {"AMLEMU_URL": settings.url} if settings.url else {"AMLEMU_HOME": str(settings.home)}
    emulator = Emulator(client.url, str(described["engine"]), client, environ)
    return Session(
        settings, emulator, EndpointFactory(client, root, run.remember, frozenset({address.token if address else ""}))
    )
