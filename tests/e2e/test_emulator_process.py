"""The emulator's own process: it comes back, survives its terminal, and can be killed without harm."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from amlemu_process import AMLEMU, Environ, amlemu, json_of, running, temporary_environ, until, until_said
from projects import project


@pytest.fixture(scope="module")
def own() -> Iterator[Environ]:
    """A shell for an emulator that these tests may end."""
    with temporary_environ() as environ:
        yield environ


@pytest.fixture(scope="module")
def endpoint(own: Environ, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An endpoint of that emulator."""
    amlemu(own, "deploy", "--name", "lasting", "--entry", project(tmp_path_factory.mktemp("lasting") / "code"))
    return "lasting"


def answer_of(environ: Environ, endpoint: str) -> Any:
    return json.loads(amlemu(environ, "invoke", endpoint, "--data", "{}").stdout)


def serving(environ: Environ, endpoint: str) -> Any:
    """The endpoint's document once all of it has succeeded."""

    def succeeded() -> Any:
        document = json_of(environ, "show", endpoint)
        return document if {d["provisioning_state"] for d in document["deployments"]} == {"Succeeded"} else None

    return until(succeeded, "the deployments come back")


def pid_of(environ: Environ) -> int:
    return int(json_of(environ, "status")["pid"])


def has_ended(pid: int) -> bool:
    """Whether the process is gone; one that nobody has waited for is a zombie."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_down_and_up_bring_everything_back(own: Environ, endpoint: str) -> None:
    document, keys, answer = serving(own, endpoint), json_of(own, "keys", endpoint), answer_of(own, endpoint)
    pid = pid_of(own)
    assert "stopped" in amlemu(own, "down").stderr
    until(lambda: has_ended(pid), "the process ends, whose last word was that it gave the home back", seconds=10)
    assert containers_of(own) == []
    assert json.loads(amlemu(own, "status", "-o", "json", code=3).stdout) == {"running": False}
    assert "no emulator runs" in amlemu(own, "down").stderr

    assert "engine process" in amlemu(own, "up", "--detach").stderr
    after = serving(own, endpoint)
    assert {key: after[key] for key in ("scoring_uri", "port", "traffic", "created_at")} == {
        key: document[key] for key in ("scoring_uri", "port", "traffic", "created_at")
    }
    assert json_of(own, "keys", endpoint) == keys
    new_answer = answer_of(own, endpoint)
    assert (new_answer["answer"], new_answer["data"]) == (answer["answer"], answer["data"])
    assert new_answer["token"] != answer["token"]  # containers were started anew


def containers_of(environ: Environ) -> list[str]:
    """What the process engine keeps of containers."""
    return [path.name for path in Path(environ["AMLEMU_HOME"]).glob("process/containers/*") if path.is_dir()]


def test_a_killed_emulator_leaves_containers_which_the_next_one_adopts(own: Environ, endpoint: str) -> None:
    serving(own, endpoint)
    before, pid = answer_of(own, endpoint), pid_of(own)
    os.kill(pid, signal.SIGKILL)
    until(lambda: has_ended(pid), "the emulator dies")
    assert "starting the emulator" in amlemu(own, "show", endpoint).stderr
    assert pid_of(own) != pid
    after = answer_of(own, endpoint)
    assert (after["token"], after["host"]) == (before["token"], before["host"])
    assert len(containers_of(own)) == 1


def test_the_emulator_survives_the_terminal_that_started_it(own: Environ, endpoint: str) -> None:
    amlemu(own, "down")
    words = [*AMLEMU, "show", endpoint]
    # A terminal of its own, which is closed, with a hang-up for all that still belong to it, when the command ends.
    terminal = [sys.executable, "-c", "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)", *words]
    done = subprocess.run(terminal, env=own, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    assert b"starting the emulator" in done.stdout
    serving(own, endpoint)
    assert answer_of(own, endpoint)["answer"] == "first"


def test_one_emulator_per_home(own: Environ, endpoint: str) -> None:
    serving(own, endpoint)
    told = amlemu(own, "up", code=2).stderr
    assert "BadArgument: an emulator is running already" in told
    assert str(pid_of(own)) in told
    assert "amlemu down" in told
    assert answer_of(own, endpoint)["answer"] == "first"


def test_another_home_on_the_same_ports_is_told_so(own: Environ, endpoint: str, tmp_path: Path) -> None:
    serving(own, endpoint)
    told = amlemu({**own, "AMLEMU_HOME": str(tmp_path / "home")}, "list", code=2).stderr
    assert f"the emulator on port {own['AMLEMU_PORT']} belongs to another home" in told
    assert own["AMLEMU_HOME"] not in told, "it was told to somebody without a token"
    assert "AMLEMU_PORT=0 gives this one free ports" in told


def test_up_in_the_foreground_ends_on_ctrl_c(own: Environ, endpoint: str) -> None:
    amlemu(own, "down")
    with running(own, "up") as (process, said):
        until_said(said, "engine process")
        serving(own, endpoint)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert said.read_text().endswith("stopped\n")
        assert "Traceback" not in said.read_text()
    assert containers_of(own) == []


def test_an_ephemeral_home_is_removed(own: Environ) -> None:
    environ = {name: value for name, value in own.items() if name != "AMLEMU_HOME"}
    amlemu(own, "down")
    with running(own, "up", "--ephemeral") as (process, said):
        until_said(said, "engine process")
        home = said.read_text().partition('AMLEMU_HOME="')[2].partition('"')[0]
        assert json_of({**environ, "AMLEMU_HOME": home}, "list") == []
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert home
    assert not Path(home).exists()
