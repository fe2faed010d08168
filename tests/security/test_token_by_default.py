"""Being able to connect to the control API is not being its admin: every emulator has a token from its first start."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import requests
from amlemu_process import Environ, amlemu, json_of, running, temporary_environ, token_of, until, until_said
from control_from_scripts import HostileScript
from core_support import ADMIN, House
from far_away import url_of
from flask import Flask
from served import Served, serving

from emulator.config.admin_token import read_admin_token
from emulator.control_api import create_control_api
from emulator.control_api.access import OPEN_ROUTES, needed_role
from emulator.errors import AuthenticationFailed
from emulator.testing.run import Run
from emulator.testing.session import open_session, wanted_settings

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
INFO = "//_amlemu/info"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.settle()


@pytest.fixture
def strangers(house: House) -> Iterator[Served]:
    """The door of a house, to callers who have no token."""
    with serving(house, token="") as served:
        yield served


def routes(flask: Flask) -> Iterator[tuple[str, str, str]]:
    """Every rule of the URL map, and a path that it takes."""
    for rule in flask.url_map.iter_rules():
        values = dict.fromkeys(rule.arguments, "x")
        with flask.test_request_context():
            built = rule.build(values)
        assert built is not None
        yield rule.rule, rule.endpoint, built[1]


def guesses(house: House) -> list[dict[str, str]]:
    """What somebody would try who has read amlemu's source."""
    digest = hashlib.sha256(ADMIN.encode()).hexdigest()
    values = ["", "anybody", "admin", "amlemu_", "null", "None", "undefined", digest, ADMIN[:-1], ADMIN + "x", "*",
              ADMIN.upper(), house.store.workspace_id, house.store.signing_secret(), "0" * 64, " ", "\udcff",
    ]  # fmt: skip
    bearers = [{"Authorization": f"Bearer {value}"} for value in values]
    basic = base64.b64encode(f"admin:{ADMIN}".encode()).decode()
    others = ("X-Forwarded-User", "X-Amlemu-Token", "Cookie", "Proxy-Authorization", "X-Forwarded-For")
    return [
        {},
        *bearers,
        {"Authorization": f"Basic {basic}"},
        {"Authorization": ADMIN},
        {"Authorization": f"Token {ADMIN}"},
        *({name: "127.0.0.1" if name.endswith("For") else f"Bearer {ADMIN}"} for name in others),
    ]


def test_every_route_refuses_every_guess(strangers: Served) -> None:
    flask = create_control_api(strangers.services)
    client = flask.test_client()
    told = []
    for rule, _, path in routes(flask):
        for headers in guesses(strangers.house):
            raw = {name: value.encode("utf-8", "surrogateescape").decode("latin-1") for name, value in headers.items()}
            for method in METHODS if headers in ({}, {"Authorization": "Bearer "}) else ("GET", "POST"):
                answer = client.open(path, method=method, headers=raw, query_string={"token": ADMIN})
                if rule not in OPEN_ROUTES and answer.status_code != 401:
                    told.append((method, path, headers, answer.status_code))
    assert told == []
    assert strangers.reported == []
    assert strangers.shutdowns == []


def test_what_needs_no_token_is_one_list(strangers: Served) -> None:
    flask = create_control_api(strangers.services)
    everything = list(routes(flask))
    assert {rule for rule, _, _ in everything} >= OPEN_ROUTES, "the list names nothing that is not there"
    open_to_all = {
        r for r, endpoint, _ in everything if needed_role(r, flask.view_functions[endpoint], "GET") == "nobody"
    }
    assert open_to_all == OPEN_ROUTES == {"/_amlemu/health", "/_amlemu/ready"}
    for path in (
        "//_amlemu/ready/",
        "//_amlemu/health/x",
        "//_amlemu//ready",
        "//_amlemu/../_amlemu/health/..;/info",
        "//",
    ):
        assert strangers.ask("GET", path, allow_redirects=False).status_code in (308, 401), path


def test_open_routes_tell_nothing_of_what_is_deployed(house: House) -> None:
    house.deploy("secret-endpoint", name="secret-blue")
    after = house.restarted()
    for container in after.running():
        after.engine.remove(container.id)
    after.engine.images.clear()
    after.engine.block_builds = threading.Event()
    with serving(after, token="") as served:
        after.workspace.reconcile()
        assert after.engine.building.wait(5)
        after.engine.unavailable = True
        served.blocking_conditions.append("the demo is being deployed")
        ready, health = served.ask("GET", "//_amlemu/ready"), served.ask("GET", "//_amlemu/health")
        assert ready.status_code == 503
        assert ready.json()["error"]["message"] == (
            "1 deployment is being started again; the engine does not answer; the demo is being deployed"
        )
        assert set(health.json()) == {"status", "version"}
        for answer in (ready, health):
            assert "secret" not in answer.text
            assert str(house.folder) not in answer.text
        after.engine.unavailable = False
        after.engine.block_builds.set()
        after.settle()


def test_authentication_runs_before_every_other_hook(strangers: Served) -> None:
    flask = create_control_api(strangers.services)
    assert flask.url_value_preprocessors == {}, "they run before the guard"
    before = flask.before_request_funcs
    assert [f.__qualname__ for f in before.pop(None)] == ["guard.<locals>.admit"], "the application's go first"
    assert set(before) == {"endpoints", "exports"}, "what takes names in any case"


def test_a_workspace_whose_admin_is_nobody_opens_to_nobody(tmp_path: Path) -> None:
    access = House(tmp_path, admin_token="").workspace.access
    for token in ("", hashlib.sha256(b"").hexdigest(), "anybody", ADMIN):
        with pytest.raises(AuthenticationFailed):
            access.caller(token)


@pytest.mark.parametrize("role", ["viewer", "deployer", "admin"])
def test_a_token_that_was_handed_out_names_no_file_of_the_owner(strangers: Served, tmp_path: Path, role: str) -> None:
    """On the owner's own machine: whoever holds one may be a script that was given it."""
    secret = tmp_path / "roots-own.txt"
    secret.write_text("canary")
    _, token = strangers.house.workspace.access.create("somebody", role)  # type: ignore[arg-type]
    bearer = {"Authorization": f"Bearer {token}"}
    assert strangers.ask("GET", INFO, headers=bearer).json()["takes_paths"] is False
    answer = strangers.ask("POST", "/models/m/versions", json={"path": str(secret)}, headers=bearer)
    assert answer.status_code == 403
    assert strangers.house.store.models() == []


# a real emulator


@pytest.fixture(scope="module")
def environ() -> Iterator[Environ]:
    """A shell whose emulator was started in the background by the first command that needed it."""
    with temporary_environ() as environ:
        amlemu(environ, "token", code=8)
        amlemu(environ, "list")
        yield environ


def status_of(environ: Environ, path: str = "/_amlemu/info", token: str = "") -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = f"http://127.0.0.1:{environ['AMLEMU_PORT']}{path}"
    return requests.get(url, headers=headers, timeout=10, proxies={"no_proxy": "*"}).status_code


def test_the_first_start_makes_one_that_its_owner_alone_can_read(environ: Environ) -> None:
    token = token_of(environ)
    assert token.startswith("amlemu_")
    assert len(token) >= 40
    assert (Path(environ["AMLEMU_HOME"]) / "token.json").stat().st_mode & 0o777 == 0o600
    assert status_of(environ) == 401
    assert status_of(environ, token=token[:-1]) == 401
    assert status_of(environ, token=token) == 200
    assert json_of(environ, "status")["takes_paths"] is True, "nothing changes for the user"
    assert amlemu(environ, "token").stdout.strip() == token


def test_no_command_line_and_no_log_has_it(environ: Environ) -> None:
    token = token_of(environ)
    amlemu(environ, "status")
    lines = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    assert not [line for line in lines if token in line]
    for file in Path(environ["AMLEMU_HOME"]).rglob("*"):
        if file.is_file() and file.name != "token.json":
            assert token.encode() not in file.read_bytes(), file


def test_the_owners_tools_find_it_also_where_the_address_is_given(environ: Environ) -> None:
    port = environ["AMLEMU_PORT"]
    for host in ("127.0.0.1", "localhost"):
        assert json_of({**environ, "AMLEMU_URL": f"http://{host}:{port}/"}, "status")["role"] == "admin"
    elsewhere = {**environ, "AMLEMU_HOME": str(Path(environ["AMLEMU_HOME"]).with_name("other"))}
    refused = amlemu({**elsewhere, "AMLEMU_URL": f"http://127.0.0.1:{port}"}, "list", code=2)
    assert "needs a token" in refused.stderr
    assert "belongs to another home" in amlemu(elsewhere, "status", code=2).stderr


def test_a_home_of_an_emulator_without_one_gets_it_at_the_next_start(environ: Environ) -> None:
    before = token_of(environ)
    amlemu(environ, "down")
    file = Path(environ["AMLEMU_HOME"]) / "token.json"
    file.unlink()
    amlemu(environ, "up", "--detach")
    assert token_of(environ) not in ("", before)
    assert status_of(environ, token=before) == 401
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_login_token_does_not_open_the_local_emulator(tmp_path: Path) -> None:
    """Whoever runs the emulator that one is logged in to knows that token."""
    with temporary_environ(AMLEMU_BIND_HOST="0.0.0.0") as team:
        amlemu(team, "up", "--detach")  # so that the other one gets other ports
        token = token_of(team)
        with temporary_environ() as own:
            mine = {name: value for name, value in own.items() if name != "AMLEMU_HOME"}
            mine |= {"XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_DATA_HOME": str(tmp_path / "data")}
            amlemu(mine, "login", url_of(team), stdin=f"{token}\n")
            amlemu(mine, "up", "--detach")
            try:
                local, path = read_admin_token(tmp_path / "data/amlemu"), "/_amlemu/tokens"
                asked = [(team, token), (own, token), (own, local)]
                assert [status_of(environ, path, one) for environ, one in asked] == [200, 401, 200]
            finally:
                amlemu(mine, "logout")
                amlemu(mine, "down")


@pytest.mark.parametrize("text", ['{"token": ""}', "{}", '{"token": "amlemu_', '{"token": null}'])
def test_a_damaged_one_ends_in_a_clear_error_and_never_in_an_open_emulator(text: str) -> None:
    with temporary_environ() as environ:
        home = Path(environ["AMLEMU_HOME"])
        home.mkdir()
        (home / "token.json").write_text(text)
        for words in (("up",), ("token",)):
            told = amlemu(environ, *words, code=2).stderr
            assert "the admin's token cannot be read" in told
            assert "token.json" in told
        assert (home / "token.json").read_text() == text


def test_an_ephemeral_emulator_has_one_too(tmp_path: Path) -> None:
    with temporary_environ() as environ, running(environ, "up", "--ephemeral", cwd=tmp_path) as (process, said):
        until_said(said, "engine process")
        home = said.read_text().partition('AMLEMU_HOME="')[2].partition('"')[0]
        mine = {**environ, "AMLEMU_HOME": home}
        assert status_of(mine) == 401
        assert json_of(mine, "status", cwd=tmp_path)["role"] == "admin"
        process.terminate()
        process.wait(30)


def test_the_emulator_of_a_test_run_has_one_and_its_reports_hide_it(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", os.getpid())
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AMLEMU_")}
    wanted = wanted_settings({**inherited, "AMLEMU_ENGINE": "process"}, tmp_path, run, {})
    session = open_session(run, wanted, tmp_path, keep=False)
    try:
        token = json.loads((run.folder / "home/token.json").read_text())["token"]
        assert requests.get(f"{session.emulator.url}/_amlemu/info", timeout=10).status_code == 401
        assert session.emulator.client.describe()["role"] == "admin"
        assert token in session.endpoints.secrets
    finally:
        session.emulator.client.__exit__()
        run.end(wanted)


# a scoring script, which can connect


def paths_of(served: Served) -> list[str]:
    return sorted({path for _, _, path in routes(create_control_api(served.services))})


def addresses_of_this_machine() -> list[str]:
    found = [one.address for those in psutil.net_if_addrs().values() for one in those if one.family == socket.AF_INET]
    return sorted({*found, "127.0.0.1"})


def test_a_script_on_the_process_engine_is_nobody(strangers: Served, tmp_path: Path) -> None:
    """It shares the machine's network: it connects, and is refused whatever it shows."""
    paths = paths_of(strangers)
    with temporary_environ() as environ:
        script = HostileScript(environ, tmp_path / "hostile")
        assert token_of(environ) not in script.guesses
        answers = script.answers("127.0.0.1", paths, script.guesses)
        assert set(answers) == {401}
        assert answers[401] >= 2 * len(script.guesses) * (len(paths) - len(OPEN_ROUTES))
        with pytest.raises(AssertionError):  # and the walk would have told of an open door
            assert set(script.answers("127.0.0.1", paths[:20], [token_of(environ)])) == {401}


@pytest.mark.docker
@pytest.mark.parametrize("bind_host", ["127.0.0.1", "0.0.0.0"])
def test_a_script_in_a_container_is_nobody(strangers: Served, tmp_path: Path, bind_host: str) -> None:
    """By the bridge's gateway and by each address of the host: nothing listens there, or it is refused."""
    paths = paths_of(strangers)
    with temporary_environ(engine="docker", AMLEMU_BIND_HOST=bind_host) as environ:
        script = HostileScript(environ, tmp_path / "hostile")
        assert token_of(environ) not in script.guesses
        if bind_host == "127.0.0.1":
            told = {host: set(script.answers(host, paths[:5], [""])) for host in addresses_of_this_machine()}
            told["gateway"] = set(script.answers(script.gateway, paths[:5], [""]))
            assert not [host for host, answers in told.items() if any(isinstance(one, int) for one in answers)], told
            return
        assert set(script.answers(script.gateway, paths, script.guesses)) == {401}
        for host in {*addresses_of_this_machine(), "host.docker.internal"} - {script.gateway}:
            answers = set(script.answers(host, paths[:5], ["", script.key]))
            assert answers == {401} or not any(isinstance(one, int) for one in answers), (host, answers)


# who sits on the port


class _Ears(http.server.BaseHTTPRequestHandler):
    heard: list[str] = []

    def do_GET(self) -> None:
        self.heard.append(self.headers.get("Authorization", ""))
        body = json.dumps({"workspace_id": "x", "home": self.server.home}).encode()  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def listening(environ: Environ) -> Iterator[list[str]]:
    """A program that has taken the emulator's port, claims to be it, and hears what it is told."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(environ["AMLEMU_PORT"])), _Ears)
    server.home = environ["AMLEMU_HOME"]  # type: ignore[attr-defined]
    _Ears.heard = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield _Ears.heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_whoever_has_taken_the_port_of_an_emulator_that_does_not_run_is_not_told_the_token() -> None:
    with temporary_environ() as environ:
        amlemu(environ, "list")
        token = token_of(environ)
        amlemu(environ, "down")
        for more in ({}, {"AMLEMU_TOKEN": "a-token-of-the-users-settings"}):
            with listening(environ) as heard:
                amlemu({**environ, **more}, "list", code=None)
                amlemu({**environ, **more}, "up", "--detach", code=None)
                until(lambda heard=heard: heard, "it was asked")
                assert set(heard) == {""}
        assert token_of(environ) == token
