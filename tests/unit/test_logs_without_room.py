"""Logs on a full disk, and those of endpoints that are gone."""

from __future__ import annotations

from pathlib import Path

import pytest
from no_room import limited_files, small_disk

from emulator.errors import OutOfQuota
from emulator.store.logs import Logs


def test_lines_of_a_build_that_have_no_room_are_lost(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    with logs.build("a" * 64) as keep:
        keep("first")
        with limited_files(10):
            keep("a line that does not fit")
        keep("last")
    (log,) = (tmp_path / "logs").iterdir()
    assert log.read_text().startswith("first\n")


def test_a_build_whose_log_has_no_room_is_told(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 1, inodes=2) as disk:  # its root and one folder
        logs = Logs(disk)
        with pytest.raises(OutOfQuota) as told, logs.build("b" * 64):
            pytest.fail("it was opened")
        assert told.value.target == "log of build bbbbbbbbbbbb"


def test_only_logs_of_endpoints_that_are_there_are_kept(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    folder = tmp_path / "logs"
    kept = ["build-0123456789abcdef.log", "iris.requests.jsonl", "iris.requests.jsonl.1", "iris.events.jsonl",
            "iris.blue.failed.log", "unknown.txt"]  # fmt: skip
    gone = ["ir.requests.jsonl", "iris-2.events.jsonl", "iris-2.events.jsonl.1", "old.insights.jsonl",
            "old.blue.failed.log"]  # fmt: skip
    for name in (*kept, *gone):
        (folder / name).touch()
    logs.keep_only({"iris"})
    assert sorted(path.name for path in folder.iterdir()) == sorted(kept)
