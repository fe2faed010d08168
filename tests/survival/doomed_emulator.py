"""amlemu as a program that dies where it is told to: the interpreter's own audit events count its steps.

A step is whatever changes the disk or starts a program.  SIGUSR1 makes it read a number from the file that
DOOM names; it kills itself before that step from then on, the first being 1, and never for 0.  SIGUSR2 makes it write
how many steps it has made since, into the same file.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

CHANGES = frozenset(
    {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.truncate",
     "shutil.rmtree", "shutil.copyfile", "subprocess.Popen", "os.posix_spawn"}
)  # fmt: skip
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT

_doom = Path(os.environ["DOOM"])
_steps, _fatal, _armed = 0, 0, False


def _count(event: str, arguments: tuple[Any, ...]) -> None:
    global _steps, _armed  # noqa: PLW0603 - an audit hook is as global as it gets
    if not _armed or not (event in CHANGES or (event == "open" and arguments[2] & WRITES)):
        return
    _steps += 1
    if _steps == _fatal:
        _armed = False
        os.kill(os.getpid(), signal.SIGKILL)


def _arm(_number: int, _frame: FrameType | None) -> None:
    global _steps, _fatal, _armed  # noqa: PLW0603
    _armed = False
    _fatal = int(_doom.read_text())
    _doom.unlink()
    _steps, _armed = 0, True


def _tell(_number: int, _frame: FrameType | None) -> None:
    global _armed  # noqa: PLW0603
    _armed = False
    new = _doom.with_suffix(".new")
    new.write_text(str(_steps))
    new.rename(_doom)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, _arm)
    signal.signal(signal.SIGUSR2, _tell)
    sys.addaudithook(_count)
    from emulator.__main__ import main

    main()
