"""The pages of docs/ that are printed from the code say what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.cli import COMMANDS
from emulator.cli.cli_page import cli_page
from emulator.config import SETTINGS, VARIABLES
from emulator.config.settings_docs import settings_page

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_of_settings_is_current() -> None:
    assert (DOCS / "settings.md").read_text(encoding="utf-8") == settings_page(), "make reference"


def test_the_page_names_every_setting_and_variable() -> None:
    page = settings_page()
    assert [name for name in SETTINGS if f"| `{name}` | `{VARIABLES[name]}`" not in page] == []


def test_the_page_of_commands_is_current() -> None:
    assert (DOCS / "cli.md").read_text(encoding="utf-8") == cli_page(), "make reference"


@pytest.mark.parametrize("command", [*COMMANDS, "model register", "environment build", "token create"])
def test_the_page_names_every_command(command: str) -> None:
    assert f"\n## `amlemu {command}" in cli_page()


def test_options_and_examples_are_shown_as_the_help_has_them() -> None:
    page = cli_page()
    assert "| `--debug` `[PORT]` | Run the server under debugpy" in page
    assert "```sh\namlemu deploy --model my_model:1 --entry score.py\n" in page
    assert "\b" not in page
