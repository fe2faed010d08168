"""Collected data as the cloud writes it down: CloudEvents, one JSON object a line, and where each comes to lie.  Pure.

Source of layout and attributes: rows collection.*.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Literal, NamedTuple

from emulator.azure_paths import deployment_path
from emulator.profiles import CollectionProfile

RollingRate = Literal["minute", "hour", "day"]

DATASTORE = "azureml://datastores/workspaceblobstore/paths/modelDataCollector"
"""What the folder of the collected data stands for."""
_HOUR, _DAY = "{yyyy}/{MM}/{dd}/{HH}", "{yyyy}/{MM}/{dd}"
_POINTER_TYPE = "text/plain"  # of data that only says where the data is
_IN_BLOB = "datainblob"
_OWN = frozenset({"specversion", "id", "source", "type", "datacontenttype", "time", "data", _IN_BLOB})


@dataclass(frozen=True)
class Collected:
    """One body that a deployment's data_collector takes.

    `collection` is `request`, `response` or the name of the script's Collector, `instance` groups what lies in one
    file, `profile` holds the target's rules, `time` is in seconds since 1970.  `content_type` and `content_encoding`
    are as the headers say; `attributes` follow the data in their order.
    """

    id: str
    endpoint: str
    deployment: str
    instance: str
    collection: str
    profile: CollectionProfile = field(repr=False)
    rolling_rate: RollingRate
    time: float
    content_type: str
    body: bytes = field(repr=False)
    content_encoding: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


class Written(NamedTuple):
    """What is to be written: `line` at the end of the file `path`, and `raw` as the file `raw_path` where it is not
    empty.  Paths are relative, with '/'.
    """

    path: str
    line: str
    raw_path: str = ""
    raw: bytes = b""


def written(collected: Collected) -> Written:
    """Return the line of the event, and the file of its data where that is too large for a line, or no text."""
    rolled = _rolled(collected)
    deployment = f"{collected.endpoint}/{collected.deployment}"
    folder = f"{deployment}/{collected.collection}/{rolled}"
    path = f"{folder}/{collected.instance}.jsonl"
    inline = None if collected.content_encoding else _inline(collected)
    if inline is not None and len(collected.body) <= collected.profile.inline_bytes:
        return Written(path, _line(collected, inline))
    raw_path = f"{folder}/{collected.id}" if inline is None else f"{deployment}/{rolled}/{collected.id}.jsonl"
    pointer = _Inline(_POINTER_TYPE, json.dumps(f"{DATASTORE}/{raw_path}"))
    return Written(path, _line(collected, pointer, in_blob=True), raw_path, collected.body)


def _rolled(collected: Collected) -> str:
    """Return the folders of an event's time."""
    templates = {"minute": collected.profile.rolled_by_minute, "hour": _HOUR, "day": _DAY}
    moment = datetime.fromtimestamp(collected.time, timezone.utc)
    parts = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M"}
    return templates[collected.rolling_rate].format(**{name: moment.strftime(code) for name, code in parts.items()})


class _Inline(NamedTuple):
    """Data as it stands in a line: its content type and its JSON text."""

    content_type: str
    text: str


def _inline(collected: Collected) -> _Inline | None:
    """Return the body within a line, None where it is no text (row collection.text)."""
    kind = collected.content_type.partition(";")[0].strip().lower()
    try:
        text = collected.body.decode()
    except UnicodeDecodeError:
        return None
    is_json = kind in ("", "application/json") or kind.endswith("+json")
    if is_json and _is_json(text):
        # A line break can only stand between the values of JSON, so that the text needs no other change.
        return _Inline("application/json", text.replace("\r", " ").replace("\n", " ").strip())
    if collected.profile.text_in_line and (is_json or kind.startswith("text/")):
        return _Inline(kind if kind.startswith("text/") else "text/plain", json.dumps(text))
    return None


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _line(collected: Collected, data: _Inline, *, in_blob: bool = False) -> str:
    before = {
        "specversion": "1.0",
        "id": collected.id,
        "source": deployment_path(collected.endpoint, collected.deployment),
        "type": f"azureml.inference.{collected.collection}",
        "datacontenttype": data.content_type,
        "time": datetime.fromtimestamp(collected.time, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    after = {name: value for name, value in collected.attributes.items() if name not in _OWN}
    after |= {_IN_BLOB: "true"} if in_blob else {}
    told = json.dumps(after)[1:]
    return f'{json.dumps(before)[:-1]}, "data": {data.text}{", " if after else ""}{told}'


def content_range(size: int) -> str:
    """Return which bytes of how many were collected.

    >>> content_range(39), content_range(0)
    ('bytes 0-38/39', 'bytes */0')
    """
    return f"bytes 0-{size - 1}/{size}" if size else "bytes */0"


def attribute_name(header: str) -> str:
    """Return the attribute of a header: CloudEvents takes small letters and digits only.

    >>> attribute_name("X-Request-Id"), attribute_name("ce-collect-data-type".removeprefix("ce-"))
    ('xrequestid', 'collectdatatype')
    """
    return "".join(character for character in header.lower() if character.isascii() and character.isalnum())
