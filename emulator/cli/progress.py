"""Progress of long operations: events with the seconds since the start, and a bar for uploads."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import click

from emulator.cli.output import say, size_text

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_MIN_BAR_BYTES = 4 << 20  # a smaller upload needs no bar
_BUILD_STEPS = ("building ", "image:")
_MOST_SHOWN = 40
F = TypeVar("F", bound=Callable[..., Any])


def progress_options(function: F) -> F:
    """Add `-v` and `-q` as the parameters `verbose` and `quiet`."""
    quiet = click.option("-q", "--quiet", is_flag=True, help="Print only the result and errors.")
    verbose = click.option("-v", "--verbose", is_flag=True, help="Show every line of a build.")
    return verbose(quiet(function))


class Printer:
    """Prints an operation's events to stderr; called with an event's kind and text.

    Lines of a build are written to a file (`log`) and only counted, unless `verbose`; if the operation fails, the last
    of them are printed.
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
        """Print the last line."""
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
        """Write the lines to the log; return whether that worked, as a full disk is no reason to fail."""
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


class UploadBar:
    """A bar for each upload on a terminal, else a line at its end; called with name, bytes received and total."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._begun: set[str] = set()

    def __call__(self, what: str, sent: int, total: int) -> None:
        if total < _MIN_BAR_BYTES:
            return
        if sent >= total and what not in self._begun:
            say(f"{what}: {size_text(total)}, there already")
        elif sys.stderr.isatty():
            self._show(what, sent, total)
        elif sent >= total:
            say(f"{what}: {size_text(total)} sent")
        self._begun = self._begun | {what} if sent < total else self._begun - {what}

    def _show(self, what: str, sent: int, total: int) -> None:
        if self._progress is None:
            self._progress = _new_progress()
            self._progress.start()
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total)
        self._progress.update(self._tasks[what], completed=sent)
        if sent >= total:
            self._progress.stop()
            self._progress, self._tasks = None, {}


def _new_progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("sending {task.description}"), BarColumn(), DownloadColumn())
    return Progress(*columns, TransferSpeedColumn(), TimeRemainingColumn(), console=Console(stderr=True))
