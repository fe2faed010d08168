"""The pages of docs/ that are printed from the code say what the code says."""

from __future__ import annotations

from pathlib import Path

from emulator.config import SETTINGS, VARIABLES
from emulator.config.settings_page import settings_page

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_of_settings_is_current() -> None:
    assert (DOCS / "settings.md").read_text(encoding="utf-8") == settings_page(), "make reference"


def test_the_page_names_every_setting_and_variable() -> None:
    page = settings_page()
    assert [name for name in SETTINGS if f"| `{name}` | `{VARIABLES[name]}`" not in page] == []
