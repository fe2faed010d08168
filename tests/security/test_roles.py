"""What each role may make the emulator do: what sends requests, builds, runs or changes anything is no viewer's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

import pytest
from amlemu_process import amlemu, temporary_environ
from control_walk import ADMIN, Route, bearer, get, routes, tokens_by_role
from core_support import House
from far_away import remote, url_of
from served import Served, serving

from emulator.control_api import create_control_api
from emulator.control_api.access import needed_role
from emulator.engines.packaging.conda_reach import ChannelReach

Effect = Literal["reads", "tells secrets", "changes", "works", "sends"]
"""`reads` what is there; `works` builds, starts or stops containers; `sends` asks where it is told."""

# Every route has its decision here; one that is added fails until it has one.
ROUTES: dict[tuple[str, str], tuple[str, Effect]] = {
    ("GET", "//health"): ("nobody", "reads"),
    ("GET", "//ready"): ("nobody", "reads"),
    ("GET", "//info"): ("viewer", "reads"),
    ("GET", "//damage"): ("viewer", "reads"),
    ("GET", "//openapi.json"): ("viewer", "reads"),
    ("GET", "//metrics"): ("viewer", "reads"),
    ("POST", "//shutdown"): ("admin", "works"),
    ("POST", "//prune"): ("admin", "changes"),
    ("GET", "//tokens"): ("admin", "reads"),
    ("POST", "//tokens"): ("admin", "tells secrets"),
    ("DELETE", "//tokens/<name>"): ("admin", "changes"),
    ("POST", "//uploads/find"): ("deployer", "reads"),
    ("PATCH", "//uploads/files/<key>"): ("deployer", "changes"),
    ("POST", "//uploads/files/<key>/finish"): ("deployer", "changes"),
    ("POST", "//uploads"): ("deployer", "changes"),
    ("GET", "/models"): ("viewer", "reads"),
    ("GET", "/models/<name>/versions"): ("viewer", "reads"),
    ("GET", "/models/<name>/versions/<version>"): ("viewer", "reads"),
    ("GET", "/models/<name>/versions/<version>/content"): ("viewer", "reads"),
    ("POST", "/models/<name>/versions"): ("deployer", "changes"),
    ("PATCH", "/models/<name>/versions/<version>"): ("deployer", "changes"),
    ("GET", "/environments"): ("viewer", "reads"),
    ("POST", "/environments"): ("deployer", "changes"),
    # For a viewer it reads what is registered and asks nobody: test_a_viewer_resolves_without_a_request.
    ("POST", "/environments/resolve"): ("viewer", "reads"),
    ("POST", "/environments/build"): ("deployer", "sends"),
    ("GET", "/onlineEndpoints"): ("viewer", "reads"),
    ("GET", "/onlineEndpoints/<name>"): ("viewer", "reads"),
    ("PUT", "/onlineEndpoints/<name>"): ("deployer", "changes"),
    ("PATCH", "/onlineEndpoints/<name>"): ("deployer", "changes"),
    ("DELETE", "/onlineEndpoints/<name>"): ("deployer", "works"),
    ("POST", "/onlineEndpoints/<name>/listKeys"): ("deployer", "tells secrets"),
    ("POST", "/onlineEndpoints/<name>/token"): ("deployer", "tells secrets"),
    ("POST", "/onlineEndpoints/<name>/regenerateKeys"): ("deployer", "tells secrets"),
    ("GET", "/onlineEndpoints/<name>/deployments"): ("viewer", "reads"),
    ("GET", "/onlineEndpoints/<name>/deployments/<deployment>"): ("viewer", "reads"),
    ("PUT", "/onlineEndpoints/<name>/deployments/<deployment>"): ("deployer", "sends"),
    ("DELETE", "/onlineEndpoints/<name>/deployments/<deployment>"): ("deployer", "works"),
    ("GET", "/onlineEndpoints/<name>/deployments/<deployment>/code"): ("viewer", "reads"),
    ("GET", "/onlineEndpoints/<name>/deployments/<deployment>/context"): ("viewer", "reads"),
    ("GET", "/onlineEndpoints/<name>/deployments/<deployment>/layout"): ("viewer", "reads"),
    ("GET", "/onlineEndpoints/<name>/export"): ("viewer", "reads"),
    ("GET", "/onlineEndpoints/<name>/tree"): ("viewer", "reads"),
    # It tells what the logs tell, which a viewer reads.
    ("POST", "/onlineEndpoints/<name>/explain"): ("viewer", "reads"),
    ("GET", "/onlineEndpoints/<name>/collected"): ("viewer", "reads"),
    ("GET", "/onlineEndpoints/<name>/insights"): ("viewer", "reads"),
    ("GET", "/onlineEndpoints/<name>/logs"): ("viewer", "reads"),
    ("GET", "/onlineEndpoints/<name>/requests"): ("viewer", "reads"),
    ("GET", "/onlineEndpoints/<name>/events"): ("viewer", "reads"),
    ("GET", "/mfeOperationsStatus/<operation_id>"): ("viewer", "reads"),
    ("DELETE", "/mfeOperationsStatus/<operation_id>"): ("deployer", "works"),
    ("GET", "/mfeOperationResults/<operation_id>"): ("viewer", "reads"),
    ("GET", "/mfeOperationsStatus/<operation_id>/events"): ("viewer", "reads"),
}
CHANNEL = "http://127.0.0.1:9/channel"
CONDA: dict[str, Any] = {
    "name": "conda",
    "python_version": "3.11",
    "channels": [CHANNEL],
    "conda_dependencies": ["python=3.11"],
}


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Served]:
    house = House(tmp_path, admin_token=ADMIN)
    with serving(house) as served:
        yield served
    house.settle()


def test_every_route_has_a_decision(guarded: Served) -> None:
    flask = create_control_api(guarded.services)
    roles = {
        (method, Route(rule.rule, method, ()).name): needed_role(rule.rule, flask.view_functions[rule.endpoint], method)
        for rule in flask.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert roles == {route: role for route, (role, _) in ROUTES.items()}


def test_what_does_more_than_read_is_no_viewers() -> None:
    more = {route: role for route, (role, effect) in ROUTES.items() if effect != "reads"}
    assert set(more.values()) == {"deployer", "admin"}
    assert not [route for route in more if route[0] == "GET"], "browsers and caches may repeat a GET by themselves"


def test_reading_everything_makes_no_request_and_no_work(guarded: Served) -> None:
    """All GET routes, with every query flag that they have, by a viewer: nothing is asked, built or started."""
    house = guarded.house
    tokens = tokens_by_role(guarded)
    made = guarded.ask("POST", "/environments", json={"environment": CONDA}, headers=bearer(tokens["deployer"]))
    assert made.status_code == 201
    house.register("iris")
    operation = guarded.operations.start(lambda _: house.deploy(environment="conda:1", conda="pip").name)
    operation.wait(20)
    house.settle()
    house.asked_channels.clear()
    before = (len(house.engine.builds), len(house.engine.containers()), sorted(house.store.home.rglob("*.json")))
    values = {"name": "iris", "deployment": "blue", "version": "1", "operation_id": operation.id}
    for route in routes(guarded):
        if route.method != "GET":
            continue
        flags = [name for name in route.query if name not in ("includeValues", "follow", "tail", "instance")]
        for query in ({}, *({name: "blue" if name == "deployment" else "true"} for name in flags)):
            assert get(guarded, route, values, tokens["viewer"], **query).status_code != 500
    house.settle()
    assert house.asked_channels == []
    assert before == (
        len(house.engine.builds),
        len(house.engine.containers()),
        sorted(house.store.home.rglob("*.json")),
    )


def test_a_viewer_resolves_without_a_request(guarded: Served) -> None:
    tokens = tokens_by_role(guarded)
    guarded.ask("POST", "/environments", json={"environment": CONDA}, headers=bearer(tokens["deployer"]))
    guarded.house.asked_channels.clear()
    guarded.house.unreachable = "nobody answers"
    for body in ({}, {"conda": "auto"}, {"conda": "channels"}, {"conda": "pip"}):
        answer = guarded.ask(
            "POST", "/environments/resolve", json={"name": "conda", **body}, headers=bearer(tokens["viewer"])
        )
        assert (answer.status_code, answer.json()["amlemu"]["name"]) == (200, "conda")
    assert guarded.house.asked_channels == []


@pytest.mark.parametrize(
    "body",
    [
        {"environment": CONDA},
        {"environment": CONDA, "conda": "auto"},
        {"environment": CONDA, "conda": "channels"},
        {"environment": {**CONDA, "conda_dependencies": [f"{CHANNEL}::numpy=1.23"], "channels": []}},
        {"environment": {"name": "pip", "python_version": "3.11", "requirements": [f"--index-url {CHANNEL}"]}},
        {"environment": {"name": "image", "image": "127.0.0.1:9/image:1"}},
    ],
)
def test_a_viewer_resolves_nothing_of_its_own(guarded: Served, body: dict[str, Any]) -> None:
    tokens = tokens_by_role(guarded)
    refused = guarded.error("POST", "/environments/resolve", json=body, headers=bearer(tokens["viewer"]))
    assert refused[:2] == (403, "AuthorizationFailed")
    assert guarded.house.asked_channels == []
    for role in ("deployer", "admin"):
        answer = guarded.ask("POST", "/environments/resolve", json=body, headers=bearer(tokens[role]))
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("path", ["/etc/hostname", "upload:0123/file", "/proc/self/environ"])
def test_a_viewer_names_no_file(guarded: Served, path: str) -> None:
    tokens = tokens_by_role(guarded)
    answer = guarded.ask("POST", "/environments/resolve", json={"file": path}, headers=bearer(tokens["viewer"]))
    assert answer.status_code in (403, 404)


def test_what_a_deployer_asks_for_is_asked(guarded: Served) -> None:
    """So that the tests above would notice a request."""
    tokens = tokens_by_role(guarded)
    headers = bearer(tokens["deployer"])
    guarded.ask("POST", "/environments/resolve", json={"environment": CONDA}, headers=headers)
    assert guarded.house.asked_channels == [(CHANNEL,)]


class _Listening(BaseHTTPRequestHandler):
    heard: list[str]

    def do_GET(self) -> None:
        self.heard.append(self.path)
        self.send_error(404)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: `heard` keeps it."""


@pytest.fixture
def listener() -> Iterator[tuple[str, list[str]]]:
    """A server of the internet: its address, and what it was asked for."""
    heard: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("_Heard", (_Listening,), {"heard": heard}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def test_a_whole_emulator_sends_nothing_for_a_viewer(listener: tuple[str, list[str]], tmp_path: Path) -> None:
    """The real one, with a real channel: a deployer's question is heard there, a viewer's is not."""
    url, heard = listener
    file = tmp_path / "conda.yml"
    file.write_text(f"name: c\nchannels: ['{url}/channel']\ndependencies: [python=3.11]\n")
    with temporary_environ("process", AMLEMU_BIND_HOST="0.0.0.0") as environ:
        amlemu(environ, "up", "--detach")
        tokens = {
            role: amlemu(environ, "token", "create", role, "--role", role).stdout.strip()
            for role in ("viewer", "deployer")
        }
        where = {"AMLEMU_URL": url_of(environ)}
        amlemu(remote(environ, tmp_path, tokens["deployer"], **where), "environment", "register", "-f", file)
        heard.clear()
        viewer = remote(environ, tmp_path, tokens["viewer"], **where)
        assert amlemu(viewer, "environment", "show", "c:1").stdout.startswith("c:1")
        for words in (("environment", "show", str(file)), ("environment", "build", "c:1")):
            assert "is of a viewer" in amlemu(viewer, *words, code=2).stderr
        amlemu(viewer, "environment", "list")
        assert heard == []
        deployer = remote(environ, tmp_path, tokens["deployer"], **where)
        amlemu(deployer, "environment", "show", str(file), code=None)
        assert heard != []


def test_an_answer_to_a_channel_question_is_remembered() -> None:
    """A deployer who asks again and again does not make as many requests."""
    asked: list[str] = []

    def ask(channel: str) -> str:
        asked.append(channel)
        return "nobody answers"

    reach = ChannelReach(ask, limit=5)
    for _ in range(20):
        assert "nobody answers" in reach.unreachable([CHANNEL])
    assert asked == [CHANNEL]
