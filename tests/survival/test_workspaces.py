"""Homes that earlier versions have written open in this one, serve, and can be written to."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from amlemu_process import Environ, amlemu, client_of, end, new_environ, until
from projects import project, script
from write_workspace import HOME, PROJECT, fixtures, replace_in, seen

from emulator.client.client import Client
from emulator.store import Store


@pytest.fixture(params=fixtures(), ids=lambda path: path.name)
def fixture(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture
def environ(fixture: Path) -> Iterator[Environ]:
    """A shell for an emulator that works in a copy of the fixture."""
    with tempfile.TemporaryDirectory(prefix="amlemu-workspace-", ignore_cleanup_errors=True) as name:
        home = Path(name, "home")
        shutil.copytree(fixture / "home", home)
        environ = new_environ(home, TMPDIR=name)
        for path in home.rglob("*.json"):
            replace_in(path, {HOME: str(home), PROJECT: f"{name}/project"})
        give_ports(home, environ)
        try:
            yield environ
        finally:
            end(environ)


def give_ports(home: Path, environ: Environ) -> None:
    """Free ports in place of those that the endpoints had where the fixture was written."""
    first = int(environ["AMLEMU_ENDPOINT_PORTS"].partition("-")[0])
    for number, path in enumerate(sorted(home.glob("endpoints/*/endpoint.json"))):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"port": first + number}))


def answer_of(client: Client, name: str, deployment: str) -> Any:
    credentials = client.get_credentials(name)
    bearer = credentials.get("primaryKey") or credentials["accessToken"]
    headers = {"Authorization": f"Bearer {bearer}", "azureml-model-deployment": deployment}
    answer = requests.post(client.get_endpoint(name)["scoring_uri"], json={}, headers=headers, timeout=60)
    assert answer.status_code == 200, f"{answer.status_code}: {answer.text}"
    return answer.json()["answer"]


def states(client: Client) -> dict[str, dict[str, str]]:
    """The provisioning_state of each deployment of each endpoint."""
    found = client.list_endpoints()
    return {e["name"]: {d["name"]: d["provisioning_state"] for d in e["deployments"]} for e in found}


def is_settled(client: Client) -> bool:
    """Whether all that is brought back has come or failed; each has its old state until its turn comes."""
    ready = requests.get(f"{client.url}/_amlemu/ready", timeout=10).ok
    return ready and all(state in ("Succeeded", "Failed") for of in states(client).values() for state in of.values())


def test_a_stored_workspace_opens_serves_and_is_written_to(fixture: Path, environ: Environ, tmp_path: Path) -> None:
    expected = json.loads((fixture / "expected.json").read_text())
    answers = expected.pop("answers")
    amlemu(environ, "up", "--detach")
    with client_of(environ) as client:
        until(lambda: is_settled(client), "everything that served is back", 120)
        assert seen(client) == expected
        for name, deployments in states(client).items():
            serving = {deployment for deployment, state in deployments.items() if state == "Succeeded"}
            assert serving == set(answers.get(name, ())), f"{name}: {deployments}"
        assert {name: {d: answer_of(client, name, d) for d in of} for name, of in answers.items()} == answers
        write_to(client, project(tmp_path / "code", script("new")))
        written = seen(client)
    amlemu(environ, "down")
    store = Store(Path(environ["AMLEMU_HOME"]))
    assert {m.id: m.sha256 for m in store.models() if not m.anonymous} == written["models"]
    assert {e.name for e in store.endpoints()} == written["endpoints"].keys()
    assert store.find_deployment("keyed", "blue").generation == 2  # type: ignore[union-attr]


def write_to(client: Client, path: Path) -> None:
    """Something of each kind."""
    assert client.register_model("iris", {"path": str(path)})["version"] == "3"
    client.archive_model("iris", "3", archived=True)
    client.register_environment(str(path.with_name("requirements.txt")))
    client.regenerate_keys("keyed", "secondary")
    client.update_traffic("keyed", {"blue": 100, "green": 0})
    client.deploy("keyed", "blue", {"code": str(path.parent), "scoring_script": path.name}, lambda *_: None)
    assert answer_of(client, "keyed", "blue") == "new"
    client.delete_endpoint("service")
    client.prune(dry_run=False)
