"""Every door tells a failure in the same words: `deploy`, `show`, `tree`, `invoke`, and pytest's plug-in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from amlemu_process import amlemu, client_of, json_of
from broken import DECORATORS, opens

from emulator.testing.endpoint import Endpoint
from emulator.testing.reports import report_sections

if TYPE_CHECKING:
    from conftest import Bench

CAUSE = "KeyError: 'rows' (project/score.py, line "
NEXT = "the line is `return {}['rows']`; `amlemu logs raises --deployment blue` prints all that was said"


def test_deploy_and_show_tell_the_same_and_the_tree_stays(bench: Bench, tmp_path: Path) -> None:
    request = bench.request("forgotten", opens("model.pkl"))
    words = ("--name", "forgotten", "--entry", Path(str(request["code"]), "score.py"), "--model", "taxi:1")
    failed = amlemu(bench.environ, "deploy", *words, "--environment", str(request["environment"]), code=5).stderr
    first, second = failed.splitlines()[-2:]
    (deployment,) = json_of(bench.environ, "show", "forgotten")["deployments"]
    assert first.startswith(f"ResourceNotReady: {deployment['error']['message']}")
    assert second == f"  → {deployment['error']['hint']}"
    shown = amlemu(bench.environ, "show", "forgotten").stdout
    assert deployment["error"]["message"] in shown
    assert second.strip() in shown
    command = second.rpartition("`amlemu ")[2].partition("`")[0]
    assert "model.pkl" in amlemu(bench.environ, *command.split()).stdout, "the command works as printed"
    asked = amlemu(bench.environ, "invoke", "forgotten", "--data", "{}", code=6).stderr
    assert "deployment blue is Failed: FileNotFoundError" in asked
    amlemu(bench.environ, "delete", "forgotten", "--yes")


@pytest.fixture(scope="module")
def raises(bench: Bench) -> str:
    """An endpoint whose run() raises, unless the request is to be answered with JSON as text."""
    run = "def run(data):\n    if 'text' in data:\n        return '[1]'\n    return {}['rows']\n"
    bench.deploy("raises", f"{DECORATORS}{run}")
    return "raises"


def test_invoke_explains_and_shows_headers_to_who_asks(bench: Bench, raises: str) -> None:
    told = amlemu(bench.environ, "invoke", raises, "--data", "{}", code=6).stderr
    first, second = told.splitlines()[-2:]
    assert first.startswith(f"RequestFailed: {CAUSE}")
    assert second == f"  → {NEXT}"
    assert "HTTP 424" in amlemu(bench.environ, "invoke", raises, "--data", "{}", "-i", code=6).stderr


def test_invoke_tells_of_json_as_text(bench: Bench, raises: str) -> None:
    done = amlemu(bench.environ, "invoke", raises, "--data", '"text"')
    assert done.stdout.strip() == '"[1]"'
    assert "clients get a quoted string" in done.stderr
    assert "without json.dumps()" in done.stderr


def test_a_failed_test_of_the_plug_in_is_told_why(bench: Bench, raises: str) -> None:
    with client_of(bench.environ) as client:
        document = client.get_endpoint(raises)
        endpoint = Endpoint(
            client, document, touched=lambda _: None, changed=lambda _: None, deploy=lambda _name, _options: document
        )
        endpoint.invoke({})
        told = dict(report_sections([endpoint], ()))
        assert CAUSE in told["amlemu: why raises answered so"]
        assert NEXT in told["amlemu: why raises answered so"]
        endpoint.begin_test()
        assert endpoint.explain() is None
