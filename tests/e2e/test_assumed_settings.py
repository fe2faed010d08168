"""What amlemu.toml puts in place of assumed facts: in force, said, gone with the settings, and checked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from amlemu_process import Environ, amlemu, json_of, temporary_environ
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
    assert "does not have the [assumed] settings of this folder" in amlemu(own, "list", cwd=tmp_path).stderr
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
