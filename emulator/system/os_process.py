"""Identify processes by id and start time, because ids are reused."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class ProcessFacts:
    """A process: its id, when it started (the kernel's ticks, or seconds where there is no /proc), in which boot."""

    pid: int
    started: float
    boot: str


def is_same_process(recorded: ProcessFacts, found: ProcessFacts | None) -> bool:
    """Return whether the process that has the recorded id now, None when there is none, is the recorded one."""
    return found is not None and found == recorded


def read_facts(pid: int) -> ProcessFacts | None:
    """Return the facts of a living process; None when there is none with that id, or only a zombie."""
    if sys.platform == "linux":
        return _read_proc(pid)
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return ProcessFacts(pid, process.create_time(), "")
    except psutil.Error:
        return None


def _read_proc(pid: int) -> ProcessFacts | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    # proc(5): the second field may hold anything; the state follows it, the start time is field 22.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else ProcessFacts(pid, int(fields[19]), boot)


def is_alive(recorded: ProcessFacts) -> bool:
    """Return whether the recorded process still runs; a child of ours that has ended is reaped."""
    if is_same_process(recorded, read_facts(recorded.pid)):
        return True
    reap(recorded.pid)
    return False


def reap(pid: int) -> None:
    """Take an ended child off the process table; nothing when it is not a child of this process."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def send_signal(recorded: ProcessFacts, number: signal.Signals) -> bool:
    """Signal the recorded process and no other; False when it is gone."""
    try:
        if not hasattr(os, "pidfd_open"):
            alive = is_alive(recorded)
            if alive:
                os.kill(recorded.pid, number)
            return alive
        with _PidDescriptor(recorded.pid) as descriptor:
            # From here on the id can not pass to another process unnoticed.
            if not is_alive(recorded):
                return False
            signal.pidfd_send_signal(descriptor, number)
            return True
    except (ProcessLookupError, PermissionError):
        return False


def wait_until_gone(recorded: ProcessFacts, seconds: float) -> bool:
    """Wait at most `seconds` for the recorded process to end; whether it has."""
    deadline = time.monotonic() + seconds
    while is_alive(recorded):
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        _wait_a_while(recorded, left)
    return True


def _wait_a_while(recorded: ProcessFacts, seconds: float) -> None:
    if not hasattr(os, "pidfd_open"):
        time.sleep(min(seconds, 0.02))
        return
    try:
        with _PidDescriptor(recorded.pid) as descriptor:
            if is_alive(recorded):
                poll = select.poll()
                poll.register(descriptor, select.POLLIN)
                poll.poll(seconds * 1000)
    except ProcessLookupError:
        pass


class _PidDescriptor:
    """A descriptor that means one process, also after its id has been reused."""

    def __init__(self, pid: int) -> None:
        self._descriptor = os.pidfd_open(pid)

    def __enter__(self) -> int:
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def kill_all_marked(variable: str, value: str) -> None:
    """Kill every process of this user that has `variable=value` in its environment."""
    for _ in range(10):  # one that is about to fork may need a second look
        if not _kill_marked(variable, value):
            return


def _kill_marked(variable: str, value: str) -> int:
    killed = 0
    for process in psutil.process_iter():
        try:
            if process.environ().get(variable) == value:
                process.kill()
                killed += 1
        except (psutil.Error, OSError):
            continue
    return killed
