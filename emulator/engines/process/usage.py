"""Measure what a container uses: the sum over its supervisor and all processes below it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil

from emulator.containers.usage import Machine, Usage


def read_machine_size() -> Machine:
    """Return the processors and the memory of this machine."""
    return Machine(cpus=psutil.cpu_count() or 1, memory_bytes=psutil.virtual_memory().total)


def usage_of_all(supervisors: Mapping[str, int], disk: Path) -> dict[str, Usage]:
    """Return the usage of each container, given the process ids of their supervisors; those that ended are left out.

    One look at the process table serves all.  `disk` is where containers write.
    """
    children = _children()
    filled = shutil.disk_usage(disk)
    percent = 100.0 * filled.used / filled.total
    found = ((id, _usage(_tree(pid, children), percent)) for id, pid in supervisors.items())
    return {id: usage for id, usage in found if usage is not None}


def _children() -> dict[int, list[psutil.Process]]:
    """Return every process of this machine, by its parent."""
    found: dict[int, list[psutil.Process]] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            found.setdefault(process.ppid(), []).append(process)
    return found


def _tree(pid: int, children: Mapping[int, list[psutil.Process]]) -> list[psutil.Process]:
    try:
        found = [psutil.Process(pid)]
    except psutil.Error:
        return []
    for process in found:
        found.extend(children.get(process.pid, ()))
    return found


def _usage(processes: Iterable[psutil.Process], disk_percent: float) -> Usage | None:
    seconds, memory, alive = 0.0, 0, False
    for process in processes:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            # With what its own ended children have used, which nobody else counts any more.
            seconds += times.user + times.system + times.children_user + times.children_system
            memory += _memory(process)
            alive = True
    return Usage(seconds, memory, disk_percent=disk_percent) if alive else None


def _memory(process: psutil.Process) -> int:
    """Its own memory and its part of what it shares: workers share what was loaded before they were forked."""
    try:
        return int(process.memory_full_info().pss)
    except (psutil.AccessDenied, AttributeError):  # not the owner's; not on Linux
        return int(process.memory_info().rss)
