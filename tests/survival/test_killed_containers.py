"""Scoring containers that somebody else kills or removes come back, and slower each time."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import docker
import pytest
from amlemu_process import Environ, temporary_environ, until
from requests.exceptions import ChunkedEncodingError
from serving import Serving


def kill_process(environ: Environ) -> None:
    """The supervisor, and with it all that runs below it."""
    (note,) = Path(environ["AMLEMU_HOME"]).glob("process/containers/*/process.json")
    os.kill(json.loads(note.read_text())["pid"], signal.SIGKILL)


def remove_process(environ: Environ) -> None:
    (note,) = Path(environ["AMLEMU_HOME"]).glob("process/containers/*/process.json")
    os.kill(json.loads(note.read_text())["pid"], signal.SIGKILL)
    shutil.rmtree(note.parent, ignore_errors=True)


def kill_container(environ: Environ) -> None:
    workspace = json.loads((Path(environ["AMLEMU_HOME"]) / "workspace.json").read_text())["id"]
    client = docker.from_env()
    try:
        (container,) = client.containers.list(filters={"label": f"amlemu.workspace={workspace}"})
        container.kill()
    finally:
        client.close()


def another_token(serving: Serving, before: str) -> str:
    """Who answers once it is not the same process any more: of a killed container the workers may live a moment."""

    def other() -> str | None:
        try:
            answer = serving.ask()
        except ChunkedEncodingError:  # its process died in the middle of this answer
            return None
        token = str(answer.json()["token"]) if answer.ok else before
        return None if token == before else token

    return str(until(other, "another process answers", 60))


def test_a_process_comes_back_and_slower_each_time(tmp_path: Path) -> None:
    with temporary_environ() as environ:
        serving = Serving(environ, "mortal", tmp_path)
        first = serving.token()
        kill_process(environ)
        second = another_token(serving, first)
        assert [name for name in serving.events() if name != "ReadinessProbeFailed"] == [
            "Pulled", "Created", "Started"] * 2  # fmt: skip
        remove_process(environ)
        until(lambda: "BackOff" in serving.events(), "its next start has to wait")
        another_token(serving, second)
        assert serving.state() == "Succeeded"
        assert serving.shown()["deployments"][0]["instances"][0]["restarts"] == 2


@pytest.mark.docker
def test_a_container_comes_back(tmp_path: Path) -> None:
    with temporary_environ("docker") as environ:
        serving = Serving(environ, "mortal", tmp_path)
        first = serving.token()
        kill_container(environ)
        another_token(serving, first)
        assert serving.events().count("Started") == 2
        assert serving.state() == "Succeeded"
