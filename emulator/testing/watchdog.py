"""`python -m emulator.testing.watchdog PID FOLDER`: the emulator, for as long as the process that tests with it lives.

A test run that is killed ends nothing of its own.  So the emulator looks whether it is still there; when it is not, the
run's endpoints are deleted, the emulator ends as on SIGTERM, and the run's FOLDER goes.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from emulator.cli import run
from emulator.config import read_settings
from emulator.system.removal import remove_tree
from emulator.testing.run import Run

_LOOK_SECONDS = 0.5


def main(words: Sequence[str]) -> int:
    """Run the emulator; its exit code."""
    of_tests = Run(Path(words[1]), int(words[0]))
    owner = _process(of_tests.owner_pid)
    threading.Thread(target=_end_with, args=(owner, of_tests), name="guard", daemon=True).start()
    code = run(["up"])
    if not _is_alive(owner):
        remove_tree(of_tests.folder, ignore_errors=True)
    return code


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.Error:
        return None


def _is_alive(process: psutil.Process | None) -> bool:
    """Whether that very process runs; another that has its number by now, or one that has ended, does not."""
    try:
        return process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _end_with(owner: psutil.Process | None, of_tests: Run) -> None:
    while _is_alive(owner):
        time.sleep(_LOOK_SECONDS)
    of_tests.delete_endpoints(read_settings(os.environ, Path.cwd()))
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
