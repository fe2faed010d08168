"""One emulator per home."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from emulator.config.home_lock import HomeLock, read_holder
from emulator.errors import BadArgument


def test_the_error_names_the_holder(tmp_path: Path) -> None:
    first, second = HomeLock(tmp_path / "home"), HomeLock(tmp_path / "home")
    first.take({"url": "http://127.0.0.1:1", "version": "0"})
    with pytest.raises(BadArgument, match=f"process {os.getpid()} at http://127.0.0.1:1"):
        second.take({})
    assert read_holder(tmp_path / "home") == {"url": "http://127.0.0.1:1", "version": "0", "pid": os.getpid()}
    first.release()
    assert read_holder(tmp_path / "home") is None
    second.take({})
    second.release()
    second.release()


def test_two_homes_have_two_locks(tmp_path: Path) -> None:
    locks = [HomeLock(tmp_path / name) for name in ("a", "b")]
    for lock in locks:
        lock.take({})
    for lock in locks:
        lock.release()


def test_the_lock_ends_with_its_holder(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys; from emulator.config.home_lock import HomeLock;"
        " HomeLock(pathlib.Path(sys.argv[1])).take({})"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path], check=True)
    assert (tmp_path / "server.json").exists(), "who ends without giving it back leaves its name behind"
    assert read_holder(tmp_path) is None, "which says nothing any more"
    lock = HomeLock(tmp_path)
    lock.take({"url": "y"})
    assert lock.was_abandoned
    lock.release()
    lock.take({})
    assert not lock.was_abandoned
    lock.release()


def test_a_holder_file_with_a_reused_process_id(tmp_path: Path) -> None:
    (tmp_path / "server.json").write_text(json.dumps({"url": "http://127.0.0.1:1", "pid": os.getppid()}))
    assert read_holder(tmp_path) is None
    (tmp_path / "server.lock").touch()
    assert read_holder(tmp_path) is None


def test_reading_the_holder_does_not_block_the_lock(tmp_path: Path) -> None:
    asking, done = threading.Event(), threading.Event()

    def ask() -> None:
        while not done.is_set():
            read_holder(tmp_path)
            asking.set()

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        assert asking.wait(5)
        for _ in range(50):
            lock = HomeLock(tmp_path)
            lock.take({"url": "x"})
            holder = read_holder(tmp_path)
            assert holder is not None, "the note is there as a whole"
            lock.release()
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_a_broken_note_names_no_holder(tmp_path: Path, text: str) -> None:
    lock = HomeLock(tmp_path)
    lock.take({})
    (tmp_path / "server.json").write_text(text)
    assert read_holder(tmp_path) is None
    lock.release()


def test_a_home_that_cannot_be_created(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadArgument, match="the state folder cannot be written"):
        HomeLock(tmp_path / "file")
    with pytest.raises(BadArgument, match="the state folder cannot be written"):
        HomeLock(tmp_path / "file/below")
