"""What a day with the command line needs: near verbs, completion, tables, differences by what they mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from emulator.cli import COMMANDS, cli
from emulator.cli.deployed import request_file, traffic_lines, try_lines
from emulator.cli.doctor import settings_findings
from emulator.cli.endpoints import request_line
from emulator.cli.invoke import _body, answer_as_json
from emulator.cli.near_verbs import near_command
from emulator.cli.output import program_name
from emulator.cli.progress import Printer
from emulator.config import read_settings

# verbs of others


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("ps", "amlemu list"),
        ("rm iris", "amlemu delete ENDPOINT"),
        ("stop", "amlemu down"),
        ("endpoint list", "amlemu list"),
        ("online-endpoint show -n iris", "amlemu show ENDPOINT"),
        ("online-deployment create -f blue.yml", "amlemu deploy -f FILE"),
        ("online-deployment get-logs -n blue", "amlemu logs ENDPOINT --deployment DEPLOYMENT"),
        ("az ml online-endpoint get-credentials -n iris", "amlemu keys ENDPOINT"),
        ("ml model create -f model.yml", "amlemu model register"),
        ("service list", "amlemu list"),
        ("docker logs", "amlemu logs"),
        ("depoly", "deploy"),
    ],
)
def test_commands_of_other_tools_get_a_hint(words: str, meant: str) -> None:
    assert near_command(words.split(), COMMANDS) == meant
    said = CliRunner().invoke(cli, words.split())
    assert said.exit_code == 2
    assert f"Did you mean '{meant}'?" in said.output


def test_an_unknown_command_like_no_other_gets_no_hint() -> None:
    assert near_command(["xyzzy"], COMMANDS) == ""


def test_models_are_archived() -> None:
    assert "amlemu model archive" in CliRunner().invoke(cli, ["model", "delete", "m:1"]).output


# completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    said = CliRunner().invoke(cli, ["completion", shell])
    assert said.exit_code == 0
    assert "_AMLEMU_COMPLETE" in said.output


def test_commands_complete() -> None:
    found = CliRunner().invoke(
        cli,
        [],
        prog_name="amlemu",
        env={"_AMLEMU_COMPLETE": "bash_complete", "COMP_WORDS": "amlemu de", "COMP_CWORD": "1"},
    )
    assert [line.partition(",")[2] for line in found.output.splitlines()] == ["demo", "deploy", "delete"]


# what deploy says


def endpoint(traffic: dict[str, int], *names: str, target: str = "managed") -> dict[str, Any]:
    return {
        "name": "iris", "target": target, "traffic": traffic, "auth_mode": "key", "scoring_uri": "http://h:1/score",
        "deployments": [{"name": name} for name in names],
    }  # fmt: skip


def test_the_suggested_commands_call_the_new_deployment() -> None:
    invoke, curl = try_lines(endpoint({"blue": 100}, "blue", "green"), "green", "request.json")
    assert "invoke iris --deployment green --data @request.json" in invoke
    assert "-H 'azureml-model-deployment: green'" in curl
    assert "--deployment" not in try_lines(endpoint({"blue": 100}, "blue"), "blue", None)[0]
    assert "--deployment" not in try_lines(endpoint({"blue": 100}, "blue", target="aci"), "blue", None)[0]


def test_a_sample_request_is_suggested_if_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").mkdir()
    assert request_file(str(tmp_path / "src")) is None
    assert "--data '{}'" in try_lines(endpoint({"blue": 100}, "blue"), "blue", None)[0]
    (tmp_path / "src/request.json").write_text("{}")
    assert request_file(str(tmp_path / "src")) == "src/request.json"


def test_traffic_lines() -> None:
    (closed, how) = traffic_lines(endpoint({}, "blue"), ["blue"], is_from_files=True)
    assert closed == "traffic: none"
    assert "traffic iris blue=100` opens it" in how
    assert "leave it at 0 %" in traffic_lines(endpoint({"blue": 100}, "blue"), ["blue"], is_from_files=False)[0]
    given = traffic_lines(endpoint({"blue": 90, "green": 10}, "blue", "green"), ["green"], is_from_files=True)
    assert given == ["traffic: blue=90 green=10"]
    assert traffic_lines(endpoint({"blue": 100}, "blue", target="aks"), ["blue"], is_from_files=False) == [
        "traffic: blue=100"
    ]


def test_the_program_name_is_what_the_shell_finds(tmp_path: Path) -> None:
    own = tmp_path / ".venv/bin/amlemu"
    own.parent.mkdir(parents=True)
    python = own.parent / "python"
    assert program_name(str(python), "/nowhere", tmp_path) == ".venv/bin/python -m emulator"
    own.touch(mode=0o755)
    assert program_name(str(python), str(own.parent), tmp_path) == "amlemu"
    assert program_name(str(python), "/nowhere", tmp_path) == ".venv/bin/amlemu"
    assert program_name(str(python), "/nowhere", tmp_path / "elsewhere") == str(own)


# invoke and logs


def test_a_file_is_a_body(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "request.json").write_text("[1]")
    (tmp_path / "7").write_text("a file with the name of a number")
    assert _body("request.json") == _body("@request.json") == b"[1]"
    assert _body("7") == b"7"
    assert _body("none.json") == b"none.json"
    assert _body("x" * 5000) == b"x" * 5000
    assert _body(None) is None


def test_a_request_log_line_as_columns() -> None:
    line = json.dumps({"TimeGenerated": "2026-01-01T00:00:00.000Z", "DeploymentName": "blue", "Method": "POST",
                       "ResponseCode": "200", "TotalDurationMs": 3, "Path": "/score"})  # fmt: skip
    assert request_line(line) == "2026-01-01T00:00:00.000Z blue           POST    200     3         /score"
    assert request_line("no JSON") == "no JSON"


def test_a_response_as_one_document() -> None:
    assert json.loads(answer_as_json(200, {"A": "b"}, b"[1]")) == {"status": 200, "headers": {"A": "b"}, "body": [1]}
    assert json.loads(answer_as_json(500, {}, b"no JSON"))["body"] == "no JSON"
    assert json.loads(answer_as_json(200, {}, b"\xff\x00"))["body_base64"] == "/wA="


# builds


def test_lines_of_a_build_are_counted_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "new" / "build.log"
    with Printer(log=log) as printer:
        printer("step", "building the environment from requirements.txt")
        for number in range(80):
            printer("log", f"package {number}")
        printer("step", "waiting for the scoring server: init()")
        printer("log", "a line of the script")
        printer.end("iris serves")
    told = capsys.readouterr().err
    assert f"80 lines of the build: {log} (-v shows them)" in told
    assert "package 79" not in told
    assert "| a line of the script" in told
    assert log.read_text().splitlines() == [f"package {number}" for number in range(80)]


def test_a_build_that_fails_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="broken"), Printer(log=tmp_path / "build.log") as printer:
        printer("step", "building the environment from requirements.txt")
        for number in range(80):
            printer("log", f"package {number}")
        raise ValueError("broken")
    told = capsys.readouterr().err
    assert "| package 79" in told
    assert "| package 39\n" not in told
    assert (tmp_path / "build.log").read_text().startswith("package 0\n")


def test_a_build_with_verbose_and_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verbose, quiet in ((True, False), (False, True)):
        printer = Printer(verbose=verbose, quiet=quiet, log=tmp_path / "build.log")
        printer("step", "building the environment from requirements.txt")
        printer("log", "a package")
        printer.end("built")
        told = capsys.readouterr().err
        assert ("| a package" in told, bool(told)) == (verbose, not quiet)


# doctor


def test_doctor_says_where_settings_come_from(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "AMLEMU_PORT": "19000", "AMLEMU_OWN_WORD": "1"}
    found = {one.name: one for one in settings_findings(read_settings(environ, tmp_path), environ)}
    assert found["settings"].found == "port (AMLEMU_PORT)"
    assert found["ports"].found == "19000 (AMLEMU_PORT), 19001, 19020-19119"
    assert (found["variable"].ok, found["variable"].found) == (False, "AMLEMU_OWN_WORD means nothing to amlemu")
    plain = {one.name: one.found for one in settings_findings(read_settings({"HOME": str(tmp_path)}, tmp_path), {})}
    assert plain["settings"].startswith("all are defaults")
