"""A request that outlives its deployment, on real engines: what is deployed again meanwhile serves, and goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import requests
from amlemu_process import Environ, amlemu, client_of, temporary_environ, until
from projects import project

OLD_SECONDS = 12
SCRIPT = """\
import json
import time


def init():
    pass


def run(data):
    time.sleep(json.loads(data).get("seconds", 0))
    return "ANSWER"
"""


class Team:
    """One endpoint, and who asks it."""

    def __init__(self, environ: Environ, folder: Path) -> None:
        amlemu(environ, "up", "--detach")
        self._folder = folder
        self.client = client_of(environ)
        self.client.__enter__()

    def deploy(self, answer: str) -> None:
        path = project(self._folder / answer, SCRIPT.replace("ANSWER", answer))
        request = {"code": str(path.parent), "scoring_script": path.name}
        self.client.deploy("iris", "blue", request, lambda _kind, _text: None)

    def ask(self, seconds: int = 0) -> str:
        uri, keys = self.client.get_endpoint("iris")["scoring_uri"], self.client.get_keys("iris")
        headers = {"Authorization": f"Bearer {keys['primaryKey']}"}
        answer = requests.post(uri, json={"seconds": seconds}, headers=headers, timeout=60)
        return str(answer.json()) if answer.ok else f"{answer.status_code}: {answer.text}"

    @contextmanager
    def an_old_request(self) -> Iterator[None]:
        """It is in the container when this begins, and has ended when this ends."""
        asking = threading.Thread(target=self._ask_and_lose, daemon=True)
        asking.start()
        time.sleep(1)
        yield
        asking.join(60)
        assert not asking.is_alive()

    def _ask_and_lose(self) -> None:
        with suppress(requests.RequestException):
            self.ask(OLD_SECONDS)


@pytest.mark.parametrize("engine", ["process", pytest.param("docker", marks=pytest.mark.docker)])
def test_an_old_request_runs_while_its_deployment_is_deleted_and_made_again(engine: str, tmp_path: Path) -> None:
    with temporary_environ(engine) as environ:
        team = Team(environ, tmp_path)
        team.deploy("first")
        with team.an_old_request():
            team.deploy("second")
            team.client.update_traffic("iris", {})
            team.client.delete_deployment("iris", "blue")
            team.deploy("third")
            assert team.ask() == "third"
        layouts = Path(environ["AMLEMU_HOME"]) / "layouts/iris/blue"
        until(lambda: len(list(layouts.iterdir())) == 1, "the last container of the first generation ends", 60)
        assert team.ask() == "third"
        (layout,) = layouts.iterdir()
        assert list(layout.rglob("*.py")), "what serves has its files"
        assert team.client.get_endpoint("iris")["deployments"][0]["provisioning_state"] == "Succeeded"
        events = amlemu(environ, "logs", "iris", "--events").stdout
        assert events.count('"Killing"') == 2, "the first and the second ended, once each, and the third did not"
