"""Scripts that need more memory than their containers have, in real containers with real limits."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from amlemu_process import Environ, amlemu, client_of, json_of, metrics_of, temporary_environ, until
from projects import project
from prometheus_client.parser import text_string_to_metric_families

from emulator.errors import EmulatorError, OutOfQuota

pytestmark = pytest.mark.docker

LIMIT = {"limits": {"memory": "200Mi", "cpu": "1"}}
SCRIPT = """
import json

def take(mebibytes):
    block = bytearray(mebibytes * 2**20)
    block[::4096] = b"x" * len(block[::4096])
    return len(block)

def init():
    INIT

def run(body):
    return take(json.loads(body)["mebibytes"])
"""


@pytest.fixture(scope="module")
def environ() -> Iterator[Environ]:
    with temporary_environ(engine="docker") as environ:
        amlemu(environ, "up", "--detach")
        yield environ


def deploy(environ: Environ, name: str, folder: Path, init: str, **changes: Any) -> str:
    """The scoring URI."""
    script = project(folder / "code", SCRIPT.replace("INIT", init))
    request = {"code": str(script.parent), "scoring_script": script.name, "resources": LIMIT, **changes}
    with client_of(environ) as client:
        return str(client.deploy(name, "blue", request, lambda _kind, _text: None)["scoring_uri"])


@pytest.mark.row("deployment.out_of_memory_code")
@pytest.mark.parametrize(
    ("target", "code"), [("managed", "OutOfQuota"), ("kubernetes", "PodOutOfMemory"), ("aks", "CrashLoopBackOff")]
)
def test_init_takes_too_much(environ: Environ, tmp_path: Path, target: str, code: str) -> None:
    with pytest.raises(EmulatorError) as failed:
        deploy(environ, f"init-{target}", tmp_path, "take(400)", target=target)
    assert failed.value.code == code
    assert isinstance(failed.value, OutOfQuota) == (target != "aks")
    assert "killed because it ran out of memory: its limit is 200 MiB" in failed.value.message
    assert "raise resources.limits.memory" in failed.value.hint


def test_the_server_itself_takes_too_much(environ: Environ, tmp_path: Path) -> None:
    """The script is loaded before there are workers: the container's first process is killed, and it ends."""
    with pytest.raises(OutOfQuota, match="the container was killed because it ran out of memory: its limit is 200 MiB"):
        deploy(environ, "preload", tmp_path, "take(400)", environment_variables={"WORKER_PRELOAD": "true"})


@pytest.mark.row("events.out_of_memory", "container.size")
def test_run_takes_too_much(environ: Environ, tmp_path: Path) -> None:
    uri = deploy(environ, "run", tmp_path, "pass")
    key = json_of(environ, "keys", "run")["primaryKey"]

    def score(mebibytes: int) -> requests.Response:
        headers = {"Authorization": f"Bearer {key}"}
        return requests.post(uri, json={"mebibytes": mebibytes}, headers=headers, timeout=60)

    assert score(1).json() == 2**20
    killed = score(400)

    assert killed.status_code == 424, "the worker is gone before it answered"
    with client_of(environ) as client:
        cause, hint = client.explain("run", killed, killed.content)
    assert re.search(r"a worker of the scoring server \(.+\) was killed because it ran out of memory", cause)
    assert "raise resources.limits.memory" in hint
    events = until(lambda: killings(environ, "run"), "the event", 10)
    container = "killed a process of container inference-server (limit: 200 MiB)"
    # The kernel may tell the engine of one kill more than once.
    assert set(events) == {f"Memory cgroup out of memory: {container}"}
    assert until(lambda: score(1).status_code == 200, "another worker serves", 30)
    (instance,) = json_of(environ, "show", "run")["deployments"][0]["instances"]
    assert (instance["state"], instance["restarts"]) == ("Ready", 0), "the container has never stopped"
    shown = amlemu(environ, "show", "run").stdout
    assert re.search(r"a worker was killed (once|\d+ times) because memory ran out", shown)
    values = metrics(environ)
    assert 5 < values["cpu_memory_utilization_percentage"] < 100
    assert 0 <= values["cpu_utilization_percentage"] <= 110
    assert 0 < values["disk_utilization"] < 100
    assert not {name for name in values if name.startswith("gpu_")}


def killings(environ: Environ, name: str) -> list[str]:
    lines = amlemu(environ, "logs", name, "--events").stdout.splitlines()
    return [event["Message"] for event in map(json.loads, lines) if event["Name"] == "Killing"]


def metrics(environ: Environ) -> dict[str, float]:
    text = metrics_of(environ)
    families = text_string_to_metric_families(text)
    return {s.name: s.value for family in families for s in family.samples if s.labels.get("endpoint") == "run"}
