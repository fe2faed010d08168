"""`amlemu parity`: the areas, an area's rows, one row with its sources and tests."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from click.testing import CliRunner, Result

from emulator.cli import cli
from emulator.profiles import rows
from emulator.profiles.parity_pages import AREAS


def asked(*words: str) -> Result:
    return CliRunner().invoke(cli, ["parity", *words])


def told(*words: str) -> Any:
    return json.loads(asked(*words, "-o", "json").stdout)


def test_without_a_name_it_lists_the_areas_with_their_counts() -> None:
    areas = told()["areas"]
    assert [area["area"] for area in areas] == list(AREAS)
    assert sum(area["row_count"] for area in areas) == len(rows())
    for area in areas:
        assert area["documented"] + area["observed"] + area["assumed"] == 5 * area["row_count"]
    assert f"triton\t2\t10\t0\t0\t{AREAS['triton']}" in asked().stdout


def test_an_area_lists_its_rows_with_their_certainty_by_target() -> None:
    assert [row["id"] for row in told("logs")["rows"]] == ["logs.traffic_columns", "logs.user_agent_characters"]
    result = asked("logs")
    assert "logs.user_agent_characters\tD A A A A\tSo many characters of the User-Agent are kept." in result.stdout
    assert "managed, kubernetes, aks, aci, local" in result.stderr


def test_a_row_tells_every_target_its_sources_and_its_tests() -> None:
    row = told("status.mapped_phrase")
    assert list(row["facts"]) == ["managed", "kubernetes", "aks", "aci", "local"]
    assert row["facts"]["managed"] == {
        "value": "Failed Dependency",
        "certainty": "observed",
        "note": "",
        "sources": [
            {
                "kind": "issue",
                "title": "Azure/azure-sdk-for-python#39025",
                "section": "",
                "url": "https://github.com/Azure/azure-sdk-for-python/issues/39025",
                "read": "2026-11-23",
            }
        ],
    }
    assert row["facts"]["aks"]["setting"] == '"status.mapped_phrase" = "none"'
    assert row["tests"]


def test_a_row_is_printed_with_links_to_open() -> None:
    lines = asked("status.mapped_phrase").stdout.splitlines()
    assert lines[0].startswith("status.mapped_phrase: The reason phrase of a mapped status.")
    start = lines.index("managed: Failed Dependency")
    assert lines[start + 1 : start + 4] == [
        "  observed",
        "  Azure/azure-sdk-for-python#39025 (issue, read 2026-11-23)",
        "    https://github.com/Azure/azure-sdk-for-python/issues/39025",
    ]
    assert '  as settings spell it: "status.mapped_phrase" = "none"' in lines
    assert lines[-1].startswith("proven by test_")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("routing.method", "unknown area or row 'routing.method', did you mean 'routing.methods'?"),
        ("xyzzy", "unknown area or row 'xyzzy'; `amlemu parity` lists them"),
    ],
)
def test_an_unknown_name_is_a_usage_error_with_the_nearest_name(name: str, message: str) -> None:
    result = asked(name)
    assert (result.exit_code, message in result.stderr) == (2, True)


def test_help_of_the_command_line_does_not_load_the_table() -> None:
    code = "import sys, emulator.cli.parity; sys.exit('emulator.profiles' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
