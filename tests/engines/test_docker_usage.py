"""What containers of the Docker engine use: the kernel's files of both versions, the API's answers, events."""

from __future__ import annotations

import doctest
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from emulator.containers.usage import Usage
from emulator.engines.docker import oom_events
from emulator.engines.docker.oom_events import OomKills, nanoseconds
from emulator.engines.docker.usage import read_cgroup, usage_of_all, usage_of_stats

ID = "0123456789abcdef" * 4
OTHER = "f" * 64
MIB = 2**20


def write(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(f"{content}\n")


def version_1(root: Path, limit: int = 256 * MIB, place: str = f"docker/{ID}") -> None:
    write(
        root / "memory" / place,
        memory__usage_in_bytes=100 * MIB,
        memory__limit_in_bytes=limit,
        memory__max_usage_in_bytes=200 * MIB,
        memory__stat=f"cache 1\ntotal_cache 2\ntotal_inactive_file {30 * MIB}",
    )
    write(root / "cpuacct" / place, cpuacct__usage=2_500_000_000)


def version_2(root: Path, limit: object = 256 * MIB, place: str = f"system.slice/docker-{ID}.scope") -> None:
    write(
        root / place,
        cpu__stat="usage_usec 2500000\nuser_usec 1\nsystem_usec 2",
        memory__current=100 * MIB,
        memory__max=limit,
        memory__stat=f"anon 1\ninactive_file {30 * MIB}",
    )


# files


@pytest.mark.parametrize("place", [f"docker/{ID}", f"system.slice/docker-{ID}.scope"])
def test_both_versions_of_the_kernels_files(tmp_path: Path, place: str) -> None:
    version_1(tmp_path / "1", place=place)
    version_2(tmp_path / "2", place=place)
    assert read_cgroup(ID, tmp_path / "1") == Usage(2.5, 70 * MIB, 256 * MIB, 200 * MIB)
    assert read_cgroup(ID, tmp_path / "2") == Usage(2.5, 70 * MIB, 256 * MIB, None)
    write(tmp_path / "2" / place, memory__peak=150 * MIB)
    assert read_cgroup(ID, tmp_path / "2") == Usage(2.5, 70 * MIB, 256 * MIB, 150 * MIB)


def test_no_limit(tmp_path: Path) -> None:
    version_1(tmp_path / "1", limit=2**63 - 4096)
    version_2(tmp_path / "2", limit="max")
    for version in ("1", "2"):
        usage = read_cgroup(ID, tmp_path / version)
        assert usage is not None
        assert usage.memory_limit_bytes is None


@pytest.mark.parametrize("id", ["", "..", "../" * 4, ID[:12], ID.upper(), f"{ID}/x"])
def test_what_is_no_id_is_not_looked_for(tmp_path: Path, id: str) -> None:
    version_1(tmp_path)
    assert read_cgroup(id, tmp_path) is None


def test_files_that_are_not_there_or_not_whole(tmp_path: Path) -> None:
    assert read_cgroup(ID, tmp_path / "nowhere") is None
    version_1(tmp_path)
    (tmp_path / "cpuacct/docker" / ID / "cpuacct.usage").write_text("")
    assert read_cgroup(ID, tmp_path) is None
    (tmp_path / "cpuacct/docker" / ID / "cpuacct.usage").unlink()
    assert read_cgroup(ID, tmp_path) is None


def test_the_engine_is_asked_for_the_rest_at_the_same_time(tmp_path: Path) -> None:
    version_1(tmp_path)
    others = [f"{number:064x}" for number in range(20)]
    together = threading.Barrier(len(others))

    def ask(container_id: str) -> Usage | None:
        together.wait(10)
        return None if container_id == others[0] else Usage(1.0, 1)

    found = usage_of_all([ID, *others], ask, tmp_path)
    assert set(found) == {ID, *others[1:]}
    assert found[ID].memory_bytes == 70 * MIB


# the API


def stats(**memory: Any) -> dict[str, Any]:
    return {"cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000}}, "memory_stats": memory}


@pytest.mark.parametrize(
    ("answer", "usage"),
    [
        (
            stats(usage=100 * MIB, max_usage=200 * MIB, limit=256 * MIB, stats={"total_inactive_file": 30 * MIB}),
            Usage(2.5, 70 * MIB, 256 * MIB, 200 * MIB),
        ),
        (stats(usage=100 * MIB, limit=1024 * MIB, stats={"inactive_file": 30 * MIB}), Usage(2.5, 70 * MIB)),
        (stats(usage=100 * MIB), Usage(2.5, 100 * MIB)),
        (stats(usage=1, stats={"inactive_file": 2}), Usage(2.5, 0)),
        (stats(), None),
        ({}, None),
    ],
)
def test_what_the_engine_answers(answer: Mapping[str, Any], usage: Usage | None) -> None:
    assert usage_of_stats(answer, 1024 * MIB) == usage


# events


class Engine:
    """An engine's events and its clock, in seconds; `late` events are not yet written when it is asked."""

    def __init__(self) -> None:
        self.now = 100.0
        self.events: list[tuple[float, str]] = []
        self.asked: list[tuple[int, int]] = []

    def ask(self, since: int, until: int) -> list[Mapping[str, Any]]:
        self.asked.append((since, until))
        return [
            {"timeNano": int(at * 1e9), "Actor": {"ID": id}}
            for at, id in self.events
            if since <= int(at * 1e9) <= until
        ]

    def kills(self) -> OomKills:
        return OomKills(self.ask, lambda: int(self.now * 1e9))


def test_kills_are_counted_once() -> None:
    engine = Engine()
    engine.events.append((99.5, ID))
    kills = engine.kills()
    assert kills.counts() == {}, "what was before does not count"
    engine.events += [(101.0, ID), (101.5, OTHER), (101.5, ID)]
    for now in (102.0, 102.5, 103.5, 200.0):
        engine.now = now
        assert kills.counts() == {ID: 2, OTHER: 1}
    engine.events.append((200.0, ID))
    engine.now = 201.0
    assert kills.counts() == {ID: 3, OTHER: 1}


def test_an_event_that_was_written_late_is_found() -> None:
    engine = Engine()
    kills = engine.kills()
    engine.now = 110.0
    assert kills.counts() == {}
    engine.events.append((109.9, ID))
    engine.now = 111.0
    assert kills.counts() == {ID: 1}


def test_only_what_is_new_is_asked_for() -> None:
    engine = Engine()
    kills = engine.kills()
    engine.now = 5000.0
    kills.counts()
    engine.now = 5001.0
    kills.counts()
    assert engine.asked[-1] == (4998 * 10**9, 5001 * 10**9)


def test_a_clock_that_is_set_back_hides_nothing() -> None:
    engine = Engine()
    engine.now = 8000.0
    kills = engine.kills()
    assert kills.counts() == {}
    for now in (1000.0, 1001.0):
        engine.now = now
        assert kills.counts() == {}
    engine.events.append((1002.0, ID))
    engine.now = 1003.0
    assert kills.counts() == {ID: 1}
    assert all(since <= until for since, until in engine.asked), "the engine refuses a span that ends before it begins"


def test_moments() -> None:
    assert doctest.testmod(oom_events).failed == 0
    assert nanoseconds("2026-11-25T00:50:43.126300447Z") == 1795567843126300447
    assert nanoseconds("1970-01-01T00:00:00Z") == 0
    for text in ("", "now", "1970-01-01", "1970-01-01T00:00:00"):
        with pytest.raises(ValueError, match="is not a moment"):
            nanoseconds(text)
