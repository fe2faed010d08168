"""The kinds of values that settings take: how each is read, shown, and described by JSON Schema."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.errors import BadArgument

FREE_PORTS = range(1)
"""The range that stands for free ports."""

Json = dict[str, Any]
_DIGITS: Json = {"type": "string", "pattern": r"^\s*\+?\d+\s*$"}


def _to_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: dict(one) if isinstance(one, Mapping) else one for key, one in value.items()}
    return "" if value is None else str(value) if isinstance(value, Path) else value


@dataclass(frozen=True)
class Kind:
    """One kind of value.

    `values` describes it to people, `schema` to editors.  `parse` returns the value that Settings holds, from what a
    file, a variable or a flag says and the folder in which that is written; it raises BadArgument.  `to_json` returns
    the value as it could be written in a file; '' means unset.
    """

    values: str
    schema: Json
    parse: Callable[[Any, Path], Any]
    to_json: Callable[[Any], Any] = _to_json


# Texts


def _text(value: Any, _folder: Path) -> str:
    if not isinstance(value, str):
        raise BadArgument(f"must be a text, not {value}")
    return value


def _secret(value: Any, _folder: Path) -> str:
    if not isinstance(value, str):
        raise BadArgument("must be a text")  # without the value, which is nobody's to read
    return value


def _path(value: Any, folder: Path) -> Path:
    return folder / Path(value if isinstance(value, Path) else _text(value, folder)).expanduser()


def _key_file(value: Any, folder: Path) -> Path:
    if "://" in str(value):
        raise BadArgument("must be a file with a JSON Web Key Set, not a URL: amlemu fetches nothing by itself")
    return _path(value, folder)


def choice(*names: str) -> Kind:
    """One of a few words."""

    def parse(value: Any, _folder: Path) -> Any:
        if value not in names:
            raise BadArgument(f"'{value}' is not one of: {', '.join(names)}")
        return value

    return Kind(", ".join(f"`{name}`" for name in names), {"enum": list(names)}, parse)


def _pattern(values: str, pattern: str, what: str) -> Kind:
    """A text of that pattern; `what` ends the sentence that refuses another one."""

    def parse(value: Any, folder: Path) -> str:
        if not re.fullmatch(pattern, _text(value, folder)):
            raise BadArgument(f"'{value}' is not {what}")
        return str(value)

    return Kind(values, {"type": "string", "pattern": f"^{pattern}$"}, parse)


TEXT = Kind("text", {"type": "string"}, _text)
SECRET = Kind("text; not in a project's file", {"type": "string"}, _secret)
FOLDER = Kind("folder, relative to the file that names it", {"type": "string"}, _path)
KEY_FILE = Kind("file with a JSON Web Key Set, relative to the file that names it", {"type": "string"}, _key_file)
NETWORK = _pattern("name of a network", "([A-Za-z0-9][A-Za-z0-9_.-]*)?", "the name of a network: as in amlemu_scoring")
PLATFORM = _pattern("such as `linux/amd64`", "(linux/[a-z0-9_]+(/v[0-9]+)?)?",
                    "the platform of a container: as in linux/amd64")  # fmt: skip


# Numbers and ports


def _whole_number(value: Any, _folder: Path) -> int:
    try:
        if isinstance(value, int | str) and not isinstance(value, bool):
            return int(value)
    except ValueError:
        pass
    raise BadArgument(f"'{value}' is not a whole number")


def _byte_count(value: Any, folder: Path) -> int:
    count = _whole_number(value, folder)
    if count < 1:
        raise BadArgument(f"'{value}' is not a number of bytes")
    return count


def _port_number(value: Any) -> int:
    try:
        return int(value) if isinstance(value, int | str) and not isinstance(value, bool) else -1
    except ValueError:
        return -1


def _port(value: Any, _folder: Path) -> int:
    port = _port_number(value)
    if not 0 <= port <= 65535:
        raise BadArgument(f"'{value}' is not a port: a whole number from 1 to 65535, or 0 for a free one")
    return port


def _port_range(value: Any, _folder: Path) -> range:
    if isinstance(value, range):
        return value
    if str(value).strip() == "0":
        return FREE_PORTS
    first, dash, last = str(value).partition("-")
    for end in (first, *([last] if dash else [])):
        if not 1 <= _port_number(end) <= 65535:
            raise BadArgument(f"'{end}' is not a port: a whole number from 1 to 65535")
    ports = range(int(first), int(last if dash else first) + 1)
    if not ports:
        raise BadArgument(f"'{value}' is not a range of ports: as in 18100-18199")
    return ports


def _port_range_to_json(ports: range) -> str:
    return "0" if ports == FREE_PORTS else f"{ports.start}-{ports.stop - 1}"


WHOLE_NUMBER = Kind("whole number", {"anyOf": [{"type": "integer"}, _DIGITS]}, _whole_number)
BYTE_COUNT = Kind("bytes", {"anyOf": [{"type": "integer", "minimum": 1}, _DIGITS]}, _byte_count)
PORT = Kind("port, or 0 for a free one", {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 65535}, _DIGITS]},
            _port)  # fmt: skip
PORT_RANGE = Kind(
    "ports FIRST-LAST, or 0 for free ones",
    {"anyOf": [{"type": "string", "pattern": r"^\d{1,5}(-\d{1,5})?$"}, PORT.schema]},
    _port_range,
    _port_range_to_json,
)


# Limits, of which 0 is none


_NO_LIMIT = ("none", "0")
_LEAST_PIDS, _MOST_PIDS = 64, 2**22
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def _limit_to_json(limit: int | None) -> Any:
    return limit or ("auto" if limit is None else "none")


def _size(least: int, auto: str) -> Kind:
    """Bytes with a unit, at least so many; None for `auto`, which means that."""

    def parse(value: Any, _folder: Path) -> int | None:
        text = "" if isinstance(value, bool) else str(value).strip().lower()
        if text == "auto" or text in _NO_LIMIT:
            return None if text == "auto" else 0
        found = re.fullmatch(r"([0-9]{1,18})\s*([kmgt]?)(i?b)?", text)
        if not found:
            raise BadArgument(f"'{value}' is not a size: as in 4g or 512m, auto for {auto}, or none")
        size = int(found[1]) * _UNITS[found[2]]
        if not least <= size < 2**63:
            raise BadArgument(f"'{value}' is too {'small' if size < least else 'large'}: from {least >> 20}m, or none")
        return size

    schema = {
        "anyOf": [
            {"type": "integer", "minimum": 0},
            {"type": "string", "pattern": r"^\s*[0-9]{1,18}\s*[kKmMgGtT]?([iI]?[bB])?\s*$"},
            {"enum": ["auto", "none"]},
        ]
    }
    return Kind(f"bytes, as in `4g` or `512m`; `auto` is {auto}, `none` no limit", schema, parse, _limit_to_json)


def _pids(value: Any, folder: Path) -> int:
    if not isinstance(value, bool) and str(value).strip().lower() in _NO_LIMIT:
        return 0
    try:
        count = _whole_number(value, folder)
    except BadArgument as error:
        raise BadArgument(f"{error.message}: a number of processes and threads such as 4096, or none") from None
    if not _LEAST_PIDS <= count <= _MOST_PIDS:
        message = f"'{value}' is not a number of processes: from {_LEAST_PIDS} to {_MOST_PIDS}, or none"
        raise BadArgument(message)
    return count


MEMORY = _size(128 * 2**20, "the machine's less a reserve")
DISK = _size(64 * 2**20, "half of what is free, at least 10 GiB")
PIDS = Kind(
    "whole number; `none` is no limit",
    {"anyOf": [{"type": "integer", "minimum": 0, "maximum": _MOST_PIDS}, _DIGITS, {"enum": ["none"]}]},
    _pids,
    _limit_to_json,
)


# Tables


def _pairs(text: str, form: str) -> Any:
    """Parse JSON, or NAME=VALUE pairs with commas or spaces between; a value that contains either must be JSON."""
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BadArgument(f"is not valid JSON: {error}") from error
    pairs = [pair.partition("=") for pair in re.split(r"[\s,]+", text) if pair]
    if not all(equals for _, equals, _ in pairs):
        raise BadArgument(f"'{text}' must be JSON, or {form} pairs with commas or spaces between")
    return {name: value for name, _, value in pairs}


def _image_names(value: Any, _folder: Path) -> dict[str, str]:
    if isinstance(value, str):
        value = _pairs(value, "name=image")
    if not isinstance(value, dict) or not all(isinstance(image, str) for image in value.values()):
        raise BadArgument("must be a table from the names of images to those that stand for them")
    for name, image in value.items():
        if not name or not re.fullmatch(r"\w[\w.:@/-]*", image):
            raise BadArgument(f"'{name}' = '{image}': both must be names of images, the first one or a pattern")
    return value


def _channel_urls(value: Any, _folder: Path) -> dict[str, str]:
    if isinstance(value, str):
        value = _pairs(value, "name=url")
    if not isinstance(value, Mapping):
        raise BadArgument('must be a table of channels\' names and URLs, as in {conda-forge = "https://mirror/forge"}')
    for name, url in value.items():
        if not (isinstance(url, str) and re.match(r"(https?|file)://\S|/\S", url)):
            raise BadArgument(f"{name}: must be a URL or an absolute path, as in {name}=https://mirror/{name}")
    return dict(value)


_TEXTS_BY_NAME: Json = {
    "anyOf": [{"type": "object", "additionalProperties": {"type": "string"}}, {"type": "string"}]
}  # fmt: skip
IMAGE_NAMES = Kind("table of names; in the variable `NAME=IMAGE` pairs, or JSON", _TEXTS_BY_NAME, _image_names)
CHANNEL_URLS = Kind("table of URLs; in the variable `NAME=URL` pairs, or JSON", _TEXTS_BY_NAME, _channel_urls)


def _no_single_value(_value: Any, _folder: Path) -> Any:
    raise AssertionError("emulator.config.tables reads tables: they have more than one fault")


TABLE = Kind("table; in the variable JSON", {"type": "object"}, _no_single_value)
"""A table whose parts come from several files; `emulator.config.tables` reads, merges and describes it."""
