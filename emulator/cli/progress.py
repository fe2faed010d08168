"""What a long operation says, line by line with the seconds since it began."""

from __future__ import annotations

import time

import click


class Printer:
    """Prints an operation's events to stderr; called with an event's kind and text."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self, kind: str, text: str) -> None:
        if kind == "step":
            click.echo(f"{self._seconds()} {text}", err=True)
        else:
            click.secho(f"        | {text}", dim=True, err=True)

    def end(self, text: str) -> None:
        """The last line."""
        click.echo(f"{self._seconds()} {text}", err=True)

    def _seconds(self) -> str:
        return f"{time.monotonic() - self._began:6.1f}s"
