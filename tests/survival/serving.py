"""An endpoint that a test has deployed through the control API, and what it tells of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import requests
from amlemu_process import Environ, amlemu, client_of, json_of, until
from projects import project, script

_SOON = {"initial_delay": 1, "period": 1, "timeout": 1}
_NEVER = {"failure_threshold": 1000}


class Serving:
    """An endpoint of the emulator of `environ`, probed at short intervals."""

    def __init__(self, environ: Environ, name: str, folder: Path, answer: str = "first") -> None:
        self.environ, self.name, self._folder = environ, name, folder
        amlemu(environ, "up", "--detach")
        self.deploy(answer)
        shown = self.shown()
        self.uri, self.keys = shown["scoring_uri"], json_of(environ, "keys", name)

    def deploy(self, answer: str) -> None:
        """As it is, with another answer."""
        path = project(self._folder / f"{self.name}-{answer}", script(answer))
        probes = {"readiness_probe": _SOON, "liveness_probe": _NEVER}
        request = {"code": str(path.parent), "scoring_script": path.name, **probes}
        with client_of(self.environ) as client:
            client.deploy(self.name, "blue", request, lambda _kind, _text: None)

    def ask(self) -> requests.Response:
        """One request, with the primary key."""
        headers = {"Authorization": f"Bearer {self.keys['primaryKey']}"}
        return requests.post(self.uri, json={}, headers=headers, timeout=60)

    def answer(self) -> str:
        """What it answers, now."""
        answer = self.ask()
        assert answer.status_code == 200, f"{answer.status_code}: {answer.text}"
        return str(answer.json()["answer"])

    def token(self, seconds: float = 60) -> str:
        """Which process answers, once one does."""
        answer = until(lambda: (a := self.ask()).ok and a, f"{self.name} answers", seconds)
        return str(answer.json()["token"])

    def shown(self) -> Any:
        """The endpoint."""
        return json_of(self.environ, "show", self.name)

    def state(self) -> str:
        """Its deployment's provisioning_state."""
        return str(self.shown()["deployments"][0]["provisioning_state"])

    def events(self) -> list[str]:
        """The names of what happened to its containers."""
        lines = amlemu(self.environ, "logs", self.name, "--events").stdout.splitlines()
        return [json.loads(line)["Name"] for line in lines]
