"""What a long operation says, line by line with the seconds since it began."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import click

_BUILD_STEPS = ("building ", "image:")
_MOST_SHOWN = 40
F = TypeVar("F", bound=Callable[..., Any])


def progress_options(function: F) -> F:
    """Adds `-v` and `-q` as `verbose` and `quiet`."""
    quiet = click.option("-q", "--quiet", is_flag=True, help="Say nothing but the result and errors.")
    verbose = click.option("-v", "--verbose", is_flag=True, help="Show every line of a build.")
    return verbose(quiet(function))


class Printer:
    """Prints an operation's events to stderr; called with an event's kind and text.

    Lines of a build go to a file (`log`) and are only counted, unless `verbose`, or the operation fails: then the last
    of them are printed as the context ends.
    """

    def __init__(self, *, verbose: bool = False, quiet: bool = False, log: Path | None = None) -> None:
        self._began = time.monotonic()
        self._verbose = verbose
        self._quiet = quiet
        self._log = log or _build_log(os.environ.get("XDG_CACHE_HOME"))
        self._is_building = False
        self._kept: list[str] = []

    def __enter__(self) -> Printer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        if kind is None or not self._kept:
            return
        for line in self._kept[-_MOST_SHOWN:]:
            self._print_line(line)
        self._write_kept()

    def __call__(self, kind: str, text: str) -> None:
        if kind != "step":
            if self._is_building and not self._verbose:
                self._kept.append(text)
            elif not self._quiet:
                self._print_line(text)
            return
        self._end_of_build()
        self._is_building = text.startswith(_BUILD_STEPS)
        if not self._quiet:
            click.echo(f"{self._seconds()} {text}", err=True)

    def end(self, text: str) -> None:
        """The last line."""
        self._end_of_build()
        if not self._quiet:
            click.echo(f"{self._seconds()} {text}", err=True)

    def _end_of_build(self) -> None:
        count = len(self._kept)
        if count and self._write_kept() and not self._quiet:
            lines = "one line" if count == 1 else f"{count} lines"
            click.secho(f"        | {lines} of the build: {self._log} (-v shows them)", dim=True, err=True)
        self._kept = []
        self._is_building = False

    def _write_kept(self) -> bool:
        """Whether the lines could be kept; a disk without room is no reason to fail."""
        with suppress(OSError):
            self._log.parent.mkdir(parents=True, exist_ok=True)
            self._log.write_text("\n".join([*self._kept, ""]), encoding="utf-8", errors="replace")
            self._log.chmod(0o600)
            return True
        return False

    def _print_line(self, text: str) -> None:
        click.secho(f"        | {text}", dim=True, err=True)

    def _seconds(self) -> str:
        return f"{time.monotonic() - self._began:6.1f}s"


def _build_log(cache_home: str | None) -> Path:
    return Path(cache_home or Path.home() / ".cache") / "amlemu" / "last-build.log"
