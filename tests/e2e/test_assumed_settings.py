"""What amlemu.toml puts in place of assumed facts: in force, said, gone with the settings, and checked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from amlemu_process import Environ, amlemu, json_of, temporary_environ, until
from projects import project

SETTINGS = """
[assumed.managed]
"routing.rejected_method" = { status = 403, body = "nope" }
"""
SAID = 'routing.rejected_method is overridden by the settings: 403 "nope"'


@pytest.fixture
def own() -> Iterator[Environ]:
    """A shell for an emulator of this test's own."""
    with temporary_environ() as environ:
        yield environ


def put(uri: str) -> tuple[int, str]:
    answer = requests.put(uri, data=b"x", timeout=10)
    return answer.status_code, answer.text


def test_a_choice_is_in_force_and_said(own: Environ, tmp_path: Path) -> None:
    (tmp_path / "amlemu.toml").write_text(SETTINGS)
    script = project(tmp_path / "code")
    endpoint = json_of(own, "deploy", "--name", "chosen", "--entry", script, cwd=tmp_path)
    assert SAID in endpoint["deployments"][0]["differences"]
    assert put(endpoint["scoring_uri"]) == (403, "nope")
    assert json_of(own, "status")["assumed"] == {
        "managed": {"routing.rejected_method": {"status": 403, "body": "nope"}}
    }
    assert "overridden by the settings, for managed: routing.rejected_method" in amlemu(own, "status").stderr
    more = SETTINGS + '"container.user_variables_win" = false\n'
    (tmp_path / "amlemu.toml").write_text(more)
    assert "not in force: assumed = " in amlemu(own, "list", cwd=tmp_path).stderr
    amlemu(own, "down")
    amlemu(own, "up", "--detach")
    (deployment,) = json_of(own, "show", "chosen")["deployments"]
    assert SAID not in deployment["differences"]
    assert put(endpoint["scoring_uri"]) == (405, "Method not allowed")
    assert json_of(own, "status")["assumed"] == {}


def test_what_cannot_be_chosen_is_told_at_once(own: Environ, tmp_path: Path) -> None:
    (tmp_path / "amlemu.toml").write_text('[assumed.managed]\n"routing.methods" = ["PUT"]\n"auth.no_heder" = 1\n')
    told = amlemu(own, "list", cwd=tmp_path, code=2).stderr
    for part in ("amlemu.toml:2", "not assumed but documented", "amlemu.toml:3", "did you mean 'auth.no_header'?"):
        assert part in told.replace("\n", " "), f"{part!r} is not in {told}"
    assert "AMLEMU_ASSUMED" in amlemu({**own, "AMLEMU_ASSUMED": "{"}, "list", code=2).stderr


DIES_WHEN_ASKED = """
import os, signal

def init():
    pass

def run(body):
    os.kill(os.getppid(), signal.SIGKILL)
"""


def test_choices_that_containers_feel(own: Environ, tmp_path: Path) -> None:
    """A dead instance has a successor with a name of its own, and the key before the last one still opens."""
    choices = {"probes.restart_in_place": False, "auth.regenerate": 600, "traffic.per_request": "connection"}
    environ = {**own, "AMLEMU_ASSUMED": json.dumps({"managed": choices})}
    script = project(tmp_path / "code", DIES_WHEN_ASKED)
    endpoint = json_of(environ, "deploy", "--name", "chosen", "--entry", script)
    old = json_of(environ, "keys", "chosen")["primaryKey"]
    new = json_of(environ, "keys", "chosen", "--regenerate", "primary")["primaryKey"]
    opened = [
        requests.post(endpoint["scoring_uri"], headers={"Authorization": f"Bearer {key}"}, timeout=30).status_code
        != 401
        for key in (old, "nonsense")
    ]
    assert (old != new, opened) == (True, [True, False])

    def instances() -> list[str]:
        lines = amlemu(environ, "logs", "chosen", "--events").stdout.splitlines()
        return list(dict.fromkeys(json.loads(line)["InstanceId"] for line in lines))

    until(lambda: len(instances()) == 2, "another instance has started", 15)
    first, second = instances()
    assert second == f"{first}-1"
    (deployment,) = json_of(environ, "show", "chosen")["deployments"]
    assert [(i["name"], i["restarts"]) for i in deployment["instances"]] == [(second, 0)]
