"""`amlemu.toml` as its schema describes it; `settings` reads the file."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal, Union, get_args, get_origin

from emulator.config import CONDA, ENGINES, LIMITS, Settings
from emulator.profiles.overrides import assumed_facts, type_of_row

Json = dict[str, Any]

_DIGITS: Json = {"type": "string", "pattern": r"^\s*\+?\d+\s*$"}
_PORT: Json = {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 65535}, _DIGITS]}
_TYPES: Mapping[Any, str] = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}
_SETTINGS: Mapping[str, Json] = {
    "home": {"type": "string", "description": "The state folder; a relative one is relative to this file."},
    "port": {**_PORT, "description": "Where the control API answers."},
    "gateway_port": {**_PORT, "description": "The port that endpoints with a path share."},
    "endpoint_ports": {
        "anyOf": [{"type": "string", "pattern": r"^\d{1,5}(-\d{1,5})?$"}, _PORT],
        "description": "The ports that endpoints get of their own, as in 18100-18199.",
    },
    "bind_host": {"type": "string", "description": "The address at which the control API and the endpoints listen."},
    "public_host": {"type": "string", "description": "The name in scoring_uri."},
    "engine": {"enum": list(ENGINES), "description": "What runs the containers."},
    "limits": {"enum": list(LIMITS), "description": "Whether the cloud's quotas are held, or only reported."},
    "traffic_seed": {
        "anyOf": [{"type": "integer"}, _DIGITS],
        "description": "Makes the choice of deployments repeatable.",
    },
    "url": {"type": "string", "description": "Another emulator, for commands to speak to."},
    "token": {"type": "string", "description": "What opens the emulator; only in the user's own file."},
    "aad_keys": {"type": "string", "description": "A file with the public keys (JWKS) that sign aad_tokens."},
    "base_images": {
        "anyOf": [{"type": "object", "additionalProperties": {"type": "string"}}, {"type": "string"}],
        "description": "Images, by name or pattern, and what stands for them.",
    },
    "platform": {
        "type": "string",
        "pattern": "^(linux/[a-z0-9_]+(/v[0-9]+)?)?$",
        "description": "What images are taken and built for, such as linux/amd64.",
    },
    "network": {
        "type": "string",
        "pattern": r"^([A-Za-z0-9][A-Za-z0-9_.-]*)?$",
        "description": "Docker's network for scoring containers, which an emulator that runs in a container is on too.",
    },
    "conda": {"enum": list(CONDA), "description": "Where conda packages come from."},
    "conda_channels": {
        "anyOf": [{"type": "object", "additionalProperties": {"type": "string"}}, {"type": "string"}],
        "description": "By name where a channel is: a URL, or a folder as file:///path.",
    },
    "curated_environments": {
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "additionalProperties": False,
            "required": ["python_version", "packages"],
            "properties": {
                "python_version": {"type": "string", "pattern": r"^3\.\d+$"},
                "packages": {"type": "array", "items": {"type": "string"}},
            },
        },
        "description": "By name, what stands for a curated environment.",
    },
    "max_upload_bytes": {
        "anyOf": [{"type": "integer", "minimum": 1}, _DIGITS],
        "description": "How many bytes a client on another machine may send at a time.",
    },
    "container_memory": {
        "anyOf": [
            {"type": "integer", "minimum": 0},
            {"type": "string", "pattern": r"^\s*[0-9]{1,18}\s*[kKmMgGtT]?([iI]?[bB])?\s*$"},
            {"enum": ["auto", "none"]},
        ],
        "default": "auto",
        "description": "The memory of a container whose deployment does not say: as in 4g; auto is the machine's less a"
        " reserve, none is no limit.",
    },
    "container_pids": {
        "anyOf": [{"type": "integer", "minimum": 0, "maximum": 4194304}, _DIGITS, {"enum": ["none"]}],
        "description": "How many processes and threads a container may have; none is no limit.",
    },
    "container_disk": {
        "anyOf": [
            {"type": "integer", "minimum": 0},
            {"type": "string", "pattern": r"^\s*[0-9]{1,18}\s*[kKmMgGtT]?([iI]?[bB])?\s*$"},
            {"enum": ["auto", "none"]},
        ],
        "default": "auto",
        "description": "What a container may write to the disk on the process engine: as in 20g; auto is half of what"
        " is free, at least 10 GiB, none is no limit.",
    },
    "aad_tenant": {"type": "string", "description": "The tenant that aad_tokens must be of."},
}


def settings_schema() -> Json:
    """Every setting, and below `assumed` every row that may be chosen, by target."""
    names = [one.name for one in fields(Settings) if one.name not in ("assumed", "origins")]
    properties = {name: _with_default(name) for name in names}
    return {
        "description": "Settings of amlemu, found upward from the folder of a command.",
        "type": "object",
        "additionalProperties": False,
        "properties": {**properties, "assumed": _assumed()},
    }


def _with_default(name: str) -> Json:
    default = next(one.default for one in fields(Settings) if one.name == name)
    plain = isinstance(default, str | int) and default != ""
    return {**_SETTINGS[name], "default": default} if plain else dict(_SETTINGS[name])


def _assumed() -> Json:
    """`[assumed.TARGET]`: row id = value."""
    targets: dict[str, Json] = {}
    for row, target, _ in assumed_facts():
        kind = {"description": row.what, **_kind(type_of_row(row.id))}
        targets.setdefault(target, {})[row.id] = kind
    tables = {
        target: {"type": "object", "additionalProperties": False, "properties": kinds}
        for target, kinds in targets.items()
    }
    told = "By target, what replaces behaviour that nobody has documented (docs/parity.md)."
    return {"description": told, "type": "object", "additionalProperties": False, "properties": tables}


def _kind(kind: Any) -> Json:
    """The JSON type of a profile's field; what is inside of lists and tables is checked when it is read."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in _TYPES:
        return {"type": _TYPES[kind]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, types.UnionType):  # TOML has no null: what may be none is simply not there
        return {"anyOf": [_kind(one) for one in arguments if one is not type(None)]}
    return {"type": "array"} if origin in (tuple, list, frozenset) else {"type": "object"}
