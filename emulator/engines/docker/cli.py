"""Run the docker command, logging its output line by line, until it ends or is canceled."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence

from emulator.engines import Log
from emulator.errors import EngineUnavailable
from emulator.system.child_environment import DOCKER
from emulator.system.child_process import ChildCommand, run_child

RunCommand = Callable[[Sequence[str], Mapping[str, str], Log, threading.Event], int]
"""Runs a command with these variables beside those that Docker's command may have, its output line by line into the
log; returns its exit code.

Raises OperationCanceled soon after the event is set, and EngineUnavailable when there is no such command.
"""


def run_command(args: Sequence[str], variables: Mapping[str, str], log: Log, canceled: threading.Event) -> int:
    """A RunCommand for this machine."""
    try:
        done = run_child(ChildCommand(args, DOCKER, os.environ, variables), log, canceled, merge_output=True)
    except OSError as error:
        message = f"the command '{args[0]}' cannot be run: {error.strerror}"
        raise EngineUnavailable(message, hint="install the Docker CLI; images are built with it") from error
    return done.returncode
