"""Results on stdout, as a table, JSON or YAML; talk on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def output_option(function: F) -> F:
    """Adds `-o table|json|yaml` as the parameter `output`."""
    choice = click.Choice(["table", "json", "yaml"])
    option = click.option("-o", "--output", type=choice, default="table", help="How to print the result.")
    return option(function)


def print_result(data: Any, output: str, table: Callable[[], None]) -> None:
    """Print `data` as it is for json and yaml, or call `table`."""
    if output == "json":
        click.echo(json.dumps(data, indent=2, ensure_ascii=False))
    elif output == "yaml":
        import yaml

        click.echo(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), nl=False)
    else:
        table()


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], empty: str) -> None:
    """Columns on a terminal; tab-separated values without heading where nobody looks."""
    if not rows:
        say(empty)
        return
    if not sys.stdout.isatty():
        for row in rows:
            click.echo("\t".join(map(str, row)))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        # Nothing is cut off: the last column, a URI or a size, is whole, and what has no room goes on below.
        is_last = index == len(columns) - 1
        table.add_column(column, overflow="fold", no_wrap=is_last)
    for row in rows:
        table.add_row(*map(str, row))
    Console(soft_wrap=False).print(table)


def say(text: str, *, dim: bool = False) -> None:
    """A line of talk."""
    click.secho(text, dim=dim, err=True)


def size_text(size: int) -> str:
    """Bytes for people.

    >>> size_text(999), size_text(5_300_000_000)
    ('999 B', '5.3 GB')
    """
    value, unit = float(size), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
