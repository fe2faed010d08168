"""`config`: every setting, its value, and where it was set."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import click

from emulator.cli.output import output_option, print_result, print_table, say
from emulator.config import VARIABLES, Settings, not_in_force, origin_of, shown, unknown_variables


@click.command("config")
@output_option
def config_command(output: str) -> None:
    """Show every setting with its value and origin, and those that a running emulator does not have.

    Flags override AMLEMU_* variables, which override amlemu.toml (found upward from here), which overrides your own.
    """
    from emulator.cli.connection import current_settings, description_of_running

    settings = current_settings()
    described = description_of_running(settings) or {}
    missing = not_in_force(settings, described.get("settings", {}))
    data = {"settings": list(map(dict, _rows(settings))), "not_in_force": missing,
            "unknown_variables": unknown_variables(os.environ)}  # fmt: skip
    print_result(data, output, lambda: _print(data))


def _rows(settings: Settings) -> list[dict[str, Any]]:
    return [
        {"name": name, "value": shown(name, settings), "origin": _origin(name, settings), "variable": variable}
        for name, variable in VARIABLES.items()
    ]


def _origin(name: str, settings: Settings) -> str:
    if name == "token" and not settings.token:
        return "the home's own"
    return origin_of(name, settings)


def _print(data: Mapping[str, Any]) -> None:
    rows = [(row["name"], _text(row["value"]), row["origin"], row["variable"]) for row in data["settings"]]
    print_table(("SETTING", "VALUE", "FROM", "VARIABLE"), rows, "")
    for difference in data["not_in_force"]:
        say(f"not in force: {difference}; `amlemu down`, then `amlemu up`")


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False) if value else "-"
    return str(value) if value != "" else "-"
