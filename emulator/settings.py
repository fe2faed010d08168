"""Settings: flags over AMLEMU_* variables over amlemu.toml over the user's file over defaults, in one place."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from emulator.errors import BadArgument, BadDocument, Fault

PROJECT_FILE = "amlemu.toml"
ENGINES = ("auto", "docker", "process")


@dataclass(frozen=True)
class Settings:
    """What an emulator and its client are told.

    `home` is the state folder, `port` the control port, `gateway_port` the one shared by endpoints with a path,
    `endpoint_ports` the range of the others' own.  `bind_host` is where the endpoints listen, `public_host` the name in
    `scoring_uri` ('' for the one by which the caller came).  `url` names another emulator.
    """

    home: Path
    port: int = 18080
    gateway_port: int = 18081
    endpoint_ports: range = range(18100, 18200)
    bind_host: str = "127.0.0.1"
    public_host: str = ""
    engine: str = "auto"
    url: str = ""

    @property
    def control_url(self) -> str:
        """Where the control API answers."""
        return self.url or f"http://127.0.0.1:{self.port}"


_VARIABLES = {
    "home": "AMLEMU_HOME",
    "port": "AMLEMU_PORT",
    "gateway_port": "AMLEMU_GATEWAY_PORT",
    "endpoint_ports": "AMLEMU_ENDPOINT_PORTS",
    "bind_host": "AMLEMU_BIND_HOST",
    "public_host": "AMLEMU_PUBLIC_HOST",
    "engine": "AMLEMU_ENGINE",
    "url": "AMLEMU_URL",
}


def read_settings(environ: Mapping[str, str], folder: Path, flags: Mapping[str, Any] | None = None) -> Settings:
    """The settings for a command run in `folder`; BadArgument or BadDocument says which one is wrong and where.

    `flags` holds values of the command line by field name, None for those not given.
    """
    values: dict[str, Any] = {}
    for file in _files(environ, folder):
        values |= _read_file(file)
    for name, variable in _VARIABLES.items():
        if environ.get(variable):
            values[name] = _convert(name, environ[variable], variable)
    values |= {name: _convert(name, v, f"--{name}") for name, v in (flags or {}).items() if v is not None}
    home = values.pop("home", None) or _default_home(environ)
    return replace(Settings(home=Path(home).expanduser().absolute()), **values)


def _files(environ: Mapping[str, str], folder: Path) -> list[Path]:
    """The user's file, then the project's, found upward from `folder`."""
    user = Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "~")).expanduser() / ".config") / "amlemu"
    found = [path for path in (user / PROJECT_FILE,) if path.is_file()]
    project = next((up / PROJECT_FILE for up in (folder, *folder.parents) if (up / PROJECT_FILE).is_file()), None)
    return [*found, project] if project else found


def _default_home(environ: Mapping[str, str]) -> Path:
    from platformdirs import user_data_path

    return Path(environ["XDG_DATA_HOME"], "amlemu") if environ.get("XDG_DATA_HOME") else user_data_path("amlemu", False)


def _read_file(file: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadDocument(f"{file} is not valid TOML", faults=[Fault(str(error), str(file))]) from error
    known = [f.name for f in fields(Settings)]
    unknown = [Fault(f"unknown setting; known: {', '.join(known)}", str(file), key) for key in data if key not in known]
    if unknown:
        raise BadDocument(f"{file} has settings that amlemu does not know", faults=unknown)
    return {name: _convert(name, value, f"{file}: {name}") for name, value in data.items()}


def _convert(name: str, value: Any, where: str) -> Any:
    if name in ("port", "gateway_port"):
        return _port(value, where)
    if name == "endpoint_ports":
        return value if isinstance(value, range) else _ports(str(value), where)
    if name == "engine" and value not in ENGINES:
        raise BadArgument(f"{where}: '{value}' is no engine: {', '.join(ENGINES)}")
    return str(value)


def _port(value: Any, where: str) -> int:
    try:
        port = int(value)
    except (TypeError, ValueError):
        port = -1
    if not 1 <= port <= 65535:
        raise BadArgument(f"{where}: '{value}' is no port: a whole number from 1 to 65535")
    return port


def _ports(value: str, where: str) -> range:
    first, dash, last = value.partition("-")
    ports = range(_port(first, where), _port(last if dash else first, where) + 1)
    if not ports:
        raise BadArgument(f"{where}: '{value}' is no range of ports: as in 18100-18199")
    return ports
