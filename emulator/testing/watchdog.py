"""`python -m emulator.testing.watchdog PID FOLDER`: the emulator, for as long as the process that tests with it lives.

A killed test run cannot clean up.  So the emulator watches its process; when that ends, it deletes the run's endpoints,
stops as on SIGTERM, and removes the run's FOLDER.
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
    """Run the emulator; return its exit code."""
    test_run = Run(Path(words[1]), int(words[0]))
    owner = _process(test_run.owner_pid)
    threading.Thread(target=_stop_after, args=(owner, test_run), name="guard", daemon=True).start()
    code = run(["up"])
    if not _is_alive(owner):
        remove_tree(test_run.folder, ignore_errors=True)
    return code


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.Error:
        return None


def _is_alive(process: psutil.Process | None) -> bool:
    """Return whether that very process runs, not another one with its id, nor a zombie."""
    try:
        return process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _stop_after(owner: psutil.Process | None, test_run: Run) -> None:
    while _is_alive(owner):
        time.sleep(_LOOK_SECONDS)
    test_run.delete_endpoints(read_settings(os.environ, Path.cwd()))
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
