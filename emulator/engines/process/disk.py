"""Measure what containers of the process engine write to the disk, and end those that exceed their limit.

No quota of a file system is at hand for any user on any machine.  The kernel bounds each file of a container
(RLIMIT_FSIZE, see `process_isolation`); the sum is counted here, in blocks, over the folders that a container can write
to and over what it has opened and deleted, which no folder shows.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from emulator.containers.usage import size_text
from emulator.errors import EmulatorError

MOST_ENTRIES = 500_000
"""Of a container's files and folders: who has more is ended, for counting them costs everybody."""

# A look takes no more than a twentieth of the time, as long as that leaves a filler no more than the longest pause.
_SHORTEST_SECONDS, _LONGEST_SECONDS, _COST = 2.0, 10.0, 20
# So much of the disk is kept free: who has written more than that is ended when there is less.
_RESERVED_BYTES, _RESERVED_SHARE = 2**30, 20
# A longer path is followed from a folder that is held open; the kernel takes none of more than 4,096.
_LONG_PATH, _MOST_OPEN = 2000, 100
_BLOCK = 512
_OPEN = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESRCH}


@dataclass(frozen=True)
class DiskShare:
    """What a container may write: `most_bytes` in all.

    `folders` are its own alone; of `layout`, which its deployment's files were in before, only what was changed after
    `since`, a wall-clock time, is its doing.  '' is a layout that it cannot write to.
    """

    most_bytes: int
    folders: tuple[str, ...]
    layout: str = ""
    since: float = 0.0


class Uncountable(Exception):
    """What a container has written cannot be counted within bounds; the text says why."""


def reserved_bytes(total_bytes: int) -> int:
    """Return how much of a disk of that size is kept free.

    >>> reserved_bytes(500 * 2**30) // 2**20, reserved_bytes(10 * 2**30) // 2**20
    (1024, 512)
    """
    return min(_RESERVED_BYTES, total_bytes // _RESERVED_SHARE)


def written_bytes(share: DiskShare, processes: Iterable[int], most_entries: int = MOST_ENTRIES) -> int:
    """Return what a container whose processes these are has on the disk.  Raises Uncountable."""
    count = _Count(most_entries)
    for folder in share.folders:
        count.add(folder)
    if share.layout:
        count.add(share.layout, share.since)
    for process in processes:
        count.add_deleted(process)
    return count.bytes


class _Held:
    """A folder that is held open for as long as something below it is to be looked at."""

    def __init__(self, path: str, above: _Held | None) -> None:
        self.descriptor = -1
        self.depth: int = above.depth + 1 if above else 0
        if self.depth > _MOST_OPEN:
            raise Uncountable("it keeps folders of endless depth")
        self.descriptor = os.open(path, _OPEN, dir_fd=above.descriptor if above else None)

    def __del__(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)


class _Count:
    """A sum over folders, in which a file of several names counts once.

    Whatever changes meanwhile, no link is followed, and nothing is opened but folders.
    """

    def __init__(self, most_entries: int) -> None:
        self.bytes = 0
        self._most, self._entries = most_entries, 0
        self._seen: set[tuple[int, int]] = set()
        self._disks: set[int] = set()

    def add(self, folder: str, since: float = 0.0) -> None:
        """What lies in `folder`, at any depth; with `since` what was changed after that."""
        try:
            waiting = [(_Held(folder, None), "")]
        except OSError as error:
            self._pass_over(error)
            return
        self._disks.add(os.fstat(waiting[0][0].descriptor).st_dev)
        while waiting:
            held, path = waiting.pop()
            try:
                if len(path) > _LONG_PATH:
                    held, path = _Held(path, held), ""
                inside = self._list(held, path, since)
            except OSError as error:
                self._pass_over(error)
                continue
            waiting += [(held, f"{path}/{name}" if path else name) for name in inside]

    def _list(self, held: _Held, path: str, since: float) -> list[str]:
        """Count what lies in one folder; the names of its folders."""
        folders = []
        descriptor = os.open(path or ".", _OPEN, dir_fd=held.descriptor)
        try:
            with os.scandir(descriptor) as found:
                for entry in found:
                    self._step()
                    with contextlib.suppress(FileNotFoundError):
                        facts = entry.stat(follow_symlinks=False)
                        if facts.st_ctime >= since:
                            self._add(facts)
                        if stat.S_ISDIR(facts.st_mode):
                            folders.append(entry.name)
        finally:
            os.close(descriptor)
        return folders

    def add_deleted(self, process: int) -> None:
        """What a process has open, or mapped where that can be seen, and what has no name any more."""
        for kind in ("fd", "map_files"):
            with contextlib.suppress(OSError), os.scandir(f"/proc/{process}/{kind}") as found:
                for entry in found:
                    self._step()
                    with contextlib.suppress(OSError):
                        facts = entry.stat()
                        if stat.S_ISREG(facts.st_mode) and facts.st_nlink == 0 and facts.st_dev in self._disks:
                            self._add(facts)

    def _add(self, facts: os.stat_result) -> None:
        if facts.st_nlink != 1 and not stat.S_ISDIR(facts.st_mode):
            key = (facts.st_dev, facts.st_ino)
            if key in self._seen:
                return
            self._seen.add(key)
        self.bytes += facts.st_blocks * _BLOCK

    def _step(self) -> None:
        self._entries += 1
        if self._entries > self._most:
            raise Uncountable(f"it keeps more than {self._most:,} files")

    def _pass_over(self, error: OSError) -> None:
        if isinstance(error, PermissionError):
            raise Uncountable("it keeps folders that cannot be looked into") from error
        if error.errno not in _GONE:
            raise error


def _free_and_total(disk: Path) -> tuple[int, int]:
    found = shutil.disk_usage(disk)
    return found.free, found.total


class DiskGuard:
    """Looks at the containers of one workspace for as long as it has one emulator.

    `shares` says by container id who runs and what each may write, `supervisor` the process above all of one's own;
    `end` ends one, and takes the reason.  `disk` is a folder on the disk that they write to.
    """

    def __init__(
        self,
        disk: Path,
        shares: Callable[[], Mapping[str, DiskShare]],
        supervisor: Callable[[str], int],
        end: Callable[[str, str], None],
        free_and_total: Callable[[Path], tuple[int, int]] = _free_and_total,
    ) -> None:
        self._free_and_total = free_and_total
        self._disk, self._shares, self._supervisor, self._end = disk, shares, supervisor, end
        self._beginning = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    def begin(self) -> None:
        """Start measuring on a thread; do nothing if it is already running."""
        with self._beginning:
            if self._thread is None and not self._stopping.is_set():
                self._thread = threading.Thread(target=self._run, name="disk of containers", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Stop measuring."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        pause = _SHORTEST_SECONDS
        while not self._stopping.wait(pause):
            began = time.monotonic()
            with contextlib.suppress(OSError, EmulatorError):  # the disk is away for a moment
                self.look()
            pause = min(max(_SHORTEST_SECONDS, _COST * (time.monotonic() - began)), _LONGEST_SECONDS)

    def look(self) -> None:
        """Measure once, and end containers that have written too much."""
        written: dict[str, int] = {}
        for container_id, share in self._shares().items():
            with contextlib.suppress(OSError, EmulatorError):  # it is being removed
                reason = self._judge(container_id, share, written)
                if reason:
                    self._end(container_id, f"{reason} (the limit is container_disk, {size_text(share.most_bytes)})")
        self._keep_reserve(written)

    def _judge(self, container_id: str, share: DiskShare, written: dict[str, int]) -> str:
        try:
            count = written_bytes(share, _processes(self._supervisor(container_id)))
        except Uncountable as error:
            return str(error)
        if count > share.most_bytes:
            return f"it wrote more than {size_text(share.most_bytes)} to the disk"
        written[container_id] = count
        return ""

    def _keep_reserve(self, written: Mapping[str, int]) -> None:
        free, total = self._free_and_total(self._disk)
        reserve = reserved_bytes(total)
        largest = max(written, key=lambda id: written[id], default="")
        if free < reserve and largest and written[largest] > reserve:
            self._end(
                largest,
                f"it wrote {size_text(written[largest])} to the disk, more than any other container, and the disk has"
                f" less than {size_text(reserve)} left",
            )


def _processes(supervisor: int) -> list[int]:
    """Return all that run below the supervisor: orphans come to it, or to its child."""
    try:
        return [process.pid for process in psutil.Process(supervisor).children(recursive=True)]
    except psutil.Error:
        return []
