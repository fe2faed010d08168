"""`parity`."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import click

from emulator.cli.output import output_option, print_result, print_table, say

if TYPE_CHECKING:
    from emulator.profiles import Fact, Row


def _names(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    from emulator.profiles import rows
    from emulator.profiles.parity_pages import AREAS

    return [name for name in (*AREAS, *(row.id for row in rows())) if name.startswith(typed)]


@click.command("parity")
@click.argument("name", metavar="[AREA|ROW]", required=False, shell_complete=_names)
@output_option
def parity_command(name: str | None, output: str) -> None:
    """Print what amlemu imitates of the cloud: each behaviour by target, how sure it is, and its public sources.

    \b
      amlemu parity                    the areas, with how many facts are how sure
      amlemu parity routing            the rows of an area
      amlemu parity routing.methods    one row: every target, links, and the tests that prove it
    """
    from emulator.profiles import rows
    from emulator.profiles.parity_pages import AREAS

    if name is None:
        data = {"areas": [_area(area, [row for row in rows() if row.area == area]) for area in AREAS]}
        print_result(data, output, lambda: _print_areas(data["areas"]))
    elif name in AREAS:
        found = [row for row in rows() if row.area == name]
        data = _area(name, found) | {"rows": [_row(row) for row in found]}
        print_result(data, output, lambda: _print_area(found))
    else:
        row = next((row for row in rows() if row.id == name), None)
        if row is None:
            raise click.UsageError(_unknown(name, (*AREAS, *(row.id for row in rows()))))
        print_result(_row(row), output, lambda: _print_row(row))


def _unknown(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"unknown area or row '{name}'" + (
        f", did you mean '{near[0]}'?" if near else "; `amlemu parity` lists them"
    )


def _area(area: str, found: Sequence[Row]) -> dict[str, Any]:
    from emulator.profiles.parity_pages import AREAS, certainties

    counts: dict[str, int] = {"row_count": len(found), **{str(sure): n for sure, n in certainties(found).items()}}
    return {"area": area, "about": AREAS[area], **counts}


def _row(row: Row) -> dict[str, Any]:
    facts = {target: _fact(row, fact) for target, fact in row.facts.items()}
    return {"id": row.id, "area": row.area, "what": row.what, "facts": facts, "tests": _tests()[row.id]}


def _fact(row: Row, fact: Fact) -> dict[str, Any]:
    from emulator.profiles import rendered
    from emulator.profiles.parity_pages import setting

    sources = [
        {"kind": one.kind, "title": one.title, "section": one.section, "url": one.link, "read": one.read}
        for one in fact.sources
    ]
    told = {"value": rendered(fact.value, quote=""), "certainty": fact.certainty, "note": fact.note, "sources": sources}
    return told | ({"setting": setting(row, fact)} if fact.certainty == "assumed" else {})


def _tests() -> Mapping[str, list[str]]:
    tests: dict[str, list[str]] = json.loads(files("emulator.profiles").joinpath("proofs.json").read_text("utf-8"))
    return tests


def _print_areas(areas: Sequence[Mapping[str, Any]]) -> None:
    columns = {"AREA": "area", "ROWS": "row_count", "DOCUMENTED": "documented", "OBSERVED": "observed",
               "ASSUMED": "assumed", "ABOUT": "about"}  # fmt: skip
    print_table(tuple(columns), [[area[key] for key in columns.values()] for area in areas], "")


def _print_area(found: Sequence[Row]) -> None:
    from emulator.profiles.parity_pages import LETTERS

    sure = [" ".join(LETTERS[fact.certainty] for fact in row.facts.values()) for row in found]
    print_table(
        ("ROW", "SURE", "WHAT"), [(row.id, letters, row.what) for row, letters in zip(found, sure, strict=True)], ""
    )
    say(f"SURE: documented, observed or assumed for {', '.join(found[0].targets)}", dim=True)


def _print_row(row: Row) -> None:
    from emulator.profiles import rendered
    from emulator.profiles.parity_pages import grouped, setting, target_words

    click.echo(f"{row.id}: {row.what}")
    for targets, fact in grouped(row):
        click.echo(f"\n{target_words(targets)}: {rendered(fact.value, quote='')}")
        click.echo(f"  {fact.certainty}" + (f": {fact.note}" if fact.note else ""))
        for source in fact.sources:
            click.echo(f"  {source.name} ({source.kind}, read {source.read})\n    {source.link}")
        if fact.certainty == "assumed":
            click.echo(f"  as settings spell it: {setting(row, fact)}")
    click.echo(f"\nproven by {', '.join(_tests()[row.id])}")
