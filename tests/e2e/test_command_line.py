"""The command line as a user meets it, against a real emulator on the process engine."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from amlemu_process import AMLEMU, Environ, amlemu, json_of, running, until, until_said
from projects import SERVER, project, script

ENDPOINT_KEYS = [
    "name", "target", "provisioning_state", "scoring_uri", "openapi_uri", "auth_mode", "traffic", "mirror_traffic",
    "deployments",
]  # fmt: skip
DEPLOYMENT_KEYS = {"name", "provisioning_state", "engine", "image", "models", "instance_count", "differences"}
MODEL_KEYS = ["name", "version", "type", "path", "size", "sha256"]


def score(environ: Environ, endpoint: str, *words: str, data: str = "{}") -> Any:
    """What the script answers."""
    return json.loads(amlemu(environ, "invoke", endpoint, "--data", data, *words).stdout)


def answer_with_key(uri: str, key: str, **request: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", **request.pop("headers", {})}
    return requests.post(uri, headers=headers, timeout=20, proxies={"no_proxy": "*"}, **request)


# --- the main job ----------------------------------------------------------------------------------------------------


def test_four_lines_from_model_files_to_an_answer(environ: Environ, tmp_path: Path) -> None:
    folder = tmp_path / "my_project"
    text = """
import os

def init():
    global texts
    root = os.environ["AZUREML_MODEL_DIR"]
    texts = [open(os.path.join(root, *path)).read() for path in
             [("first_model", "1", "first.txt"), ("second_model", "2", "second.txt")]]

def run(data):
    return texts
"""
    project(folder, text, first__txt="one", second__txt="two", requirements__txt=SERVER)
    amlemu(environ, "model", "register", "--name", "second_model", "--path", "first.txt", cwd=folder)

    amlemu(environ, "model", "register", "--name", "first_model", "--path", "first.txt", cwd=folder)
    amlemu(environ, "model", "register", "--name", "second_model", "--path", "second.txt", cwd=folder)
    models = ("--model", "first_model:1", "--model", "second_model@latest")
    deployed = amlemu(environ, "deploy", *models, "--entry", "score.py", cwd=folder)
    answer = amlemu(environ, "invoke", "my-project", "--data", "{}", cwd=folder)

    assert json.loads(answer.stdout) == ["one", "two"]
    assert deployed.stdout.startswith("http://127.0.0.1:")
    assert deployed.stdout.strip().endswith("/score")
    amlemu(environ, "delete", "my-project", "--yes")


# --- what is printed, and where --------------------------------------------------------------------------------------


def test_deploy_and_show_print_the_documented_shape(environ: Environ, folder: Path) -> None:
    words = ("deploy", "--name", "shape", "--entry", project(folder))
    deployed = amlemu(environ, *words, "-o", "json")
    endpoint = json.loads(deployed.stdout)
    assert list(endpoint)[: len(ENDPOINT_KEYS)] == ENDPOINT_KEYS
    assert (endpoint["name"], endpoint["target"], endpoint["auth_mode"]) == ("shape", "managed", "key")
    assert (endpoint["provisioning_state"], endpoint["traffic"]) == ("Succeeded", {"blue": 100})
    assert endpoint["openapi_uri"] == endpoint["scoring_uri"].replace("/score", "/swagger.json")
    (deployment,) = endpoint["deployments"]
    assert deployment.keys() >= DEPLOYMENT_KEYS
    assert (deployment["name"], deployment["provisioning_state"]) == ("blue", "Succeeded")
    assert (deployment["engine"], deployment["models"], deployment["instance_count"]) == ("process", [], 1)
    assert any("no container" in difference for difference in deployment["differences"])
    assert json_of(environ, "show", "shape") == endpoint
    assert endpoint in json_of(environ, "list")
    assert yaml.safe_load(amlemu(environ, "show", "shape", "-o", "yaml").stdout) == endpoint
    for said in ("environment: requirements.txt", "starting 1 container", "shape serves"):
        assert said in deployed.stderr, said
    assert "\x1b" not in deployed.stdout + deployed.stderr
    amlemu(environ, "delete", "shape", "--yes")


def test_the_same_command_updates_the_same_endpoint(environ: Environ, folder: Path) -> None:
    path = project(folder)
    before = json_of(environ, "deploy", "--name", "again", "--entry", path)
    key = json_of(environ, "keys", "again")
    first = score(environ, "again")
    project(folder, script("second"))
    after = json_of(environ, "deploy", "--name", "again", "--entry", path)
    assert (before["scoring_uri"], key) == (after["scoring_uri"], json_of(environ, "keys", "again"))
    second = score(environ, "again")
    assert (first["answer"], second["answer"]) == ("first", "second")
    assert first["token"] != second["token"]
    amlemu(environ, "delete", "again", "--yes")


def test_tables_are_for_people_and_pipes_get_tabs(environ: Environ, steady: str) -> None:
    rows = [line.split("\t") for line in amlemu(environ, "list").stdout.splitlines()]
    assert [row[:4] for row in rows if row[0] == steady] == [[steady, "managed", "blue Succeeded", "blue=100"]]
    shown = amlemu(environ, "show", steady).stdout
    assert "provisioning_state   Succeeded" in shown
    assert "difference" in shown


def on_a_terminal(environ: Environ, *words: str) -> str:
    """What a command writes when stdout and stderr are a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([*AMLEMU, *words], env=environ, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        text = b""
        while chunk := _read(ours):
            text += chunk
        process.wait()
    os.close(ours)
    return text.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux's way to say that the other side is closed
        return b""


# What rich prints keeps its bold headings: they are no colour.
@pytest.mark.parametrize("words", [("show", "no-such-endpoint"), ("doctor",)])
def test_no_color_is_obeyed_on_a_terminal(environ: Environ, steady: str, words: tuple[str, ...]) -> None:
    colourful = {**environ, "TERM": "xterm-256color"}
    colourful.pop("NO_COLOR", None)
    assert "\x1b[" in on_a_terminal(colourful, *words)
    assert "\x1b[" not in on_a_terminal({**colourful, "NO_COLOR": "1"}, *words)


def test_help_answers_for_every_command(environ: Environ) -> None:
    told = amlemu(environ, "--help").stdout
    for command in ("up", "down", "status", "doctor", "prune", "model", "environment", "deploy", "invoke", "list",
                    "show", "logs", "keys", "traffic", "tree", "delete"):  # fmt: skip
        assert f"  {command} " in told
        assert amlemu(environ, command, "--help").stdout.startswith(f"Usage: amlemu {command}")


# --- models ----------------------------------------------------------------------------------------------------------


def test_models_are_registered_listed_archived_and_downloaded(environ: Environ, tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.bin").write_bytes(bytes(range(256)) * 100)
    (folder / "deep/b.txt").write_text("b")
    words = ("model", "register", "--name", "round_trip", "--path", folder)
    model = json_of(environ, *words, "--tag", "k=v", "--property", "p=q", "--description", "d")
    assert list(model)[: len(MODEL_KEYS)] == MODEL_KEYS
    assert (model["name"], model["version"], model["type"]) == ("round_trip", "1", "custom_model")
    assert (model["path"], model["size"]) == ("weights", 25601)
    assert (model["tags"], model["properties"], model["description"]) == ({"k": "v"}, {"p": "q"}, "d")
    assert len(model["sha256"]) == 64
    digests = {file["path"]: file["sha256"] for file in model["files"]}
    assert digests["weights/a.bin"] == hashlib.sha256((folder / "a.bin").read_bytes()).hexdigest()

    assert json_of(environ, "model", "show", "round_trip") == model
    assert json_of(environ, *words)["version"] == "2"
    amlemu(environ, "model", "archive", "round_trip:2")
    assert [m["version"] for m in json_of(environ, "model", "list", "round_trip")] == ["1"]
    assert len(json_of(environ, "model", "list", "round_trip", "--include-archived")) == 2
    assert json_of(environ, "model", "show", "round_trip")["version"] == "1"
    amlemu(environ, "model", "restore", "round_trip:2")
    assert json_of(environ, "model", "show", "round_trip")["version"] == "2"

    written = amlemu(environ, "model", "download", "round_trip:1", "--path", tmp_path / "back").stdout.split()
    assert {Path(path).relative_to(tmp_path / "back").as_posix() for path in written} == digests.keys()
    for path in digests:
        assert (tmp_path / "back" / path).read_bytes() == (tmp_path / path).read_bytes()


# --- environments ----------------------------------------------------------------------------------------------------


def test_environments_are_shown_registered_and_built(environ: Environ, tmp_path: Path) -> None:
    file = tmp_path / "conda.yml"
    file.write_text(f"name: mine\ndependencies:\n  - python=3.11\n  - pip:\n    - {SERVER}")
    dockerfile = amlemu(environ, "environment", "show", file, "--dockerfile").stdout
    assert any(line.startswith("FROM ") for line in dockerfile.splitlines())
    registered = json_of(environ, "environment", "register", "-f", file)
    assert (registered["name"], registered["version"], registered["python_version"]) == ("mine", "1", "3.11")
    # setuptools comes along where PyPI stands in for conda's channels
    assert [line for line in registered["requirements"] if line != "setuptools<81"] == [SERVER.strip()]
    assert amlemu(environ, "environment", "show", "mine:1", "--dockerfile").stdout == dockerfile
    assert [e["name"] for e in json_of(environ, "environment", "list")] == ["mine"]
    assert "built" in amlemu(environ, "environment", "build", "mine").stderr
    path = project(tmp_path / "code", None, note__txt="no environment file")
    endpoint = json_of(environ, "deploy", "--name", "registered", "--environment", "mine:1", "--entry", path)
    assert endpoint["deployments"][0]["environment"] == "mine:1"
    amlemu(environ, "delete", "registered", "--yes")


# --- options of deploy -----------------------------------------------------------------------------------------------


def test_variables_come_from_options_and_files(environ: Environ, folder: Path) -> None:
    path = project(folder)
    (folder.parent / "mine.env").write_text("# a comment\nMINE='from the file'\n")
    words = ("deploy", "--name", "variables", "--entry", path)
    endpoint = json_of(environ, *words, "--env-file", folder.parent / "mine.env")
    assert score(environ, "variables")["mine"] == "from the file"
    assert endpoint["deployments"][0]["environment_variables"] == ["MINE"]
    amlemu(environ, *words, "--env-file", folder.parent / "mine.env", "--env", "MINE=a secret = with signs")
    assert score(environ, "variables")["mine"] == "a secret = with signs"
    assert "a secret" not in amlemu(environ, "show", "variables", "-o", "json").stdout
    amlemu({**environ, "MINE": "of the shell"}, *words, "--env", "MINE")
    assert score(environ, "variables")["mine"] == "of the shell"
    assert "NOT_THERE" in amlemu(environ, *words, "--env", "NOT_THERE", code=2).stderr
    amlemu(environ, "delete", "variables", "--yes")


def test_keys_are_given_printed_and_regenerated(environ: Environ, folder: Path) -> None:
    given = "a-key-that-the-test-knows"
    uri = json_of(environ, "deploy", "--name", "locked", "--entry", project(folder), "--primary-key", given)[
        "scoring_uri"
    ]
    keys = json_of(environ, "keys", "locked")
    assert list(keys) == ["primaryKey", "secondaryKey"]
    assert keys["primaryKey"] == given == amlemu(environ, "keys", "locked").stdout.strip()
    assert answer_with_key(uri, given).status_code == 200
    new = json_of(environ, "keys", "locked", "--regenerate", "primary")
    assert new["secondaryKey"] == keys["secondaryKey"]
    statuses = [answer_with_key(uri, key).status_code for key in (given, new["primaryKey"], new["secondaryKey"])]
    assert statuses == [401, 200, 200]
    amlemu(environ, "delete", "locked", "--yes")


def test_two_instances_share_the_work(environ: Environ, folder: Path) -> None:
    words = ("deploy", "--name", "pair", "--entry", project(folder), "--instance-count", "2")
    (deployment,) = json_of(environ, *words)["deployments"]
    assert deployment["instance_count"] == 2
    assert len({score(environ, "pair")["host"] for _ in range(6)}) == 2
    for instance in ("0", "1"):
        assert "init says hello" in amlemu(environ, "logs", "pair", "--instance", instance).stdout
    amlemu(environ, "logs", "pair", "--instance", "2", code=2)
    amlemu(environ, "delete", "pair", "--yes")


def test_traffic_is_split_between_deployments(environ: Environ, folder: Path) -> None:
    path = project(folder)
    amlemu(environ, "deploy", "--name", "split", "--entry", path)
    project(folder, script("from green"))
    endpoint = json_of(environ, "deploy", "--name", "split", "--deployment", "green", "--entry", path)
    assert endpoint["traffic"] == {"blue": 100}
    assert score(environ, "split")["answer"] == "first"
    assert score(environ, "split", "--deployment", "green")["answer"] == "from green"
    assert json_of(environ, "traffic", "split", "blue=90", "green=10") == {"blue": 90, "green": 10}
    assert "not 91" in amlemu(environ, "traffic", "split", "blue=90", "green=1", code=2).stderr
    assert amlemu(environ, "traffic", "split", "blue=0", "green=100").stdout.strip() == "green=100"
    assert {score(environ, "split")["answer"] for _ in range(5)} == {"from green"}
    amlemu(environ, "delete", "split", "--deployment", "blue", "--yes")
    assert [d["name"] for d in json_of(environ, "show", "split")["deployments"]] == ["green"]
    amlemu(environ, "delete", "split", "--yes")


# --- day to day ------------------------------------------------------------------------------------------------------


def test_logs_follow_until_interrupted(environ: Environ, steady: str) -> None:
    with running(environ, "logs", steady, "-f", "--tail", "1") as (process, said):
        score(environ, steady)
        until_said(said, "POST /score")
        assert "init says hello" not in said.read_text()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert "Traceback" not in said.read_text()
    assert score(environ, steady)["answer"] == "first"


def test_the_event_log(environ: Environ, steady: str) -> None:
    lines = amlemu(environ, "logs", steady, "--events").stdout.splitlines()
    assert [json.loads(line)["Name"] for line in lines][:3] == ["Pulled", "Created", "Started"]
    assert amlemu(environ, "logs", steady, "--events", "--tail", "1").stdout.splitlines() == lines[-1:]
    assert "not both" in amlemu(environ, "logs", steady, "--events", "--requests", code=2).stderr
    with running(environ, "logs", steady, "--events", "-f") as (process, said):
        until_said(said, "Started")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130


def test_the_request_log_warns_of_forms(environ: Environ, steady: str) -> None:
    uri = json_of(environ, "show", steady)["scoring_uri"]
    key = json_of(environ, "keys", steady)["primaryKey"]
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert answer_with_key(uri, key, data='{"data": 1}', headers=form).json()["data"] == ""

    def warned() -> list[dict[str, Any]]:
        lines = amlemu(environ, "logs", steady, "--requests", "--tail", "1").stdout.splitlines()
        return [line for line in map(json.loads, lines) if "empty string" in line.get("Warning", "")]

    (line,) = until(warned, "the line of the request")
    assert (line["Method"], line["Path"], line["ResponseCode"]) == ("POST", "/score", 200)
    assert (line["EndpointName"], line["DeploymentName"]) == (steady, "blue")
    assert key not in json.dumps(line)


def test_the_tree_shows_what_the_script_sees(environ: Environ, folder: Path) -> None:
    (folder / "__pycache__").mkdir(parents=True)
    (folder / "__pycache__/score.pyc").write_text("")
    path = project(folder, helper__py="", weights__bin="12345", requirements__txt=SERVER)
    amlemu(environ, "model", "register", "--name", "seen", "--path", folder / "weights.bin")
    amlemu(environ, "deploy", "--name", "forest", "--model", "seen:1", "--entry", path)
    tree = json_of(environ, "tree", "forest")
    assert {"path": "azureml-models/seen/1/weights.bin", "size": 5} in tree["files"]
    paths = {file["path"] for file in tree["files"]}
    assert paths == {"azureml-models/seen/1/weights.bin"} | {
        f"code/{name}" for name in ("helper.py", "requirements.txt", "score.py", "weights.bin")
    }
    assert tree["variables"]["AZUREML_MODEL_DIR"] == "/var/azureml-app/azureml-models/seen/1"
    printed = amlemu(environ, "tree", "forest").stdout
    assert "weights.bin" in printed
    assert "AZUREML_MODEL_DIR=/var/azureml-app/azureml-models/seen/1" in printed
    amlemu(environ, "delete", "forest", "--yes")


def test_nothing_is_deleted_unasked(environ: Environ, folder: Path) -> None:
    amlemu(environ, "deploy", "--name", "mortal", "--entry", project(folder))
    assert "--yes" in amlemu(environ, "delete", "mortal", code=2, stdin="y\n").stderr
    assert score(environ, "mortal")["answer"] == "first"
    amlemu(environ, "delete", "mortal", "--yes")
    assert "mortal" in amlemu(environ, "show", "mortal", code=8).stderr


NO_INPUT_DATA = """
from azureml_inference_server_http.api.aml_response import AMLResponse

def init():
    pass

def run(data):
    return AMLResponse({"message": "A value is not provided for the 'input_data' parameter."}, 400, json_str=True)
"""


def test_invoke_says_what_to_send_instead_of_mlflows_own_bodies(environ: Environ, folder: Path) -> None:
    """The answer is that of the server to a model without a script; that it is, tests/no_code proves."""
    amlemu(environ, "deploy", "--name", "wants-input-data", "--entry", project(folder, NO_INPUT_DATA))
    refused = amlemu(environ, "invoke", "wants-input-data", "--data", '{"inputs": [[1, 2]]}', code=6)
    assert '{"input_data": [[1, 2]]}' in refused.stderr
    amlemu(environ, "delete", "wants-input-data", "--yes")


def test_invoke_sends_bodies_files_and_headers(environ: Environ, steady: str, tmp_path: Path) -> None:
    (tmp_path / "body.json").write_text('{"from": "a file"}')
    assert score(environ, steady, data=f"@{tmp_path / 'body.json'}")["data"] == '{"from": "a file"}'
    piped = amlemu(environ, "invoke", steady, "--data", "@-", stdin="[1]")
    assert json.loads(piped.stdout)["data"] == "[1]"
    assert amlemu(environ, "invoke", steady, "--path", "/").stdout == "Healthy"
    told = amlemu(environ, "invoke", steady, "--data", "{}", "-i", "-H", "x-ms-client-request-id: abc").stderr
    assert "HTTP 200 OK" in told
    assert "x-ms-client-request-id: abc" in told.lower()
    refused = amlemu(environ, "invoke", steady, "--method", "OPTIONS", code=6)
    assert "405" in refused.stderr
    assert "RequestFailed" in refused.stderr
    assert "404" in amlemu(environ, "invoke", steady, "--path", "/nowhere", code=6).stderr


def test_status_and_doctor_say_what_is_there(environ: Environ, steady: str) -> None:
    status = json_of(environ, "status")
    assert status["running"] is True
    assert (status["engine"], status["home"]) == ("process", environ["AMLEMU_HOME"])
    assert steady in status["endpoints"]
    findings = {finding["name"]: finding["ok"] for finding in json_of(environ, "doctor")}
    assert findings["engine process"]
    assert findings["emulator"]


def test_prune_leaves_what_is_in_use(environ: Environ, steady: str) -> None:
    before = score(environ, steady)
    amlemu(environ, "prune", "--dry-run")
    amlemu(environ, "prune")
    assert score(environ, steady)["token"] == before["token"]
    assert json_of(environ, "deploy", "--name", steady, "--entry", _script_of(environ, steady))


def _script_of(environ: Environ, endpoint: str) -> Path:
    code = json_of(environ, "show", endpoint)["deployments"][0]["code_configuration"]
    return Path(code["code"]) / code["scoring_script"]
