"""Run a child process to its end, line by line, or end it with all that it has started when its work is canceled."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from emulator.errors import OperationCanceled
from emulator.system.child_environment import Child, child_environment
from emulator.system.os_process import kill_all_marked

# In the environment of every program that builds for a workspace: its emulator may be killed before it ends.
_BUILD_MARK = "AMLEMU_BUILD_OF"
_GRACE_SECONDS = 3.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class ChildCommand:
    """A command, the kind of child that it is, and what it is given.

    Of `variables` it gets those that such a child may have, of `extra_variables` all.
    """

    words: Sequence[str]
    child: Child
    variables: Mapping[str, str] = field(repr=False)
    extra_variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    working_dir: Path | None = None
    stdin: str | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The program's name."""
        return Path(self.words[0]).name


def run_child(
    command: ChildCommand, log: Callable[[str], None], canceled: threading.Event, *, merge_output: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run `command` to its end; each line of its stderr goes to `log`.

    With `merge_output` its stdout and stderr are one, whose lines go to `log` as they come.  Raises OSError when the
    command cannot be started, and OperationCanceled soon after `canceled` is set.
    """
    if canceled.is_set():
        raise OperationCanceled(f"{command.name} was not started: the operation was interrupted")
    process = subprocess.Popen(
        list(command.words),
        cwd=command.working_dir,
        env=child_environment(command.child, command.variables, **command.extra_variables),
        stdin=subprocess.DEVNULL if command.stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if merge_output else subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    ended = threading.Event()
    out: list[str] = []
    logged: list[str] = []
    beside = [threading.Thread(target=_end_when_canceled, args=(process, canceled, ended), daemon=True)]
    if not merge_output:
        beside.append(threading.Thread(target=out.extend, args=(process.stdout,), daemon=True))
    if process.stdin is not None:
        beside.append(threading.Thread(target=_feed, args=(process.stdin, command.stdin or ""), daemon=True))
    with process:
        for thread in beside:
            thread.start()
        try:
            _read(process.stdout if merge_output else process.stderr, logged, log)
            process.wait()
        finally:
            ended.set()
            for thread in beside:
                thread.join()
    if canceled.is_set():
        raise OperationCanceled(f"{command.name} was interrupted")
    stdout, stderr = (logged, []) if merge_output else (out, logged)
    return subprocess.CompletedProcess(command.words, process.returncode, "".join(stdout), "".join(stderr))


def _read(stream: Iterable[str] | None, lines: list[str], log: Callable[[str], None]) -> None:
    for line in stream or ():
        lines.append(line)
        log(line.rstrip("\r\n"))


def _feed(pipe: IO[str], text: str) -> None:
    with contextlib.suppress(BrokenPipeError), pipe:  # the exit code says why the child did not read
        pipe.write(text)


def _end_when_canceled(process: subprocess.Popen[str], canceled: threading.Event, ended: threading.Event) -> None:
    while not ended.wait(_POLL_SECONDS):
        if canceled.is_set():
            _signal_group(process, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE_SECONDS)
            if sys.platform != "win32":
                # Also what the child has started, which may outlive it and hold its pipes open.
                _signal_group(process, signal.SIGKILL)
            return


def _signal_group(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """Signal the child and all that it has started, as it leads a session of its own."""
    with contextlib.suppress(ProcessLookupError):
        if sys.platform == "win32":
            process.terminate()
        else:
            os.killpg(process.pid, number)


def marked(variables: Mapping[str, str], workspace_id: str) -> dict[str, str]:
    """Return the variables of programs that build for that workspace."""
    return {**variables, _BUILD_MARK: workspace_id}


def end_orphaned_builds(workspace_id: str) -> None:
    """Kill every program that builds for that workspace; call it only before anything is built.

    A build (uv, docker, the solver of conda packages) outlives a killed emulator, and would write into the folder of
    the next build of the same environment.
    """
    kill_all_marked(_BUILD_MARK, workspace_id)
