"""Probes and restarts with the environment's own scoring server in real containers."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from amlemu_process import Environ, amlemu, client_of, json_of, until
from projects import project

SHORT = {"initial_delay": 1, "period": 1, "timeout": 1, "failure_threshold": 2}
PATIENT = {"failure_threshold": 1000}
SCRIPT = """
import json, os, signal, time

def init():
    pass

def run(body):
    asked = json.loads(body)
    time.sleep(asked.get("seconds", 0))
    if asked.get("kill"):
        os.kill(os.getppid(), signal.SIGKILL)
    return "here"
"""


class Endpoint:
    """An endpoint on the session's emulator, deployed with probes of its own."""

    def __init__(self, environ: Environ, name: str, folder: Path, **changes: Any) -> None:
        self.environ, self.name = environ, name
        script = project(folder / "code", SCRIPT)
        request = {
            "code": str(script.parent),
            "scoring_script": script.name,
            "request_settings": {"request_timeout_ms": 120_000, "max_concurrent_requests_per_instance": 10},
            "readiness_probe": SHORT,
            "liveness_probe": PATIENT,
            **changes,
        }
        with client_of(environ) as client:
            document = client.deploy(name, "blue", request, lambda _kind, _text: None)
        self.uri = document["scoring_uri"]
        self.key = json_of(environ, "keys", name)["primaryKey"]

    def score(self, **asked: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        return requests.post(self.uri, json=asked, headers=headers, timeout=60)

    def script(self) -> Path:
        """The script that the next container will load."""
        return Path(self.environ["AMLEMU_HOME"]) / "layouts" / self.name / "blue/1/code/score.py"

    def deployment(self) -> Any:
        return json_of(self.environ, "show", self.name)["deployments"][0]

    def instance(self) -> tuple[str, int]:
        (instance,) = self.deployment()["instances"]
        return instance["state"], instance["restarts"]

    def events(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in amlemu(self.environ, "logs", self.name, "--events").stdout.splitlines()]

    def names(self) -> list[str]:
        return [event["Name"] for event in self.events()]


@pytest.fixture
def asking() -> Iterator[list[threading.Thread]]:
    threads: list[threading.Thread] = []
    yield threads
    for thread in threads:
        thread.join()


@pytest.mark.row("probes.starved_by_long_run")
def test_a_long_run_starves_the_probe(
    environ: Environ, steady: str, tmp_path: Path, asking: list[threading.Thread]
) -> None:
    endpoint = Endpoint(environ, "starved", tmp_path)
    assert endpoint.score().status_code == 200
    answers: list[requests.Response] = []
    asking.append(threading.Thread(target=lambda: answers.append(endpoint.score(seconds=8))))
    asking[0].start()
    until(lambda: endpoint.instance() == ("NotReady", 0), "the instance is out of rotation", 7)
    began = time.monotonic()
    refused = endpoint.score()
    assert time.monotonic() - began < 1, "it does not wait for the worker"
    assert (refused.status_code, answers) == (424, [])
    assert "not ready" in amlemu(environ, "show", "starved").stdout
    asking[0].join()
    assert answers[0].status_code == 200, "what runs is not cut off"
    until(lambda: endpoint.instance() == ("Ready", 0), "it is in rotation again", 5)
    assert endpoint.score().status_code == 200
    failed = [event for event in endpoint.events() if event["Name"] == "ReadinessProbeFailed"]
    assert len(failed) >= 2
    assert "context deadline exceeded" in failed[0]["Message"]
    assert endpoint.names()[:3] == ["Pulled", "Created", "Started"]
    assert "Killing" not in endpoint.names()


@pytest.mark.row("probes.run")
def test_a_dead_server_comes_back(environ: Environ, steady: str, tmp_path: Path) -> None:
    endpoint = Endpoint(environ, "mortal", tmp_path)
    endpoint.score(kill=True)  # the worker may still answer, after its server is gone
    until(lambda: endpoint.instance()[0] != "Ready", "its death is noticed", 3)
    until(lambda: endpoint.instance() == ("Ready", 1), "it was started again", 15)
    assert endpoint.score().json() == "here"
    started_twice = ["Pulled", "Created", "Started"] * 2
    assert [name for name in endpoint.names() if name != "ReadinessProbeFailed"] == started_twice
    assert endpoint.deployment()["provisioning_state"] == "Succeeded"


@pytest.mark.slow
def test_a_stuck_server_is_killed_and_a_crash_loop_ends(environ: Environ, steady: str, tmp_path: Path) -> None:
    endpoint = Endpoint(environ, "stuck", tmp_path, liveness_probe=SHORT)
    endpoint.script().chmod(0o644)
    endpoint.script().write_text(SCRIPT.replace("pass", "raise ValueError('no model today')"))
    with pytest.raises(requests.RequestException):
        requests.post(
            endpoint.uri, json={"seconds": 600}, headers={"Authorization": f"Bearer {endpoint.key}"}, timeout=3
        )
    until(lambda: "Killing" in endpoint.names(), "it is killed", 60)
    until(lambda: endpoint.deployment()["provisioning_state"] == "Failed", "a crash loop", 90)
    error = endpoint.deployment()["error"]
    assert error["code"] == "ResourceNotReady"
    assert error["message"].startswith("User container has crashed or terminated: ValueError: no model today (")
    assert {"LivenessProbeFailed", "Killing", "BackOff"} <= set(endpoint.names())
    endpoint.script().write_text(SCRIPT)
    until(lambda: endpoint.deployment()["provisioning_state"] == "Succeeded", "it recovers", 120)
    assert endpoint.score().json() == "here"
