"""JSON Schema of `amlemu.toml`, from the declarations of the settings."""

from __future__ import annotations

from emulator.config.kinds import Json
from emulator.config.settings import SETTINGS, default_of, help_of
from emulator.config.tables import TABLES


def settings_schema() -> Json:
    """Every setting, and below `assumed` every row that may be chosen, by target."""
    return {
        "description": "Settings of amlemu, found upward from the folder of a command.",
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _property(name) for name in SETTINGS},
    }


def _property(name: str) -> Json:
    default = default_of(name)
    schema = TABLES[name].schema() if name in TABLES else SETTINGS[name].kind.schema
    return {**schema, "description": help_of(name), **({"default": default} if default != "" else {})}
