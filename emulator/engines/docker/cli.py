"""Runs the docker command, line by line, until it ends or its caller no longer wants it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence

from emulator.engines import Log
from emulator.errors import EngineUnavailable, OperationCanceled
from emulator.system.child_environment import DOCKER, child_environment

RunCommand = Callable[[Sequence[str], Mapping[str, str], Log, threading.Event], int]
"""Runs a command with these variables beside those that Docker's command may have, its output line by line into the
log; returns its exit code.

Raises OperationCanceled soon after the event is set, and EngineUnavailable when there is no such command.
"""

_GRACE_SECONDS = 3.0
_POLL_SECONDS = 0.05


def run_command(args: Sequence[str], variables: Mapping[str, str], log: Log, canceled: threading.Event) -> int:
    """A RunCommand for this machine."""
    if canceled.is_set():
        raise OperationCanceled(f"{args[0]} was not started: the operation was interrupted")
    try:
        process = subprocess.Popen(
            list(args),
            env=child_environment(DOCKER, os.environ, **variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        message = f"the command '{args[0]}' cannot be run: {error.strerror}"
        raise EngineUnavailable(message, hint="install the Docker CLI; images are built with it") from error
    watcher = threading.Thread(target=_end_when_canceled, args=(process, canceled), daemon=True)
    with process:
        watcher.start()
        for line in process.stdout or ():
            log(line.rstrip("\r\n"))
        code = process.wait()
    watcher.join()
    if canceled.is_set():
        raise OperationCanceled(f"{args[0]} was interrupted")
    return code


def _end_when_canceled(process: subprocess.Popen[str], canceled: threading.Event) -> None:
    while process.poll() is None:
        if canceled.wait(_POLL_SECONDS):
            _signal(process, signal.SIGTERM)
            try:
                process.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                _signal(process, signal.SIGKILL)
            return


def _signal(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """To the whole group: the CLI starts its plugins as processes of their own."""
    try:
        if sys.platform == "win32":
            process.terminate()
        else:
            os.killpg(process.pid, number)
    except ProcessLookupError:
        pass  # it ended by itself in the meantime
