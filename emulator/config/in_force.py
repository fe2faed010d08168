"""What was asked for, held against what a running emulator has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from emulator.config.settings import TABLES, VARIABLES, Settings, shown

# What a command needs to find an emulator; the rest is the emulator's own.
_OF_COMMANDS = ("home", "url", "token")
# What says nothing about an emulator on another machine.
_OF_THIS_MACHINE = frozenset({"port", "gateway_port", "endpoint_ports", "bind_host", "public_host", "network",
                              "aad_keys"})  # fmt: skip
# Asked for, and whatever is in force will do.
_ANY = {"engine": "auto", "port": 0, "gateway_port": 0, "endpoint_ports": "0"}


def shown_settings(settings: Settings) -> dict[str, Any]:
    """An emulator's settings as it tells them: plain values of JSON, credentials masked."""
    names = [name for name in (*VARIABLES, *TABLES) if name not in _OF_COMMANDS]
    return {name: shown(name, settings) for name in names}


def not_in_force(settings: Settings, in_force: Mapping[str, Any]) -> list[str]:
    """What was asked for and a running emulator does not have, one sentence each.

    `in_force` is what that emulator tells of its settings; one of an earlier version tells of some only.
    """
    told = []
    for name, origin in settings.origins.items():
        if name in _OF_COMMANDS or name not in in_force or (settings.url and name in _OF_THIS_MACHINE):
            continue
        asked = shown(name, settings)
        if asked != in_force[name] and not (name in _ANY and asked == _ANY[name]):
            told.append(f"{name} = {_text(asked)} ({origin}), the emulator has {_text(in_force[name])}")
    return told


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False) if value else "none"
    return "none" if value == "" else str(value)
