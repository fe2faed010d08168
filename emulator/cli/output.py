"""Printing: results on stdout as a table, JSON or YAML, messages on stderr."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

PROGRAM = "amlemu"
F = TypeVar("F", bound=Callable[..., Any])


def output_option(function: F) -> F:
    """Add `-o table|json|yaml` as the parameter `output`."""
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
    """Print columns on a terminal, else tab-separated values without a heading; without rows say `empty`."""
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
        # Nothing is truncated: the last column, a URI or a size, is never wrapped, the others are.
        is_last = index == len(columns) - 1
        table.add_column(column, overflow="fold", no_wrap=is_last)
    for row in rows:
        table.add_row(*map(str, row))
    Console(soft_wrap=False).print(table)


def say(text: str, *, dim: bool = False) -> None:
    """Print a message to stderr."""
    click.secho(text, dim=dim, err=True)


def size_text(size: int) -> str:
    """Return a size in bytes in a readable unit.

    >>> size_text(999), size_text(5_300_000_000)
    ('999 B', '5.3 GB')
    """
    value, unit = float(size), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def program_name(executable: str = sys.executable, search_path: str | None = None, folder: Path | None = None) -> str:
    """Return how to call this program in commands to copy: `amlemu` if it is on the PATH, else its path or module.

    `executable` is the Python that runs, `search_path` the shell's PATH (None for this one), `folder` where the command
    will be typed.
    """
    own = Path(executable).parent / PROGRAM
    found = shutil.which(PROGRAM, path=search_path)
    if found and own.exists() and os.path.realpath(found) == os.path.realpath(own):
        return PROGRAM
    if not own.exists():
        return f"{shown_path(Path(executable), folder)} -m emulator"
    return shown_path(own, folder)


def shown_path(path: Path, folder: Path | None = None) -> str:
    """Return a path as it is typed in `folder` (None: the working folder): relative if it is below."""
    here = folder or Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
