"""Two emulators: on one home one of them is refused; on two homes and one engine neither sees the other."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from amlemu_process import AMLEMU, Environ, amlemu, json_of, temporary_environ, until
from serving import Serving


@pytest.fixture
def environ() -> Iterator[Environ]:
    with temporary_environ() as environ:
        yield environ


@contextmanager
def two_environs(engine: str) -> Iterator[tuple[Environ, Environ]]:
    """Two shells with ports of their own; the emulator of the first one runs."""
    with temporary_environ(engine) as one:
        amlemu(one, "up", "--detach")
        with temporary_environ(engine) as two:
            yield one, two


def pid_of(environ: Environ) -> int:
    return int(json_of(environ, "status")["pid"])


def kill_emulator(environ: Environ) -> None:
    process = psutil.Process(pid_of(environ))
    process.kill()
    until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, "the emulator dies")


def emulators_of(environ: Environ) -> list[int]:
    """The processes that are the emulator of a home, by what they were told."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cmdline()[-2:] == ["emulator", "up"] and process.environ()["AMLEMU_HOME"] == home(environ):
                found.append(process.pid)
        except (psutil.Error, KeyError):
            continue
    return found


def home(environ: Environ) -> str:
    return environ["AMLEMU_HOME"]


# --- one home --------------------------------------------------------------------------------------------------------


def test_a_second_emulator_is_refused_and_the_first_serves_on(environ: Environ) -> None:
    amlemu(environ, "up", "--detach")
    pid = pid_of(environ)
    told = amlemu(environ, "up", code=2).stderr
    assert f"BadArgument: an emulator is running already: process {pid} at http://127.0.0.1:" in told
    assert f"AMLEMU_HOME {home(environ)}" in told
    other_port = environ | {"AMLEMU_PORT": str(int(environ["AMLEMU_PORT"]) + 5)}
    assert f"process {pid}" in amlemu(other_port, "up", code=2).stderr
    assert pid_of(environ) == pid


def test_of_many_that_start_at_once_one_runs_and_serves_all(environ: Environ) -> None:
    words = [("up", "--detach"), ("up", "--detach"), ("model", "list"), ("list",)]
    with ThreadPoolExecutor(len(words)) as pool:
        ended = list(pool.map(lambda those: amlemu(environ, *those, code=None), words))
    assert [done.returncode for done in ended] == [0] * len(words), [done.stderr for done in ended]
    until(lambda: len(emulators_of(environ)) == 1, "those that came too late end")
    assert emulators_of(environ) == [pid_of(environ)]


def test_a_note_that_names_another_program() -> None:
    """What a killed emulator has left behind: its process id and its port are others' by now."""
    with two_environs("process") as (other, environ):
        Path(home(environ)).mkdir()
        note = {"url": f"http://127.0.0.1:{other['AMLEMU_PORT']}", "pid": os.getpid(), "version": "0"}
        (Path(home(environ)) / "server.json").write_text(json.dumps(note))
        assert "no emulator answers" in amlemu(environ, "status", code=3).stderr
        assert "no emulator runs" in amlemu(environ, "down").stderr
        amlemu(environ, "up", "--detach")
        status = json_of(environ, "status")
        assert (status["home"], status["pid"]) != (home(other), os.getpid())
        assert json_of(other, "status")["home"] == home(other)


def test_a_build_ends_with_the_next_emulator(environ: Environ) -> None:
    """Nobody waits any more for what a killed emulator was building."""
    amlemu(environ, "up", "--detach")
    workspace = json_of(environ, "status")["workspace_id"]
    with (
        subprocess.Popen(["sleep", "600"], env={"AMLEMU_BUILD_OF": workspace}) as build,
        subprocess.Popen(["sleep", "600"], env={"AMLEMU_BUILD_OF": "another"}) as foreign,
    ):
        try:
            kill_emulator(environ)
            assert (build.poll(), foreign.poll()) == (None, None)
            amlemu(environ, "up", "--detach")
            assert build.wait(5) == -signal.SIGKILL
            assert foreign.poll() is None
        finally:
            build.kill()
            foreign.kill()


def test_a_newer_home_is_refused(environ: Environ) -> None:
    amlemu(environ, "up", "--detach")
    amlemu(environ, "down")
    document = Path(home(environ)) / "workspace.json"
    document.write_text(json.dumps({**json.loads(document.read_text()), "format": 99}))
    told = subprocess.run([*AMLEMU, "up"], env=environ, capture_output=True, text=True, check=False)
    assert told.returncode == 2, told.stderr
    assert "this home was made by a newer amlemu: its format is 99" in told.stderr
    assert "update amlemu" in told.stderr


# --- two homes -------------------------------------------------------------------------------------------------------


@pytest.mark.docker
def test_two_homes_on_one_engine_do_not_meet(tmp_path: Path) -> None:
    with two_environs("docker") as (one, two):
        with ThreadPoolExecutor(2) as pool:  # at the same moment, with the same name and the same environment
            first, second = pool.map(lambda those: Serving(those, "iris", folder_of(tmp_path, those)), (one, two))
        tokens = first.token(), second.token()
        assert tokens[0] != tokens[1]
        kill_emulator(one)
        amlemu(two, "prune")
        amlemu(two, "down")
        amlemu(two, "up", "--detach")
        second.token()
        amlemu(one, "up", "--detach")
        assert first.token() == tokens[0], "the other one has not touched its container"
        amlemu(two, "delete", "iris", "--yes")
        amlemu(two, "prune")
        assert (first.token(), first.state()) == (tokens[0], "Succeeded")
        assert images_of(two) == [], "what it built and nobody uses is gone"


def folder_of(tmp_path: Path, environ: Environ) -> Path:
    return tmp_path / environ["AMLEMU_PORT"]


def images_of(environ: Environ) -> list[Any]:
    import docker

    client = docker.from_env()
    try:
        used = {container.attrs["Image"] for container in client.containers.list()}
        label = f"amlemu.built_by={json_of(environ, 'status')['workspace_id']}"
        return [image for image in client.images.list(filters={"label": label}) if image.id not in used]
    finally:
        client.close()
