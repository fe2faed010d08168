"""Logs of lines."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from no_room import limited_files

from emulator.store.lines import LineReader, LineWriter


def no_sleep(_seconds: float) -> None:
    raise AssertionError("nothing is waited for")


def read(path: Path, tail: int | None = None) -> list[str]:
    return list(LineReader(path, tail, False, no_sleep))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "log"
    path.write_text("one\ntwo \u2028 still two\nthree\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(("tail", "count"), [(None, 3), (0, 0), (1, 1), (2, 2), (9, 3)])
def test_the_last_lines(path: Path, tail: int | None, count: int) -> None:
    lines = ["one", "two \u2028 still two", "three"]
    assert read(path, tail) == lines[3 - count :]


def test_a_line_that_is_being_written_is_waited_for(path: Path) -> None:
    with path.open("a") as file:
        file.write("fo")
        file.flush()
        assert read(path)[-1] == "three"
        file.write("ur\n")
    assert read(path)[-1] == "four"


def test_no_log_yet(tmp_path: Path) -> None:
    assert read(tmp_path / "none") == []


def follow(path: Path, sleep: Callable[[float], None], tail: int | None = None) -> LineReader:
    return LineReader(path, tail, True, sleep)


def test_following(path: Path) -> None:
    steps = iter(["four\n", "fi", "ve\nsix\n"])

    def sleep(_seconds: float) -> None:
        with path.open("a") as file:
            file.write(next(steps))

    lines = follow(path, sleep, tail=0)
    assert [next(lines) for _ in range(3)] == ["four", "five", "six"]


def test_following_a_file_that_appears_and_is_rotated(tmp_path: Path) -> None:
    path = tmp_path / "log"
    steps: list[Callable[[], object]] = [
        lambda: path.write_text("first line\n"),
        path.unlink,
        lambda: path.write_text("new\n"),
        lambda: path.write_text("n\n"),
    ]
    lines = follow(path, lambda _seconds: steps.pop(0)() and None)
    assert [next(lines) for _ in range(3)] == ["first line", "new", "n"]


def test_a_reader_that_waits_is_ended_by_another_thread(path: Path) -> None:
    lines = follow(path, time.sleep, tail=0)
    heard: list[str] = []
    thread = threading.Thread(target=lambda: heard.extend(lines))
    thread.start()
    lines.close()
    thread.join(5)
    assert not thread.is_alive()
    assert heard == []


def test_a_writer_keeps_a_log_for_each_key(tmp_path: Path) -> None:
    writer = LineWriter(lambda key: tmp_path / f"{key}.log")
    for n in range(3):
        writer.write("a", f"line {n}")
    writer.write("b", "é")
    assert read(tmp_path / "a.log") == ["line 0", "line 1", "line 2"]
    assert read(tmp_path / "b.log") == ["é"]


def test_a_log_that_grew_too_large_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    with path.open("wb") as file:
        file.truncate((32 << 20) + 1)
    writer = LineWriter(lambda _key: path)
    writer.write("a", "new")
    writer.write("a", "er")
    assert read(path) == ["new", "er"]
    assert (tmp_path / "a.log.1").stat().st_size > 32 << 20


def test_no_line_is_written_behind_a_half(tmp_path: Path) -> None:
    writer = LineWriter(lambda _key: tmp_path / "log")
    writer.write("x", "first")
    with limited_files(10), pytest.raises(OSError, match="File too large|No space left"):
        writer.write("x", "a line that does not fit")
    writer.write("x", "next")
    assert (tmp_path / "log").read_text() == "first\nnext\n"
