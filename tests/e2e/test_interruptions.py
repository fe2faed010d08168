"""Deployments that do not come to their end: Ctrl-C, a killed emulator, a full disk, two at once."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from amlemu_process import Environ, amlemu, json_of, running, temporary_environ, until, until_said
from no_room import small_disk
from projects import project, script


def slow_script(seconds: float) -> str:
    """A script whose init() takes that long."""
    return script("slow").replace('print("init says hello")', f"import time; time.sleep({seconds})")


@pytest.fixture(scope="module")
def own() -> Iterator[Environ]:
    """A shell for an emulator that these tests may kill."""
    with temporary_environ() as environ:
        yield environ


@pytest.fixture(scope="module")
def endpoint(own: Environ, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An endpoint of that emulator, which serves throughout."""
    amlemu(own, "deploy", "--name", "lasting", "--entry", project(tmp_path_factory.mktemp("lasting") / "code"))
    return "lasting"


@pytest.fixture(scope="module")
def stuck() -> Iterator[Environ]:
    """A shell for an emulator whose package index accepts connections and never answers, so that builds go on."""
    with socket.socket() as index:
        index.bind(("127.0.0.1", 0))
        index.listen()
        url = f"http://127.0.0.1:{index.getsockname()[1]}/simple"
        with temporary_environ(UV_DEFAULT_INDEX=url, PIP_INDEX_URL=url) as environ:
            yield environ


def answer_of(environ: Environ, endpoint: str) -> Any:
    return json.loads(amlemu(environ, "invoke", endpoint, "--data", "{}").stdout)


def the_deployment(environ: Environ, endpoint: str) -> Any:
    (deployment,) = json_of(environ, "show", endpoint)["deployments"]
    return deployment


def left_in(environ: Environ) -> list[str]:
    """Containers, layouts and unfinished environments in a home."""
    home = Path(environ["AMLEMU_HOME"])
    patterns = ("process/containers/*", "layouts/*/*/*", "process/environments/.building-*")
    return [str(path.relative_to(home)) for pattern in patterns for path in home.glob(pattern) if path.is_dir()]


def pid_of(environ: Environ) -> int:
    return int(json_of(environ, "status")["pid"])


def kill_emulator(environ: Environ) -> None:
    pid = pid_of(environ)
    os.kill(pid, signal.SIGKILL)
    until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie", "the emulator dies")


# --- Ctrl-C ----------------------------------------------------------------------------------------------------------


def test_ctrl_c_during_a_build_leaves_nothing(stuck: Environ, folder: Path) -> None:
    with running(stuck, "deploy", "--name", "interrupted", "--entry", project(folder)) as (process, said):
        until_said(said, "building the environment")
        emulator = psutil.Process(pid_of(stuck))
        until(lambda: _runs_uv(emulator), "uv asks the index")
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 130
        assert said.read_text().endswith("interrupted\n")
        assert "Traceback" not in said.read_text()
    assert not _runs_uv(emulator)
    assert the_deployment(stuck, "interrupted")["provisioning_state"] == "Canceled"
    amlemu(stuck, "prune")
    assert left_in(stuck) == []
    amlemu(stuck, "delete", "interrupted", "--yes")


def _runs_uv(emulator: psutil.Process) -> bool:
    return any(child.name() == "uv" for child in emulator.children(recursive=True))


def test_ctrl_c_during_init_leaves_nothing(own: Environ, endpoint: str, folder: Path) -> None:
    before = left_in(own)
    path = project(folder, slow_script(60))
    with running(own, "deploy", "--name", "interrupted", "--entry", path) as (process, said):
        until_said(said, "waiting for the scoring server")
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 130
        assert said.read_text().endswith("interrupted\n")
    assert the_deployment(own, "interrupted")["provisioning_state"] == "Canceled"
    amlemu(own, "prune")
    assert left_in(own) == before
    amlemu(own, "delete", "interrupted", "--yes")


def test_an_interrupted_update_leaves_what_serves(own: Environ, endpoint: str, folder: Path) -> None:
    before, left = answer_of(own, endpoint), left_in(own)
    path = project(folder, slow_script(60))
    with running(own, "deploy", "--name", endpoint, "--entry", path) as (process, said):
        until_said(said, "waiting for the scoring server")
        assert answer_of(own, endpoint) == before
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 130
    assert answer_of(own, endpoint) == before
    assert the_deployment(own, endpoint)["provisioning_state"] == "Succeeded"
    assert left_in(own) == left


# --- two at once -----------------------------------------------------------------------------------------------------


def test_of_two_deploys_at_once_one_wins(own: Environ, endpoint: str, folder: Path) -> None:
    path = project(folder, slow_script(3))
    with running(own, "deploy", "--name", "contested", "--entry", path) as (first, said):
        until_said(said, "waiting for the scoring server")
        second = amlemu(own, "deploy", "--name", "contested", "--entry", path, code=2).stderr
        assert "OperationInProgress: another operation on endpoint 'contested' is in progress" in second
        assert "wait for it to end" in second
        assert "OperationInProgress" in amlemu(own, "delete", "contested", "--yes", code=2).stderr
        assert answer_of(own, endpoint)["answer"] == "first"  # others are not in its way
        assert first.wait(30) == 0, said.read_text()
    assert answer_of(own, "contested")["answer"] == "slow"
    amlemu(own, "delete", "contested", "--yes")


# --- a killed emulator -----------------------------------------------------------------------------------------------


def test_an_emulator_killed_during_init_leaves_what_served(own: Environ, endpoint: str, folder: Path) -> None:
    before = answer_of(own, endpoint)
    path = project(folder, slow_script(60))
    with (
        running(own, "deploy", "--name", endpoint, "--entry", path) as (update, update_said),
        running(own, "deploy", "--name", "orphan", "--entry", path) as (new, new_said),
    ):
        until_said(update_said, "waiting for the scoring server")
        until_said(new_said, "waiting for the scoring server")
        kill_emulator(own)
        for process, said in ((update, update_said), (new, new_said)):
            assert process.wait(15) == 3, said.read_text()
            assert "EngineUnavailable: the emulator stopped before" in said.read_text()
            assert "Traceback" not in said.read_text()
    settled = the_deployment(own, "orphan")
    assert settled["provisioning_state"] == "Failed"
    assert "the emulator ended" in settled["error"]["message"]
    assert the_deployment(own, endpoint)["provisioning_state"] == "Succeeded"
    assert answer_of(own, endpoint) == before
    amlemu(own, "delete", "orphan", "--yes")
    amlemu(own, "prune")
    assert len(left_in(own)) == 2, "one container and one layout of the endpoint that serves"


def test_an_emulator_killed_during_a_build_leaves_nothing_after_prune(stuck: Environ, folder: Path) -> None:
    with running(stuck, "deploy", "--name", "orphan", "--entry", project(folder)) as (process, said):
        until_said(said, "building the environment")
        emulator = psutil.Process(pid_of(stuck))
        until(lambda: _runs_uv(emulator), "uv asks the index")
        orphans = emulator.children(recursive=True)
        kill_emulator(stuck)
        assert process.wait(15) == 3, said.read_text()
    try:
        assert the_deployment(stuck, "orphan")["provisioning_state"] == "Failed"
        amlemu(stuck, "delete", "orphan", "--yes")
        amlemu(stuck, "prune")
        assert left_in(stuck) == []
    finally:
        for orphan in orphans:  # a uv whose emulator was killed waits for the index; nobody else will end it
            if orphan.is_running():
                orphan.kill()


# --- no room ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 16) as folder:
        yield folder


def test_a_full_disk_is_told_and_does_no_harm(disk: Path, tmp_path: Path, folder: Path) -> None:
    (tmp_path / "small.bin").write_bytes(os.urandom(1000))
    (tmp_path / "large.bin").write_bytes(os.urandom(30_000_000))
    with temporary_environ(AMLEMU_HOME=str(disk / "home")) as environ:
        amlemu(environ, "model", "register", "--name", "small", "--path", tmp_path / "small.bin", cwd=tmp_path)
        told = amlemu(environ, "model", "register", "--name", "large", "--path", tmp_path / "large.bin", code=3).stderr
        assert "OutOfQuota: there is no space left on the disk  [model large]" in told
        assert "AMLEMU_HOME chooses another disk" in told
        assert [model["name"] for model in json_of(environ, "model", "list")] == ["small"]

        words = ("deploy", "--name", "no-room", "--entry", project(folder))
        told = amlemu(environ, *words, code=3).stderr
        assert "OutOfQuota" in told
        assert "space" in told
        assert the_deployment(environ, "no-room")["provisioning_state"] == "Failed"
        amlemu(environ, "delete", "no-room", "--yes")
        amlemu(environ, "prune")
        assert left_in(environ) == []
        again = json_of(environ, "model", "register", "--name", "small", "--path", tmp_path / "small.bin")
        assert again["version"] == "2"
