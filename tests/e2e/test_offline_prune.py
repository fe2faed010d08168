"""`prune` where no emulator runs: what one that was killed has left goes, and what was deployed comes back."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from amlemu_process import Environ, amlemu, json_of, temporary_environ, until
from projects import project


@pytest.fixture(scope="module")
def own() -> Iterator[Environ]:
    """A shell for an emulator that these tests kill, with an endpoint."""
    with temporary_environ() as environ:
        amlemu(environ, "deploy", "--name", "lasting", "--entry", project(Path(environ["AMLEMU_HOME"]).parent / "code"))
        yield environ


def containers(environ: Environ) -> list[str]:
    return sorted(path.name for path in Path(environ["AMLEMU_HOME"], "process/containers").glob("*") if path.is_dir())


def supervisors(environ: Environ) -> list[psutil.Process]:
    """The processes of the workspace's containers."""
    home = environ["AMLEMU_HOME"]
    return [p for p in psutil.process_iter(["cmdline"]) if any(home in word for word in p.info["cmdline"] or ())]


def shown(environ: Environ) -> Any:
    return json_of(environ, "show", "lasting")


def kill(environ: Environ) -> None:
    pid = int(json_of(environ, "status")["pid"])
    os.kill(pid, signal.SIGKILL)
    until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie", "the emulator dies")


def test_a_killed_emulators_containers_go_and_come_back_with_the_next(own: Environ) -> None:
    before, (container,) = shown(own), containers(own)
    kill(own)
    assert containers(own) == [container], "they go on when the emulator is killed"
    told = amlemu(own, "prune", "--dry-run").stdout
    assert told.startswith("container amlemu-lasting-blue-")
    assert told.count("\n") == 1
    assert containers(own) == [container]
    assert amlemu(own, "prune").stdout == told
    assert containers(own) == []
    assert supervisors(own) == []
    assert json_of_stopped(own) == {"running": False}, "no emulator was started for it"
    assert amlemu(own, "prune").stdout == ""
    amlemu(own, "up", "--detach")
    until(lambda: shown(own)["deployments"][0]["provisioning_state"] == "Succeeded", "it is brought back")
    after = shown(own)
    assert (after["scoring_uri"], after["deployments"]) == (before["scoring_uri"], before["deployments"])
    assert json.loads(amlemu(own, "invoke", "lasting", "--data", "{}").stdout)["answer"] == "first"


def json_of_stopped(environ: Environ) -> Any:
    return json.loads(amlemu(environ, "status", "-o", "json", code=3).stdout)


def test_a_running_emulator_keeps_its_containers(own: Environ) -> None:
    amlemu(own, "up", "--detach", code=None)
    until(lambda: shown(own)["deployments"][0]["provisioning_state"] == "Succeeded", "it serves")
    before = containers(own)
    assert amlemu(own, "prune").stdout == ""
    assert containers(own) == before != []
    assert amlemu(own, "invoke", "lasting", "--data", "{}").returncode == 0


def test_a_home_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    environ = {**os.environ, "AMLEMU_HOME": str(tmp_path / "home")}
    assert amlemu(environ, "prune").stderr == "0 were removed\n"
    assert not (tmp_path / "home").exists()
