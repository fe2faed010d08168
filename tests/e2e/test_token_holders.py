"""An emulator that others reach: what it asks for, who gets in, and what a client of another machine keeps."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from amlemu_process import Environ, amlemu, json_of, running, temporary_environ, until_said
from far_away import remote, url_of

EVERYWHERE = "0.0.0.0"


@pytest.fixture(scope="module")
def team() -> Iterator[Environ]:
    """The shell of whoever runs an emulator for others."""
    with temporary_environ(AMLEMU_BIND_HOST=EVERYWHERE) as environ:
        amlemu(environ, "up", "--detach")
        yield environ


@pytest.fixture(scope="module")
def token(team: Environ) -> str:
    return amlemu(team, "token").stdout.strip()


def test_there_is_no_start_with_a_token_that_can_be_guessed() -> None:
    with temporary_environ(AMLEMU_BIND_HOST=EVERYWHERE) as environ:
        weak = amlemu({**environ, "AMLEMU_TOKEN": "guess me"}, "up", code=2)
        assert "at least 16 characters" in weak.stderr
        assert "guess me" not in weak.stderr
        none = amlemu(environ, "token", code=8)
        assert "there is no token" in none.stderr


def test_the_token_stays_and_no_log_has_it(team: Environ, token: str) -> None:
    assert token.startswith("amlemu_")
    amlemu(team, "down")
    again = amlemu(team, "up", "--detach")
    assert token not in again.stderr
    assert token not in Path(team["AMLEMU_HOME"], "server.log").read_text()
    assert amlemu(team, "token").stdout.strip() == token
    assert amlemu(team, "list").returncode == 0, "the user of the home needs no word of it"


def test_it_listens_where_it_is_told(team: Environ) -> None:
    address = socket.gethostbyname(socket.gethostname())
    for port in ("AMLEMU_PORT", "AMLEMU_GATEWAY_PORT"):
        with socket.create_connection((address, int(team[port])), timeout=5):
            pass


def test_roles_from_another_machine(team: Environ, token: str, tmp_path: Path) -> None:
    url = {"AMLEMU_URL": url_of(team)}
    assert "needs a token" in amlemu(remote(team, tmp_path, **url), "list", code=2).stderr
    assert "not valid for this emulator" in amlemu(remote(team, tmp_path, "x" * 30, **url), "list", code=2).stderr
    admin = remote(team, tmp_path, token, **url)
    assert json_of(admin, "status")["role"] == "admin"
    made = json_of(admin, "token", "create", "reader", "--role", "viewer")
    viewer = remote(team, tmp_path, made["token"], **url)
    amlemu(viewer, "list")
    for words in (["down"], ["prune"], ["token", "list"]):
        assert "is of a viewer" in amlemu(viewer, *words, code=2).stderr
    assert [t["name"] for t in json_of(admin, "token", "list")] == ["reader"]
    amlemu(admin, "token", "delete", "reader")
    assert "not valid for this emulator" in amlemu(viewer, "list", code=2).stderr


def test_login(team: Environ, token: str, tmp_path: Path) -> None:
    mine = remote(team, tmp_path)
    wrong = amlemu(mine, "login", url_of(team), code=2, stdin="not-the-token\n")
    assert "not valid for this emulator" in wrong.stderr
    right = amlemu(mine, "login", url_of(team) + "/", stdin=f"{token}\n")
    assert "you are admin (admin)" in right.stderr
    assert token not in right.stderr + right.stdout
    assert "until you unset" not in right.stderr
    elsewhere = mine | {"AMLEMU_HOME": str(tmp_path / "home"), "AMLEMU_URL": "http://127.0.0.1:9"}
    told = amlemu(elsewhere, "login", url_of(team), stdin=f"{token}\n").stderr
    assert "until you unset AMLEMU_HOME" in told
    assert "until you unset AMLEMU_URL" in told
    kept = tmp_path / "config/amlemu/login.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert json_of(mine, "status")["url"] == url_of(team)
    assert amlemu(mine, "token").stdout.strip() == token
    amlemu(mine, "logout")
    assert not kept.exists()
    assert json_of_nothing_running(mine)


def json_of_nothing_running(environ: Environ) -> bool:
    return '"running": false' in amlemu(environ, "status", "-o", "json", code=3).stdout


def test_a_login_to_something_else(tmp_path: Path, environ: Environ) -> None:
    mine = remote(environ, tmp_path, "some-token-of-mine")
    assert "no emulator answers at http://127.0.0.1:9" in amlemu(mine, "login", "http://127.0.0.1:9", code=3).stderr
    assert "not the address of an emulator" in amlemu(mine, "login", "nonsense", code=2).stderr
    assert not (tmp_path / "config/amlemu/login.json").exists()


def test_a_token_of_the_settings_goes_before_the_homes(team: Environ) -> None:
    with temporary_environ(AMLEMU_TOKEN="the-token-of-the-settings") as environ:
        with running(environ, "up") as (_, said):
            until_said(said, "engine process")
            assert "the-token-of-the-settings" not in said.read_text()
            assert amlemu(environ, "token").stdout == "the-token-of-the-settings\n"
            without = {name: value for name, value in environ.items() if name != "AMLEMU_TOKEN"}
            assert "needs a token" in amlemu(without, "list", code=2).stderr
            amlemu(environ, "list")
