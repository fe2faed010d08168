"""What was asked for, held against what a running emulator has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from emulator.config.settings import SETTINGS, Settings, shown


def shown_settings(settings: Settings) -> dict[str, Any]:
    """An emulator's settings as it tells them: plain values of JSON, credentials masked."""
    return {name: shown(name, settings) for name, setting in SETTINGS.items() if setting.scope != "command"}


def not_in_force(settings: Settings, in_force: Mapping[str, Any]) -> list[str]:
    """What was asked for and a running emulator does not have, one sentence each.

    `in_force` is what that emulator tells of its settings; one of an earlier version tells of some only.
    """
    missing = []
    for name, origin in settings.origins.items():
        setting = SETTINGS[name]
        is_comparable = setting.scope == "emulator" or (setting.scope == "machine" and not settings.url)
        if not is_comparable or name not in in_force:
            continue
        asked = shown(name, settings)
        if asked not in (in_force[name], setting.any_value):
            missing.append(f"{name} = {_text(asked)} ({origin}), the emulator has {_text(in_force[name])}")
    return missing


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False) if value else "none"
    return "none" if value == "" else str(value)
