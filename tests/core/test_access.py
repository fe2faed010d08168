"""Who may do what at the control API: tokens, roles, names and origins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from core_support import ADMIN, House
from flask import Flask
from served import Served, serving

from emulator.client.client import Client
from emulator.control_api import create_control_api
from emulator.control_api.access import needed_role
from emulator.errors import AuthenticationFailed, AuthorizationFailed, BadArgument, ResourceNotFound

TOKENS = "//_amlemu/tokens"


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Served]:
    """A house whose callers present nothing but what a test says."""
    house = House(tmp_path)
    with serving(house, token="") as served:
        yield served
    house.settle()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def token_of(served: Served, role: str) -> str:
    """A token of that role."""
    if role == "admin":
        return ADMIN
    answer = served.ask("POST", TOKENS, json={"name": f"a-{role}", "role": role}, headers=bearer(ADMIN))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


@pytest.mark.parametrize("headers", [{}, bearer("wrong"), bearer(""), {"Authorization": f"Basic {ADMIN}"}, bearer("é")])
def test_an_unknown_token_learns_nothing(guarded: Served, headers: dict[str, str]) -> None:
    for path in ("/onlineEndpoints", "/models", "//_amlemu/metrics", TOKENS, "/nothing/here", "//nothing"):
        answer = guarded.ask("GET", path, headers={k: v.encode() for k, v in headers.items()})
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "AuthenticationFailed")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="amlemu"'
        assert ADMIN not in answer.text


def test_every_route_needs_a_role(guarded: Served) -> None:
    """As the table says, and as it is."""
    needed = {
        (rule.rule.split("/workspaces/amlemu")[-1], method): needed_role(
            rule.rule, flask.view_functions[rule.endpoint], method
        )
        for flask in [flask_of(guarded)]
        for rule in flask.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert {role for (_, method), role in needed.items() if method == "GET"} <= {"viewer", "nobody", "admin"}
    admins = {rule for rule, role in needed.items() if role == "admin"}
    assert {("/_amlemu/tokens", "GET"), ("/_amlemu/tokens", "POST"), ("/_amlemu/tokens/<name>", "DELETE")} <= admins
    assert {rule.rpartition("/")[2] for rule, _ in admins} >= {"shutdown", "prune"}
    changing = {rule for rule, role in needed.items() if role == "deployer"}
    assert ("/onlineEndpoints/<name>/listKeys", "POST") in changing, "keys are no reader's"
    assert ("/onlineEndpoints/<name>", "DELETE") in changing
    nobody = {rule.rpartition("/")[2] for (rule, _), role in needed.items() if role == "nobody"}
    assert nobody == {"health", "ready"}


def flask_of(served: Served) -> Flask:
    return create_control_api(served.services)


WRITES: list[tuple[str, str, Any]] = [
    ("POST", "/models/m/versions", {"path": "upload:none"}),
    ("PATCH", "/models/m/versions/1", {"isArchived": True}),
    ("PUT", "/onlineEndpoints/e", {}),
    ("PATCH", "/onlineEndpoints/e", {"traffic": {}}),
    ("DELETE", "/onlineEndpoints/e", None),
    ("PUT", "/onlineEndpoints/e/deployments/blue", {}),
    ("DELETE", "/onlineEndpoints/e/deployments/blue", None),
    ("POST", "/onlineEndpoints/e/listKeys", {}),
    ("POST", "/onlineEndpoints/e/token", {}),
    ("POST", "/onlineEndpoints/e/regenerateKeys", {"keyType": "Primary"}),
    ("POST", "/environments", {}),
    ("POST", "/environments/build", {}),
]
ADMINS: list[tuple[str, str, Any]] = [
    ("GET", TOKENS, None),
    ("POST", TOKENS, {"name": "x", "role": "admin"}),
    ("DELETE", f"{TOKENS}/x", None),
    ("POST", "//_amlemu/prune", {"dry_run": True}),
    ("POST", "//_amlemu/shutdown", {}),
]


def test_permissions_of_each_role(guarded: Served) -> None:
    viewer, deployer = token_of(guarded, "viewer"), token_of(guarded, "deployer")
    for method, path, body in [*WRITES, *ADMINS]:
        status, code, message = guarded.error(method, path, json=body, headers=bearer(viewer))
        assert (status, code) == (403, "AuthorizationFailed"), (method, path)
        assert "'a-viewer' is of a viewer" in message
    for method, path, body in ADMINS:
        assert guarded.error(method, path, json=body, headers=bearer(deployer))[:2] == (403, "AuthorizationFailed")
    for method, path, body in WRITES:
        assert guarded.ask(method, path, json=body, headers=bearer(deployer)).status_code not in (401, 403)
    for token in (viewer, deployer, ADMIN):
        for path in ("/onlineEndpoints", "/models", "/environments", "//_amlemu/metrics"):
            assert guarded.ask("GET", path, headers=bearer(token)).status_code == 200
    assert guarded.shutdowns == []


def test_values_of_variables_are_no_viewers(guarded: Served) -> None:
    path = "/onlineEndpoints/e/export?includeValues=true"
    assert guarded.error("GET", path, headers=bearer(token_of(guarded, "viewer")))[:2] == (403, "AuthorizationFailed")
    assert guarded.error("GET", path, headers=bearer(token_of(guarded, "deployer")))[0] == 404


def test_a_token_is_shown_once_and_can_be_revoked(guarded: Served) -> None:
    with Client(guarded.url, ADMIN) as admin:
        made = admin.create_token("ci", "deployer")
        with Client(guarded.url, made["token"]) as ci:
            assert ci.list_endpoints() == []
            assert admin.list_tokens() == [{key: made[key] for key in ("name", "role", "created_at")}]
            with pytest.raises(BadArgument, match="there is a token 'ci' already"):
                admin.create_token("ci", "viewer")
            admin.delete_token("ci")
            with pytest.raises(AuthenticationFailed, match="not valid for this emulator"):
                ci.list_endpoints()
        with pytest.raises(ResourceNotFound):
            admin.delete_token("ci")
    kept = (guarded.house.store.home / "access.json").read_text()
    assert made["token"] not in kept


def test_tokens_are_kept_as_digests_and_survive(guarded: Served) -> None:
    token = token_of(guarded, "viewer")
    file = guarded.house.store.home / "access.json"
    assert token not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    again = House(guarded.house.folder, admin_token="another admin's token")
    assert again.workspace.access.caller(token).role == "viewer"
    with pytest.raises(AuthenticationFailed):
        again.workspace.access.caller(ADMIN)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"name": "x", "role": "owner"}, "viewer"),
        ({"name": "a b", "role": "viewer"}, "cannot name a token"),
        ({"name": ["x"], "role": "viewer"}, "string"),
        ({"role": "viewer"}, "name: Field required"),
        ({"name": "admin", "role": "viewer"}, "already"),
    ],
)
def test_wrong_tokens(guarded: Served, body: dict[str, Any], told: str) -> None:
    status, code, message = guarded.error("POST", TOKENS, json=body, headers=bearer(ADMIN))
    assert (status, code) == (400, "BadArgument")
    assert told in message


def test_names_and_origins(served: Served) -> None:
    """An address cannot be rebound, a name can."""
    for host, status in [
        ("127.0.0.1:1", 200),
        ("localhost", 200),
        ("[::1]:9", 200),
        ("192.168.7.7:18080", 200),
        ("[fe80::1]", 200),
        ("evil.example", 400),
        ("127.0.0.1.evil.example", 400),
        ("localhost.evil.example:18080", 400),
    ]:
        assert served.ask("GET", "/models", headers={"Host": host}).status_code == status, host
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{served.port + 1}", "file://"):
        answer = served.ask("POST", "//_amlemu/prune", json={}, headers={"Origin": origin})
        assert answer.status_code == 400, origin
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_the_client_reports_the_reason(guarded: Served) -> None:
    with Client(guarded.url) as client, pytest.raises(AuthenticationFailed, match="needs a token") as caught:
        client.describe()
    assert "amlemu login" in caught.value.hint
    with Client(guarded.url, token_of(guarded, "viewer")) as client:
        assert client.describe()["role"] == "viewer"
        with pytest.raises(AuthorizationFailed) as refused:
            client.shutdown()
    assert "amlemu token create" in refused.value.hint


def test_only_the_owner_may_name_files_of_the_machine(guarded: Served) -> None:
    _, handed_out = guarded.house.workspace.access.create("second", "admin")
    for token, takes in (
        (token_of(guarded, "viewer"), False),
        (token_of(guarded, "deployer"), False),
        (handed_out, False),
        (ADMIN, True),
    ):
        with Client(guarded.url, token) as client:
            assert client.describe()["takes_paths"] is takes
