"""A disk that is full: every command says so, nothing is half-made, what serves goes on, and room mends it all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from amlemu_process import Environ, amlemu, json_of, temporary_environ, until
from no_room import fill, small_disk
from projects import project, script
from serving import Serving
from test_killed_containers import kill_process


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with small_disk(tmp_path_factory.mktemp("disk") / "small", 200) as disk:
        yield disk


@pytest.fixture(scope="module")
def environ(disk: Path) -> Iterator[Environ]:
    with temporary_environ(AMLEMU_HOME=str(disk / "home")) as environ:
        yield environ


@pytest.fixture(scope="module")
def serving(environ: Environ, tmp_path_factory: pytest.TempPathFactory) -> Serving:
    return Serving(environ, "lasting", tmp_path_factory.mktemp("lasting"))


@pytest.fixture
def filler(disk: Path, serving: Serving) -> Iterator[Path]:
    """The disk is full as long as this file is there."""
    counts = {"process/containers/*/process.json": 1, "layouts/*/*/*": 1, "process/environments/*/compiled": 0}
    # What was replaced is removed in the background, and so is what compiling takes, which makes room.
    until(
        lambda: all(len(list((disk / "home").glob(p))) == count for p, count in counts.items()),
        "nothing else is removed",
        seconds=120,
    )
    filler = fill(disk)
    yield filler
    filler.unlink(missing_ok=True)


def no_room(environ: Environ, *words: str | Path) -> str:
    """What a command says that has no room."""
    told = amlemu(environ, *words, code=3).stderr
    assert "OutOfQuota" in told, told
    assert "space" in told, told
    assert "amlemu prune" in told or "AMLEMU_HOME" in told, "a hint says what to do"
    return told


def home_of(environ: Environ) -> dict[str, bytes]:
    """The documents of a home, but for what the system writes by itself."""
    home = Path(environ["AMLEMU_HOME"])
    return {
        str(path.relative_to(home)): path.read_bytes()
        for name in ("models", "endpoints", "environments", "layouts")
        for path in (home / name).rglob("*")
        if path.is_file()
    }


def register(environ: Environ, path: Path) -> Any:
    return json_of(environ, "model", "register", "--name", "m", "--path", path)


def test_a_model(environ: Environ, serving: Serving, filler: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(os.urandom(1_000_000))
    before = home_of(environ)
    no_room(environ, "model", "register", "--name", "m", "--path", path)
    assert json_of(environ, "model", "list") == []
    assert home_of(environ) == before
    assert not list(Path(environ["AMLEMU_HOME"]).glob("files/.adding-*"))
    assert serving.answer() == "first"
    filler.unlink()
    assert register(environ, path)["version"] == "1"


def test_a_deployment(environ: Environ, serving: Serving, filler: Path, tmp_path: Path) -> None:
    path = project(tmp_path / "code", script("second"))
    before, answer = home_of(environ), serving.answer()
    no_room(environ, "deploy", "--name", "new", "--entry", path)
    no_room(environ, "deploy", "--name", "lasting", "--entry", path)
    assert home_of(environ) == before
    assert (serving.answer(), serving.state()) == (answer, "Succeeded")
    filler.unlink()
    amlemu(environ, "deploy", "--name", "new", "--entry", path)
    assert serving.answer() == answer
    serving.deploy("third")
    assert serving.answer() == "third"
    amlemu(environ, "delete", "new", "--yes")


def test_operations_on_a_disk_that_fills_up(
    environ: Environ, serving: Serving, disk: Path, tmp_path: Path, filler: Path
) -> None:
    """There is room for the first steps, and then none any more."""
    answer = serving.answer()
    filler.unlink()
    fill(disk)
    with filler.open("r+b") as file:
        file.truncate(filler.stat().st_size - 60_000)
    code = project(tmp_path / "code", script("fourth"))
    (code.parent / "table.bin").write_bytes(os.urandom(200_000))
    no_room(environ, "deploy", "--name", "lasting", "--entry", code)
    until(lambda: serving.state() == "Failed", "the failure is written down")
    assert "the previous generation keeps serving" in serving.shown()["deployments"][0]["error"]["hint"]
    assert serving.answer() == answer
    filler.unlink()
    amlemu(environ, "deploy", "--name", "lasting", "--entry", code)
    assert (serving.answer(), serving.state()) == ("fourth", "Succeeded")


def test_the_emulators_own_documents(environ: Environ, serving: Serving, filler: Path) -> None:
    before = home_of(environ)
    no_room(environ, "keys", "lasting", "--regenerate", "primary")
    no_room(environ, "traffic", "lasting", "blue=0")
    assert home_of(environ) == before
    assert serving.answer()
    assert json_of(environ, "keys", "lasting") == serving.keys
    filler.unlink()
    serving.keys = json_of(environ, "keys", "lasting", "--regenerate", "primary")
    assert serving.answer()


def test_a_container_that_dies(environ: Environ, serving: Serving, filler: Path) -> None:
    before = serving.token()
    kill_process(environ)
    until(lambda: not serving.ask().ok, "its death is noticed")
    filler.unlink()
    assert serving.token() != before


def test_the_emulator_itself(environ: Environ, serving: Serving, disk: Path, filler: Path) -> None:
    amlemu(environ, "down")  # whose containers have taken some room
    fill(disk)
    told = amlemu(environ, "up", "--detach", code=3).stderr
    assert "the state folder cannot be written: No space left on device" in told
    assert "free some space" in told
    filler.unlink()
    amlemu(environ, "up", "--detach")
    assert serving.token()


def test_everything_can_be_deleted_without_room(environ: Environ, serving: Serving, filler: Path) -> None:
    amlemu(environ, "delete", "lasting", "--yes")
    assert json_of(environ, "list") == []
    amlemu(environ, "prune")
    assert not list(Path(environ["AMLEMU_HOME"]).glob("layouts/*/*/*"))
