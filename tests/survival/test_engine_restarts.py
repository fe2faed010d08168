"""The Docker Engine ends and begins again under an emulator that goes on."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from amlemu_process import Environ, amlemu, json_of, temporary_environ, until
from private_dockerd import PrivateDockerd, private_dockerd
from projects import SERVER, project

from emulator.profiles import profile_of

pytestmark = [pytest.mark.docker, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    """The environment of every project here, built by the usual engine: the test's own one has no way out."""
    with temporary_environ("docker") as environ:
        home = Path(environ["AMLEMU_HOME"])
        file = home.parent / "requirements.txt"
        file.write_text(SERVER)
        amlemu(environ, "environment", "build", file)
        (document,) = home.glob("images/*.json")
        yield f"amlemu/environment:{document.stem[:16]}"


@pytest.fixture
def dockerd() -> Iterator[PrivateDockerd]:
    with (
        tempfile.TemporaryDirectory(prefix="amlemu-dockerd-", ignore_cleanup_errors=True) as folder,
        private_dockerd(Path(folder)) as dockerd,
    ):
        yield dockerd


def asked(endpoint: dict[str, Any], keys: dict[str, str]) -> requests.Response:
    headers = {"Authorization": f"Bearer {keys['primaryKey']}"}
    return requests.post(endpoint["scoring_uri"], json={}, headers=headers, timeout=60)


def serves_again(endpoint: dict[str, Any], keys: dict[str, str]) -> str:
    """Who answers, once somebody does, by the token that its process has drawn."""
    answer = until(lambda: (a := asked(endpoint, keys)).ok and a, "the endpoint serves again", 90)
    return str(answer.json()["token"])


def the_engine_is_away(environ: Environ) -> bool:
    return "the Docker Engine does not answer" in json_of(environ, "status").get("engine_error", "")


def test_an_endpoint_outlives_its_engine(dockerd: PrivateDockerd, image: str, tmp_path: Path) -> None:
    dockerd.start()
    dockerd.load(image)
    path = project(tmp_path / "code")
    with temporary_environ("docker", DOCKER_HOST=dockerd.url) as environ:
        endpoint = json_of(environ, "deploy", "--name", "lasting", "--entry", path)
        keys = json_of(environ, "keys", "lasting")
        first = serves_again(endpoint, keys)

        dockerd.end()  # and its containers with it
        until(lambda: the_engine_is_away(environ), "`status` says that the engine is away")
        assert "the engine does not answer" in amlemu(environ, "status").stderr
        scoring = profile_of("managed").scoring
        refusals = {scoring.container_unreachable.status, scoring.no_ready_instance.status}
        assert asked(endpoint, keys).status_code in refusals
        told = amlemu(environ, "deploy", "--name", "lasting", "--entry", path, code=3).stderr
        assert "EngineUnavailable: the Docker Engine does not answer" in told
        assert "the previous generation keeps serving" in told or "start Docker" in told

        dockerd.start("--live-restore")
        second = serves_again(endpoint, keys)
        assert second != first, "a new container"
        shown = json_of(environ, "show", "lasting")
        assert (shown["scoring_uri"], json_of(environ, "keys", "lasting")) == (endpoint["scoring_uri"], keys)
        assert "engine_error" not in json_of(environ, "status")

        dockerd.end()  # which leaves containers running now
        until(lambda: the_engine_is_away(environ), "`status` says that the engine is away")
        assert asked(endpoint, keys).json()["token"] == second, "it serves without its engine"
        dockerd.start("--live-restore")
        until(lambda: not the_engine_is_away(environ), "the engine is back")
        assert serves_again(endpoint, keys) == second, "the same container as before"

        deployed = json_of(environ, "deploy", "--name", "lasting", "--entry", path)
        assert deployed["deployments"][0]["provisioning_state"] == "Succeeded", "and it can be deployed to"
        amlemu(environ, "delete", "lasting", "--yes")
        # what the update has replaced is drained first
        until(lambda: dockerd.docker("ps", "--all", "--quiet").stdout == b"", "its containers are gone")


def test_the_usual_engine_has_lost_nothing(dockerd: PrivateDockerd) -> None:
    """A second engine in the same network namespace would remove its bridge."""
    before = subprocess.run(["ip", "link", "show", "docker0"], capture_output=True, check=False).returncode
    dockerd.start()
    dockerd.end()
    assert subprocess.run(["ip", "link", "show", "docker0"], capture_output=True, check=False).returncode == before
