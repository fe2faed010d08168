"""Each setting's value from what a file, a variable or a flag says."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from emulator.config.settings import CONDA, ENGINES, FREE_PORTS, LIMITS, TABLES, VARIABLES
from emulator.errors import BadArgument


def convert(name: str, value: Any, folder: Path) -> Any:
    """The value as Settings has it; a relative path is relative to the `folder` where it was written down."""
    if name not in VARIABLES:
        known = (*VARIABLES, *TABLES)
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
    """A table, or in a variable JSON or pairs."""
    if isinstance(value, str):
        value = _pairs(value, "name=image")
    if not isinstance(value, dict) or not all(isinstance(image, str) for image in value.values()):
        raise BadArgument("must be a table from the names of images to those that stand for them")
    for name, image in value.items():
        if not name or not re.fullmatch(r"\w[\w.:@/-]*", image):
            raise BadArgument(f"'{name}' = '{image}': both must be names of images, the first one or a pattern")
    return value


def _pairs(text: str, form: str) -> Any:
    """What JSON, or pairs with commas or spaces between, say; a value that has such itself takes JSON."""
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BadArgument(f"is not valid JSON: {error}") from error
    pairs = [pair.partition("=") for pair in re.split(r"[\s,]+", text) if pair]
    if not all(equals for _, equals, _ in pairs):
        raise BadArgument(f"'{text}' must be JSON, or {form} pairs with commas or spaces between")
    return {name: value for name, _, value in pairs}


def _channels(value: Any) -> dict[str, str]:
    """A table, or in a variable JSON or pairs; a folder may be written as its absolute path."""
    if isinstance(value, str):
        value = _pairs(value, "name=url")
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
    port = _port_number(value)
    if not 0 <= port <= 65535:
        raise BadArgument(f"'{value}' is no port: a whole number from 1 to 65535, or 0 for a free one")
    return port


def _port_number(value: Any) -> int:
    try:
        return int(value) if isinstance(value, int | str) and not isinstance(value, bool) else -1
    except ValueError:
        return -1


def _ports(value: Any) -> range:
    if str(value).strip() == "0":
        return FREE_PORTS
    first, dash, last = str(value).partition("-")
    for end in (first, *([last] if dash else [])):
        if not 1 <= _port_number(end) <= 65535:
            raise BadArgument(f"'{end}' is no port: a whole number from 1 to 65535")
    ports = range(int(first), int(last if dash else first) + 1)
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
