"""Disks without room: of a few megabytes, and a limit for the files of this process."""

from __future__ import annotations

import errno
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def limited_files(most_bytes: int) -> Iterator[None]:
    """No file of this process grows beyond that: the system refuses it as it refuses a full disk (EFBIG)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def small_disk(folder: Path, megabytes: int, inodes: int = 0) -> Iterator[Path]:
    """A disk of its own at `folder`, for so many files and folders, any number when 0;
    the test is skipped for a user who may not mount one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,nr_inodes={inodes}", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        deadline = time.monotonic() + 30
        while subprocess.run(["umount", folder], capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline, "somebody still uses the small disk"
            time.sleep(0.1)


def fill(disk: Path) -> Path:
    """Take the last byte of room; the file that has it."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError as error:
                assert error.errno == errno.ENOSPC, error
    return filler
