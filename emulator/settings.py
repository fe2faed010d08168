"""Settings: flags over AMLEMU_* variables over amlemu.toml over the user's file over defaults, in one place.

What replaces assumed facts of the parity table, `[assumed.TARGET]`, is taken together from all of them, row by row;
what stands in for curated environments, `[curated_environments.NAME]`, likewise, name by name.
"""

from __future__ import annotations

import difflib
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.errors import BadArgument, BadDocument, Fault
from emulator.logins import config_folder, read_login

if TYPE_CHECKING:
    from emulator.environments import CuratedMisfit
    from emulator.profiles import Misfit

PROJECT_FILE = "amlemu.toml"
_EVERYWHERE = ("0.0.0.0", "::", "localhost")  # noqa: S104 - names of addresses, nothing is opened
ENGINES = ("auto", "docker", "process")
LIMITS = ("report", "cloud")
CONDA = ("auto", "channels", "pip")


@dataclass(frozen=True)
class Settings:
    """What an emulator and its client are told.

    `home` is the state folder, `port` the control port, `gateway_port` the one shared by endpoints with a path,
    `endpoint_ports` the range of the others' own.  `bind_host` is where the control API and the endpoints listen,
    `public_host` the name in `scoring_uri` ('' for the one by which the caller came).  `limits` is `cloud` to hold
    endpoints to the cloud's quotas, `report` to say only where they would have been; `traffic_seed` makes the choice of
    deployments repeatable.  `url` names another emulator; `token` is what opens it, and what this one wants of its
    admin ('' for the one that lies in the home).  `assumed` holds by target
    and row id what replaces assumed facts of the parity table, checked against it, as plain values of JSON.
    `curated_environments` holds by name what
    extends or replaces the curated environments that amlemu knows, checked, as plain values of JSON: python_version
    and packages (pip requirement lines).
    `aad_keys` is a file with
    the public keys (a JSON Web Key Set) that sign aad_tokens beside the emulator's own, `aad_tenant` the tenant that
    they must be of ('' for any).  `base_images` maps the names of images, or patterns of them, to those that stand for
    them; `platform` is what images are taken and built for ('' for the engine's own), such as linux/amd64.
    `network` is the network of Docker that an emulator in a container shares with its scoring containers ('' for one
    that runs in none).
    `conda` says where conda packages come from: their `channels`, PyPI (`pip`), or, with `auto`, PyPI where the
    channels cannot be reached.  `conda_channels` says by name where a channel is: a URL, or a folder as file:///path.
    `max_upload_bytes` is how much a client on another machine may send at a time.
    `container_memory` is how many bytes of memory a container gets whose deployment does not say (None: the machine's
    less a reserve), on Docker only; `container_pids` how many processes and threads a container may have;
    `container_disk` how many bytes it may write to the disk, on the process engine only (None: half of what is free, at
    least 10 GiB).  0 is no limit.
    """

    home: Path
    port: int = 18080
    gateway_port: int = 18081
    endpoint_ports: range = range(18100, 18200)
    bind_host: str = "127.0.0.1"
    public_host: str = ""
    engine: str = "auto"
    limits: str = "report"
    traffic_seed: int | None = None
    url: str = ""
    token: str = field(default="", repr=False)
    assumed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    curated_environments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    aad_keys: Path | None = None
    aad_tenant: str = ""
    base_images: Mapping[str, str] = field(default_factory=dict)
    platform: str = ""
    network: str = ""
    conda: str = "auto"
    conda_channels: Mapping[str, str] = field(default_factory=dict, repr=False)
    max_upload_bytes: int = 100 << 30
    container_memory: int | None = None
    container_pids: int = 4096
    container_disk: int | None = None

    @property
    def control_url(self) -> str:
        """Where the control API of this machine's own emulator answers."""
        host = "127.0.0.1" if self.bind_host in _EVERYWHERE else self.bind_host
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


_VARIABLES = {
    "home": "AMLEMU_HOME",
    "port": "AMLEMU_PORT",
    "gateway_port": "AMLEMU_GATEWAY_PORT",
    "endpoint_ports": "AMLEMU_ENDPOINT_PORTS",
    "bind_host": "AMLEMU_BIND_HOST",
    "public_host": "AMLEMU_PUBLIC_HOST",
    "engine": "AMLEMU_ENGINE",
    "limits": "AMLEMU_LIMITS",
    "traffic_seed": "AMLEMU_TRAFFIC_SEED",
    "url": "AMLEMU_URL",
    "token": "AMLEMU_TOKEN",
    "aad_keys": "AMLEMU_AAD_KEYS",
    "aad_tenant": "AMLEMU_AAD_TENANT",
    "base_images": "AMLEMU_BASE_IMAGES",
    "platform": "AMLEMU_PLATFORM",
    "network": "AMLEMU_NETWORK",
    "conda": "AMLEMU_CONDA",
    "conda_channels": "AMLEMU_CONDA_CHANNELS",
    "max_upload_bytes": "AMLEMU_MAX_UPLOAD_BYTES",
    "container_memory": "AMLEMU_CONTAINER_MEMORY",
    "container_pids": "AMLEMU_CONTAINER_PIDS",
    "container_disk": "AMLEMU_CONTAINER_DISK",
}


# Not among the others: what they hold, as JSON, is taken together with what the files hold.
ASSUMED_VARIABLE = "AMLEMU_ASSUMED"
CURATED_VARIABLE = "AMLEMU_CURATED_ENVIRONMENTS"
CURATED_TABLE = "curated_environments"

Assumed = Mapping[str, Mapping[str, Any]]
"""By target and row id, what replaces an assumed fact."""


def read_settings(environ: Mapping[str, str], folder: Path, flags: Mapping[str, Any] | None = None) -> Settings:
    """The settings for a command run in `folder`; BadArgument or BadDocument says which one is wrong and where.

    `flags` holds values of the command line by field name, None for those not given.
    """
    values: dict[str, Any] = {}
    assumed: list[Assumed] = []
    curated: dict[str, Mapping[str, Any]] = {}
    for file in _files(environ, folder):
        of_file = _read_file(file)
        if "token" in of_file and file.parent != config_folder(environ):
            where = f"{file}:{_line_of('token', file.read_text(encoding='utf-8'))}"
            message = "a project's file is for everybody to read: set AMLEMU_TOKEN, or `amlemu login`"
            raise BadDocument(f"{file} has a token", faults=[Fault(message, where, "token")])
        curated |= of_file.pop(CURATED_TABLE, {})
        assumed.append(of_file.pop("assumed", {}))
        values |= of_file
    assumed.append(_of_variable(ASSUMED_VARIABLE, environ, _faults_of_assumed))
    curated |= _of_variable(CURATED_VARIABLE, environ, _faults_of_curated)
    given = {name: (variable, environ[variable]) for name, variable in _VARIABLES.items() if environ.get(variable)}
    given |= {name: (f"--{name.replace('_', '-')}", v) for name, v in (flags or {}).items() if v is not None}
    for name, (where, value) in given.items():
        try:
            values[name] = _convert(name, value, folder)
        except BadArgument as error:
            raise BadArgument(f"{where}: {error.message}") from error
    values |= _of_login(environ, values)
    home: Path = values.pop("home", None) or _default_home(environ)
    # Resolved, because an emulator is recognised by its home however that is spelled.
    settings = Settings(home=home.resolve(), assumed=_together(assumed), curated_environments=curated)
    return replace(settings, **values)


def _of_login(environ: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, str]:
    """What `amlemu login` chose, unless another emulator is named; its token goes nowhere else."""
    login = None if environ.get("AMLEMU_HOME") else read_login(environ)
    if login is None or values.get("url", login.url).rstrip("/") != login.url:
        return {}
    return {"url": login.url, "token": values.get("token") or login.token}


def _files(environ: Mapping[str, str], folder: Path) -> list[Path]:
    """The user's file, then the project's, found upward from `folder`."""
    found = [path for path in (config_folder(environ) / PROJECT_FILE,) if path.is_file()]
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
        text = file.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except OSError as error:
        raise BadDocument(f"{file} cannot be read: {error.strerror}") from error
    except RecursionError as error:
        raise BadDocument(f"{file} is nested too deeply") from error
    except ValueError as error:  # no TOML, no text, a number of too many digits, a date that is none
        line = re.search(r"at line (\d+)", str(error))
        where = f"{file}:{line[1]}" if line else str(file)
        raise BadDocument(f"{file} is not valid TOML", faults=[Fault(str(error), where)]) from error
    values, faults = {}, []
    for name, value in data.items():
        if name == "assumed":
            values[name] = value
            faults += _faults_of_assumed(value, lambda misfit: f"{file}:{_line_of_override(misfit, text)}")
            continue
        if name == CURATED_TABLE:
            values[name] = value
            faults += _faults_of_curated(value, lambda misfit: f"{file}:{_line_of_curated(misfit, text)}")
            continue
        try:
            values[name] = _convert(name, value, file.parent)
        except BadArgument as error:
            faults.append(Fault(error.message, f"{file}:{_line_of(name, text)}", name))
    _refuse(str(file), faults)
    return values


def _refuse(where: str, faults: list[Fault]) -> None:
    if faults:
        count = "one fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise BadDocument(f"{where} has {count}", faults=faults)


def _of_variable(
    name: str, environ: Mapping[str, str], faults_of: Callable[[Any, Callable[[Any], str]], list[Fault]]
) -> Mapping[str, Mapping[str, Any]]:
    """What a variable with JSON says."""
    text = environ.get(name, "")
    if not text:
        return {}
    try:
        given = json.loads(text)
    except RecursionError as error:
        raise BadDocument(f"{name} is nested too deeply") from error
    except ValueError as error:
        raise BadDocument(f"{name} is not valid JSON", faults=[Fault(str(error), name)]) from error
    _refuse(name, faults_of(given, lambda _: name))
    found: Mapping[str, Mapping[str, Any]] = given
    return found


def _faults_of_assumed(given: Any, where: Callable[[Misfit], str]) -> list[Fault]:
    from emulator.profiles import read_overrides  # the table is large, and most settings have nothing of it

    return [Fault(misfit.message, where(misfit), misfit.field) for misfit in read_overrides(given)[1]]


def _faults_of_curated(given: Any, where: Callable[[CuratedMisfit], str]) -> list[Fault]:
    from emulator.environments import read_curated  # as the table of assumed facts

    return [Fault(misfit.message, where(misfit), f"{CURATED_TABLE}{misfit.path}") for misfit in read_curated(given)[1]]


def _line_of_curated(misfit: CuratedMisfit, text: str) -> int:
    """The 1-based line where the field stands in its environment's table, else where that begins."""
    name = re.escape(misfit.name)
    header = re.search(rf"^\s*\[\s*{CURATED_TABLE}\s*\.\s*(\"{name}\"|'{name}'|{name})\s*[\].]", text, re.MULTILINE)
    start = header.end() if header else 0
    table = text[start:].partition("\n[")[0] if header else text
    wanted = re.escape(misfit.field if header else misfit.name)
    key = re.search(rf"^\s*[\"']?{wanted}[\"']?\s*=", table, re.MULTILINE) if wanted else None
    end = start + key.end() if key else start
    return text.count("\n", 0, end) + 1 if end else _line_of(CURATED_TABLE, text)


def _together(several: Iterable[Assumed]) -> Assumed:
    """All of them, row by row; the last one that names a row has it."""
    found: dict[str, Mapping[str, Any]] = {}
    for assumed in several:
        for target, rows in assumed.items():
            found[target] = {**found.get(target, {}), **rows}
    return found


def _line_of_override(misfit: Misfit, text: str) -> int:
    """The 1-based line where the row's value stands in its target's table, else where the table or `assumed` begins."""
    header = re.search(rf"^\s*\[\s*assumed\s*\.\s*[\"']?{re.escape(misfit.target)}[\"']?\s*\]", text, re.MULTILINE)
    start = header.end() if header else 0
    key = re.search(rf"[\"']?{re.escape(misfit.row_id)}[\"']?\s*=", text[start:]) if misfit.row_id else None
    end = start + key.start() if key else start if header else 0
    return text.count("\n", 0, end) + 1 if end else _line_of("assumed", text)


def _line_of(name: str, text: str) -> int:
    """The 1-based line where a key or a table of that name begins."""
    found = re.search(rf"^\s*\[*\s*[\"']?{re.escape(name)}\b", text, re.MULTILINE)
    return text.count("\n", 0, found.end()) + 1 if found else 1


def _convert(name: str, value: Any, folder: Path) -> Any:
    """The value as Settings has it; a relative path is relative to the `folder` where it was written down."""
    if name not in _VARIABLES:
        known = (*_VARIABLES, "assumed", CURATED_TABLE)
        near = difflib.get_close_matches(name, known, n=1)
        raise BadArgument(
            f"unknown setting '{name}'" + (f", did you mean '{near[0]}'?" if near else f"; known: {', '.join(known)}")
        )
    if name == "endpoint_ports":
        return value if isinstance(value, range) else _ports(value)
    if name == "aad_keys" and "://" in str(value):
        raise BadArgument("must be a file with a JSON Web Key Set, not a URL: amlemu fetches nothing by itself")
    if name in ("home", "aad_keys") and isinstance(value, str | Path):
        return folder / Path(value).expanduser()
    if name in _CONVERTERS:
        return _CONVERTERS[name](value)
    if name in _CHOICES and value not in _CHOICES[name]:
        raise BadArgument(f"'{value}' is not one of: {', '.join(_CHOICES[name])}")
    if name == "network" and not re.fullmatch(r"([A-Za-z0-9][\w.-]*)?", str(value), re.ASCII):
        raise BadArgument(f"'{value}' is no name of a network: as in amlemu_scoring")
    if name == "platform" and not re.fullmatch(r"linux/[a-z0-9_]+(/v[0-9]+)?", str(value)):
        raise BadArgument(f"'{value}' is no platform of a container: as in linux/amd64")
    if not isinstance(value, str):
        raise BadArgument("must be a text" if name == "token" else f"must be a text, not {value}")
    return value


def _base_images(value: Any) -> dict[str, str]:
    """A table, or one text as `_table_of_text` takes it."""
    if isinstance(value, str):
        value = _table_of_text(value, "image")
    if not isinstance(value, dict) or not all(isinstance(image, str) for image in value.values()):
        raise BadArgument("must be a table from the names of images to those that stand for them")
    for name, image in value.items():
        if not name or not re.fullmatch(r"\w[\w.:@/-]*", image):
            raise BadArgument(f"'{name}' = '{image}': both must be names of images, the first one or a pattern")
    return value


def _table_of_text(text: str, what: str) -> Any:
    """Every table that a variable can hold is written in one way: JSON, or name=value pairs with commas or spaces."""
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BadArgument(f"is not valid JSON: {error}") from error
    pairs = [pair.partition("=") for pair in re.split(r"[,\s]+", text) if pair]
    if not all(equals for _, equals, _ in pairs):
        raise BadArgument(f"'{text}' must be JSON, or name={what} pairs with commas or spaces between")
    return {name: value for name, _, value in pairs}


def _channels(value: Any) -> dict[str, str]:
    """A table, or one text as `_table_of_text` takes it; a folder may be written as its absolute path."""
    if isinstance(value, str):
        value = _table_of_text(value, "url")
    if not isinstance(value, Mapping):
        raise BadArgument('must be a table of channels\' names and URLs, as in {conda-forge = "https://mirror/forge"}')
    for name, url in value.items():
        if not (isinstance(url, str) and re.match(r"(https?|file)://\S|/\S", url)):
            raise BadArgument(f"{name}: must be a URL or an absolute path, as in {name}=https://mirror/{name}")
    return dict(value)


def _whole(value: Any) -> int:
    try:
        if isinstance(value, int | str) and not isinstance(value, bool):
            return int(value)
    except ValueError:
        pass
    raise BadArgument(f"'{value}' is no whole number")


def _size(value: Any) -> int:
    size = _whole(value)
    if size < 1:
        raise BadArgument(f"'{value}' is no number of bytes")
    return size


_NO_LIMIT = ("none", "0")
_LEAST_MEMORY = 128 * 2**20
_LEAST_DISK = 64 * 2**20
_LEAST_PIDS = 64
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def _memory(value: Any) -> int | None:
    return _bytes(value, _LEAST_MEMORY, "auto for the machine's less a reserve")


def _disk(value: Any) -> int | None:
    return _bytes(value, _LEAST_DISK, "auto for half of what is free")


def _bytes(value: Any, least: int, auto: str) -> int | None:
    """How many; None for `auto`, 0 for no limit."""
    text = "" if isinstance(value, bool) else str(value).strip().lower()
    if text == "auto" or text in _NO_LIMIT:
        return None if text == "auto" else 0
    found = re.fullmatch(r"([0-9]{1,18})\s*([kmgt]?)(i?b)?", text)
    if not found:
        raise BadArgument(f"'{value}' is no size: as in 4g or 512m, {auto}, or none")
    size = int(found[1]) * _UNITS[found[2]]
    if not least <= size < 2**63:
        raise BadArgument(f"'{value}' is too {'small' if size < least else 'large'}: from {least >> 20}m, or none")
    return size


def _pids(value: Any) -> int:
    """How many; 0 for no limit."""
    if not isinstance(value, bool) and str(value).strip().lower() in _NO_LIMIT:
        return 0
    try:
        count = _whole(value)
    except BadArgument as error:
        raise BadArgument(f"{error.message}: a number of processes and threads such as 4096, or none") from None
    if not _LEAST_PIDS <= count <= 2**22:
        raise BadArgument(f"'{value}' is no number of processes: from {_LEAST_PIDS} to {2**22}, or none")
    return count


def _port(value: Any) -> int:
    try:
        port = int(value) if isinstance(value, int | str) and not isinstance(value, bool) else -1
    except ValueError:
        port = -1
    if not 1 <= port <= 65535:
        raise BadArgument(f"'{value}' is no port: a whole number from 1 to 65535")
    return port


def _ports(value: Any) -> range:
    first, dash, last = str(value).partition("-")
    ports = range(_port(first), _port(last if dash else first) + 1)
    if not ports:
        raise BadArgument(f"'{value}' is no range of ports: as in 18100-18199")
    return ports


_CHOICES = {"engine": ENGINES, "limits": LIMITS, "conda": CONDA}
_CONVERTERS: Mapping[str, Callable[[Any], Any]] = {
    "port": _port,
    "gateway_port": _port,
    "traffic_seed": _whole,
    "max_upload_bytes": _size,
    "container_memory": _memory,
    "container_pids": _pids,
    "container_disk": _disk,
    "base_images": _base_images,
    "conda_channels": _channels,
}
