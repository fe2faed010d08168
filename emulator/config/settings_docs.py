"""What describes the settings to people and editors, printed from their declarations.

`python -m emulator.config.settings_docs` prints docs/settings.md; `amlemu schema settings` prints the JSON Schema.
"""

from __future__ import annotations

import json
from typing import Any

from emulator.config.kinds import Json
from emulator.config.settings import SETTINGS, VARIABLES, default_of, help_of
from emulator.config.tables import TABLES

_HEAD = """\
# Settings

Flags override variables, variables override the project's `amlemu.toml` (found upward from the working folder), and
that overrides your own `amlemu.toml` (in `$XDG_CONFIG_HOME/amlemu`, by default `~/.config/amlemu`). The two tables,
`assumed` and `curated_environments`, are merged from all of these. `amlemu config` prints every setting with its
value and its origin; `amlemu schema settings` prints the JSON Schema of `amlemu.toml`.

An emulator keeps the settings that it was started with. A command that starts one in the background passes on all of
its own settings. A command whose settings differ from those of the running emulator says so, and `amlemu up` refuses
to run beside it. Settings marked *command* only say how a command finds its emulator and are never compared; those
marked *machine* are compared with an emulator on this machine only.

| Setting | Variable, flag | Value | Default | Meaning |
|---|---|---|---|---|
"""
_TAIL = """
`AMLEMU_PROJECT_FILE` names another file in place of the project's `amlemu.toml`, or `none`. `AMLEMU_DEMO=true` is
`amlemu up --demo`. Ports that are not set follow `port`: `gateway_port` is the next one, and `endpoint_ports` begin
20 above it; a home remembers the ports of its last start. The variables of `compose.yaml` are in
[sandbox.md](sandbox.md).

This page is written by `make reference` from `emulator/config/settings.py`.
"""


def settings_page() -> str:
    """Return docs/settings.md."""
    return _HEAD + "".join(_row(name) for name in SETTINGS) + _TAIL


def _row(name: str) -> str:
    setting = SETTINGS[name]
    flag = f"<br>`amlemu up --{name.replace('_', '-')}`" if setting.has_flag else ""
    scope = "" if setting.scope == "emulator" else f" *{setting.scope}*"
    default = _default(default_of(name))
    return (
        f"| `{name}` | `{VARIABLES[name]}`{flag} | {setting.kind.values} | {default} | {setting.description}{scope} |\n"
    )


def _default(value: Any) -> str:
    return "-" if value == "" else f"`{value if isinstance(value, str) else json.dumps(value)}`"


def settings_schema() -> Json:
    """Return the JSON Schema of amlemu.toml: every setting, and below `assumed` every row that may be chosen."""
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


if __name__ == "__main__":
    print(settings_page(), end="")
