"""How much of what is sent has arrived: a bar on a terminal, a line at the end where nobody watches."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from emulator.cli.output import say, size_text

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

# What takes no time needs no bar.
_SHOWN_BYTES = 4 << 20


class UploadBar:
    """One bar for each thing that is sent; called with its name, and how many of how many bytes have arrived."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._begun: set[str] = set()

    def __call__(self, what: str, sent: int, total: int) -> None:
        if total < _SHOWN_BYTES:
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
