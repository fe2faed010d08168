"""A scoring script that fills the disk is ended on the process engine, however it hides what it writes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
from amlemu_process import Environ, amlemu, json_of, temporary_environ, until
from projects import project

from emulator.config import read_settings
from emulator.containers.size import DefaultLimits
from emulator.engines.process.disk import DiskGuard, DiskShare, Uncountable, reserved_bytes, written_bytes
from emulator.errors import BadArgument
from emulator.system.removal import remove_tree

MIB, GIB = 2**20, 2**30


def fill(path: Path, size: int = 4 * MIB) -> None:
    with path.open("wb") as file:
        file.write(b"x" * size)
        os.fsync(file.fileno())


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "own"
    folder.mkdir()
    yield folder
    remove_tree(folder)


def counted(own: Path, **more: Any) -> int:
    return written_bytes(DiskShare(GIB, (str(own),)), [os.getpid()], **more)


def test_files_count_by_what_they_take(own: Path, tmp_path: Path) -> None:
    fill(own / "plain")
    os.link(own / "plain", own / "again")
    with (own / "sparse").open("wb") as sparse:
        sparse.truncate(GIB)
    fill(tmp_path / "elsewhere", 16 * MIB)
    (own / "link").symlink_to(tmp_path / "elsewhere")
    (own / "up").symlink_to(tmp_path)
    (own / "loop").symlink_to(own)
    os.mkfifo(own / "pipe")
    assert 4 * MIB <= counted(own) < 5 * MIB


def test_a_file_below_the_longest_path_is_found(own: Path) -> None:
    here = os.open(own, os.O_RDONLY)
    try:
        for number in range(60):  # 12,000 characters, three times what a path may have
            name = f"{number:0200}"
            os.mkdir(name, dir_fd=here)
            below = os.open(name, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
        descriptor = os.open("hidden", os.O_CREAT | os.O_WRONLY, dir_fd=here)
        os.write(descriptor, b"x" * 4 * MIB)
        os.fsync(descriptor)
        os.close(descriptor)
    finally:
        os.close(here)
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert counted(own) >= 4 * MIB
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_file_that_was_deleted_and_is_written_on_is_found(own: Path) -> None:
    fill(own / "gone")
    with (own / "gone").open("rb"):
        (own / "gone").unlink()
        assert 4 * MIB <= counted(own) < 5 * MIB
    assert counted(own) < MIB


def test_what_cannot_be_counted_is_too_much(own: Path) -> None:
    for number in range(50):
        (own / f"{number}").touch()
    with pytest.raises(Uncountable, match="more than 20 files"):
        counted(own, most_entries=20)
    assert counted(own, most_entries=5_000) < MIB


def test_of_a_layout_counts_what_was_changed_since(own: Path, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    layout.mkdir()
    fill(layout / "model.bin")
    time.sleep(0.05)
    share = DiskShare(GIB, (str(own),), str(layout), time.time())
    assert written_bytes(share, []) < MIB
    fill(layout / "added.bin")
    os.utime(layout / "added.bin", (1, 1))
    assert 4 * MIB <= written_bytes(share, []) < 5 * MIB


def look(own: Path, limits: Mapping[str, int], free: int = 100 * GIB) -> dict[str, str]:
    """Who is ended, and why, of containers each with a folder of its name."""
    ended: dict[str, str] = {}
    shares = {name: DiskShare(most, (str(own / name),)) for name, most in limits.items()}
    supervisor: Callable[[str], int] = lambda _name: 2**22 + 1  # noqa: E731 - nobody has that id
    DiskGuard(own, lambda: shares, supervisor, ended.__setitem__, lambda _disk: (free, 40 * MIB)).look()
    return ended


def test_the_guard_ends_who_has_too_much_and_nobody_else(own: Path) -> None:
    for name, size in (("honest", MIB), ("filler", 5 * MIB)):
        (own / name).mkdir()
        fill(own / name / "file", size)
    ended = look(own, {"honest": 4 * MIB, "filler": 4 * MIB, "removed meanwhile": 4 * MIB})
    assert ended == {"filler": "it wrote more than 4 MiB to the disk (the limit is container_disk, 4 MiB)"}


def test_when_the_disk_is_full_the_largest_goes(own: Path) -> None:
    for name, size in (("small", MIB), ("large", 6 * MIB), ("larger", 7 * MIB)):
        (own / name).mkdir()
        fill(own / name / "file", size)
    limits = dict.fromkeys(("small", "large", "larger"), GIB)
    assert reserved_bytes(40 * MIB) == 2 * MIB
    assert look(own, limits) == {}
    ended = look(own, limits, free=MIB)
    assert list(ended) == ["larger"]
    assert "less than 2 MiB left" in ended["larger"]
    assert look(own, {"small": GIB}, free=MIB) == {}, "a disk that others have filled is not its fault"


@pytest.mark.parametrize(
    ("text", "size"), [("auto", None), ("none", 0), ("0", 0), ("20g", 20 * GIB), ("64m", 64 * MIB)]
)
def test_the_setting(tmp_path: Path, text: str, size: int | None) -> None:
    environ = {"AMLEMU_HOME": str(tmp_path), "HOME": str(tmp_path)}
    assert read_settings({**environ, "AMLEMU_CONTAINER_DISK": text}, tmp_path).container_disk == size
    (tmp_path / "amlemu.toml").write_text(f'container_disk = "{text}"')
    assert read_settings(environ, tmp_path).container_disk == size


@pytest.mark.parametrize("text", ["-1", "1m", "much", "1.5g", "9" * 40 + "g", "9" * 18 + "t"])
def test_a_setting_that_is_none_is_told_of(tmp_path: Path, text: str) -> None:
    environ = {"AMLEMU_HOME": str(tmp_path), "HOME": str(tmp_path), "AMLEMU_CONTAINER_DISK": text}
    with pytest.raises(BadArgument, match="AMLEMU_CONTAINER_DISK"):
        read_settings(environ, tmp_path)


def test_the_default_is_one_that_no_honest_script_notices() -> None:
    assert DefaultLimits().disk_on(0) == 10 * GIB
    assert DefaultLimits().disk_on(200 * GIB) == 100 * GIB
    assert DefaultLimits(disk_bytes=0).disk_on(200 * GIB) is None


# A real emulator, with an honest script beside a hostile one


SCRIPT = """
import json, os, tempfile

KEPT = []

def fill(path, mebibytes, delete=False):
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    if delete:
        os.unlink(path)
        KEPT.append(descriptor)
    try:
        os.posix_fallocate(descriptor, 0, mebibytes << 20)
    except OSError as error:
        return type(error).__name__ + " " + error.strerror
    finally:
        if not delete:
            os.close(descriptor)
    return "done"

def init():
    for number in range(int(os.environ.get("FILL", 0))):
        fill(f"{tempfile.gettempdir()}/{number}", 100)
    if os.environ.get("FILL"):
        import time
        time.sleep(60)

def run(body):
    asked = json.loads(body)
    return [fill(f"{os.path.expanduser(folder)}/{number}", asked["mebibytes"], asked.get("delete", False))
            for folder in asked.get("folders", [tempfile.gettempdir()]) for number in range(asked.get("files", 1))]
"""


@pytest.fixture(scope="module")
def environ() -> Iterator[Environ]:
    with temporary_environ(AMLEMU_CONTAINER_DISK="1500m") as environ:
        amlemu(environ, "up", "--detach")
        yield environ


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return project(tmp_path_factory.mktemp("disk"), SCRIPT)


@pytest.fixture(scope="module")
def uris(environ: Environ, code: Path) -> dict[str, str]:
    words = ("--entry", code)
    return {
        name: str(json_of(environ, "deploy", "--name", name, *words)["scoring_uri"]) for name in ("honest", "filler")
    }


def score(environ: Environ, uris: Mapping[str, str], name: str, **body: Any) -> requests.Response:
    key = json_of(environ, "keys", name)["primaryKey"]
    return requests.post(uris[name], json=body, headers={"Authorization": f"Bearer {key}"}, timeout=60)


def events_of(environ: Environ, name: str) -> list[str]:
    told = amlemu(environ, "logs", name, "--events", code=None).stdout.splitlines()
    return [line for line in told if "container_disk" in line]


def test_an_honest_script_writes_a_gigabyte(environ: Environ, uris: dict[str, str]) -> None:
    assert score(environ, uris, "honest", mebibytes=1000).json() == ["done"]
    time.sleep(3)
    assert score(environ, uris, "honest", mebibytes=1).json() == ["done"]
    assert events_of(environ, "honest") == []


def test_one_file_ends_at_the_limit(environ: Environ, uris: dict[str, str]) -> None:
    assert score(environ, uris, "honest", mebibytes=1600).json() == ["OSError File too large"]


@pytest.mark.parametrize(
    "how",
    [{"files": 6}, {"files": 2, "folders": ["/tmp", "~", "/var/tmp"]}, {"files": 6, "delete": True}],
    ids=["one folder", "some in each", "deleted and held open"],
)
def test_a_filler_is_ended_and_told_of_and_others_serve_on(
    environ: Environ, uris: dict[str, str], how: dict[str, Any]
) -> None:
    told = len(events_of(environ, "filler"))
    until(lambda: score(environ, uris, "filler", mebibytes=1).status_code == 200, "it serves", 60)
    assert score(environ, uris, "filler", mebibytes=300, **how).json() == ["done"] * 6
    events = until(lambda: events_of(environ, "filler")[told:], "the event", 30)
    assert "it wrote more than 1.465 GiB to the disk (the limit is container_disk, 1.465 GiB)" in events[0]
    assert score(environ, uris, "honest", mebibytes=1).json() == ["done"]
    containers = Path(environ["AMLEMU_HOME"], "process/containers")
    taken = sum(file.lstat().st_blocks for file in containers.rglob("[0-9]") if file.is_file()) * 512
    assert taken < 1100 * MIB, "what it wrote is gone, what the honest one wrote is not"


def test_a_filler_in_init_fails_the_deployment(environ: Environ, code: Path) -> None:
    done = amlemu(environ, "deploy", "--name", "early", "--entry", code, "--env", "FILL=20", code=None)
    assert done.returncode not in (0, 1)
    told = " ".join((done.stdout + done.stderr).split())
    assert "the container was stopped: it wrote more than" in told
    assert "AMLEMU_CONTAINER_DISK" in told


def test_doctor_shows_the_limit(environ: Environ) -> None:
    (found,) = [one for one in json_of(environ, "doctor") if one["name"] == "engine process"]
    assert "up to 1.465 GiB each (AMLEMU_CONTAINER_DISK)" in found["found"]
