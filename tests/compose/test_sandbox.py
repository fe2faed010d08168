"""`docker compose up` from a clean copy: from nothing to the demo's answer, and back to nothing.

The tests go on from each other, in this order: a sandbox costs half a minute.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import requests
from amlemu_process import amlemu, json_of, until
from sandbox import Sandbox, inspect, reaches, run

pytestmark = pytest.mark.docker

NOT_AN_ANSWER = "OPTIONS does not reach a container"
SECONDS_TO_END = 30.0


def scoring(sandbox: Sandbox) -> dict[str, Any]:
    """What Docker says of the demo's scoring container."""
    words = (
        "--filter",
        f"label=amlemu.workspace={sandbox.workspace_id()}",
        "--filter",
        "label=amlemu.endpoint=two-models",
    )
    return inspect(run("docker", "ps", "--quiet", *words).stdout.strip())


def facts(sandbox: Sandbox) -> tuple[Any, Any]:
    """What clients of the demo's endpoint know of it: URI and keys."""
    shown = json.loads(sandbox.inside("show", "two-models", "-o", "json"))
    return shown["scoring_uri"], json.loads(sandbox.inside("keys", "two-models", "-o", "json"))


def answer(sandbox: Sandbox, uri: str, key: str) -> Any:
    body = json.loads((sandbox.folder / "samples/two_models/request.json").read_text())
    got = requests.post(uri, json=body, headers={"Authorization": f"Bearer {key}"}, timeout=30)
    assert got.status_code == 200, got.text
    return got.json()


# --- the first start -------------------------------------------------------------------------------------------------


def test_a_clean_copy_comes_up_healthy(sandbox: Sandbox) -> None:
    assert sandbox.container()["State"]["Health"]["Status"] == "healthy"
    ready = requests.get(f"http://127.0.0.1:{sandbox.control}/_amlemu/ready", timeout=10)
    assert ready.json() == {"status": "ready"}


def test_the_token_is_made_and_no_log_has_it(sandbox: Sandbox) -> None:
    token = sandbox.inside("token").strip()
    assert token.startswith("amlemu_")
    assert token not in sandbox.log()
    assert token not in json.dumps(sandbox.container())


def test_the_demo_serves_when_up_has_returned(sandbox: Sandbox) -> None:
    uri, keys = facts(sandbox)
    assert set(answer(sandbox, uri, keys["primaryKey"])) == {
        "my_first_model",
        "my_second_model",
        "my_second_model_is_a",
    }
    assert requests.post(uri, json={}, timeout=10).status_code == 401


def test_only_get_and_post_reach_it(sandbox: Sandbox) -> None:
    uri, keys = facts(sandbox)
    headers = {"Authorization": f"Bearer {keys['primaryKey']}"}
    assert requests.options(uri, headers=headers, timeout=10).status_code == 405
    assert NOT_AN_ANSWER in sandbox.log(), "the demo shows it"


# --- from another machine --------------------------------------------------------------------------------------------


def test_commands_from_outside(sandbox: Sandbox, tmp_path: Path) -> None:
    team = sandbox.outside(sandbox.inside("token").strip())
    status = json_of(team, "status", cwd=tmp_path)
    assert (status["engine"], status["endpoints"]) == ("docker", ["two-models"])
    assert [endpoint["name"] for endpoint in json_of(team, "list", cwd=tmp_path)] == ["two-models"]
    shown = json_of(team, "show", "two-models", cwd=tmp_path)
    assert shown["deployments"][0]["models"] == ["my_first_model:1", "my_second_model:2"]
    request = (sandbox.folder / "samples/two_models/request.json").read_text()
    told = json.loads(amlemu(team, "invoke", "two-models", "--data", request, cwd=tmp_path).stdout)
    assert told == answer(sandbox, shown["scoring_uri"], facts(sandbox)[1]["primaryKey"])
    assert "init" in amlemu(team, "logs", "two-models", cwd=tmp_path).stdout


def test_a_deployment_from_outside(sandbox: Sandbox, tmp_path: Path) -> None:
    """The two-model example again, by somebody who has its files and a token of a deployer."""
    admin = sandbox.outside(sandbox.inside("token").strip())
    made = json_of(admin, "token", "create", "ana", "--role", "deployer", cwd=tmp_path)
    ana = sandbox.outside(made["token"])
    code = tmp_path / "mine"
    shutil.copytree(sandbox.folder / "samples/two_models", code)
    for number, name in ((1, "my_first_model"), (2, "my_second_model")):
        amlemu(ana, "model", "download", f"{name}:{number}", "--path", code, cwd=tmp_path)
        amlemu(ana, "model", "register", "--name", name, "--version", "7", "--path", code / f"{name}.pkl", cwd=tmp_path)
    script = (code / "score.py").read_text().replace('"1"', '"7"').replace('"2"', '"7"')
    (code / "score.py").write_text(script)
    models = ("--model", "my_first_model:7", "--model", "my_second_model:7")
    amlemu(ana, "deploy", "--name", "anas", *models, "--entry", "score.py", cwd=code)
    request = (code / "request.json").read_text()
    uri, keys = facts(sandbox)
    told = json.loads(amlemu(ana, "invoke", "anas", "--data", request, cwd=tmp_path).stdout)
    assert told == answer(sandbox, uri, keys["primaryKey"])
    amlemu(ana, "delete", "anas", "--yes", cwd=tmp_path)


@pytest.mark.parametrize("token", ["", "amlemu_of-somebody-else"])
def test_without_the_token_nothing_is_told(sandbox: Sandbox, tmp_path: Path, token: str) -> None:
    told = amlemu(sandbox.outside(token), "list", cwd=tmp_path, code=None)
    assert told.returncode != 0
    assert "AuthenticationFailed" in told.stderr
    assert "two-models" not in told.stdout + told.stderr


# --- what is kept apart ----------------------------------------------------------------------------------------------


def test_scoring_containers_are_on_their_own_network_alone(sandbox: Sandbox) -> None:
    container = scoring(sandbox)
    assert list(container["NetworkSettings"]["Networks"]) == [f"{sandbox.project}_scoring"]
    assert not any(container["NetworkSettings"]["Ports"].values()), "nothing is published"
    assert not any(label.startswith("com.docker.compose") for label in container["Config"]["Labels"])
    assert not any("docker.sock" in mount["Destination"] for mount in container["Mounts"])
    assert {mount["Destination"]: mount["RW"] for mount in container["Mounts"]} == {"/var/azureml-app": False}


def test_scoring_containers_cannot_be_reached_from_other_networks(sandbox: Sandbox) -> None:
    host = scoring(sandbox)["NetworkSettings"]["Networks"][f"{sandbox.project}_scoring"]["IPAddress"]
    image = sandbox.container()["Image"]
    assert reaches(f"{sandbox.project}_scoring", image, host, 5001), "whoever is on that network gets through"
    for network in ("bridge", f"{sandbox.project}_default"):
        assert not reaches(network, image, host, 5001)


def test_what_is_mounted_was_not_copied(sandbox: Sandbox) -> None:
    """The model in the layout that the container sees is the registered file itself."""
    program = (
        "import glob, os; "
        "seen = glob.glob('/var/lib/amlemu/layouts/two-models/blue/*/azureml-models/my_first_model/1/*'); "
        "kept = {os.stat(f).st_ino for f in glob.glob('/var/lib/amlemu/files/*/*')}; "
        "print(len(seen), all(os.stat(f).st_ino in kept for f in seen))"
    )
    assert sandbox.compose("exec", "-T", "emulator", "python", "-c", program) == "1 True\n"


def test_the_emulators_own_container_may_do_little(sandbox: Sandbox) -> None:
    container = sandbox.container()
    host = container["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert (host["CapDrop"], host["CapAdd"], host["Privileged"]) == (["ALL"], None, False)
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert host["Memory"] > 0
    assert host["PidsLimit"] > 0
    published = [
        binding["HostIp"] for bindings in container["NetworkSettings"]["Ports"].values() for binding in bindings
    ]
    assert set(published) == {"127.0.0.1"}
    assert {mount["Destination"] for mount in container["Mounts"]} == {
        "/var/lib/amlemu",
        "/var/run/docker.sock",
        "/run/secrets/ca_bundle",
    }


def test_every_verb_works_inside(sandbox: Sandbox) -> None:
    for words in (
        "status", "doctor", "list", "show two-models", "logs two-models --tail 1", "logs two-models --requests",
        "keys two-models", "tree two-models", "traffic two-models blue=100", "model list",
        "model show my_first_model:1", "model download my_first_model:1 --path /tmp/downloaded", "environment list",
        "export two-models --out /tmp/exported", "schema endpoint", "prune --dry-run", "token list",
    ):  # fmt: skip
        sandbox.inside(*words.split())
    assert "already" in run_inside(sandbox, "up").stderr


def run_inside(sandbox: Sandbox, *words: str) -> Any:
    return run("docker", "compose", "exec", "-T", "emulator", "amlemu", *words, cwd=sandbox.folder)


# --- the end, and beginning again ------------------------------------------------------------------------------------


def test_a_restart_changes_nothing(sandbox: Sandbox) -> None:
    before, token = facts(sandbox), sandbox.inside("token")
    old = scoring(sandbox)["Id"]
    sandbox.compose("restart")
    sandbox.up()
    assert facts(sandbox) == before
    assert sandbox.inside("token") == token
    answer(sandbox, before[0], before[1]["primaryKey"])
    assert scoring(sandbox)["Id"] != old, "scoring containers end with the emulator"
    assert sandbox.log().count("the demo is being deployed") == 1
    assert token.strip() not in sandbox.log()


def test_after_a_kill_prune_cleans_up_and_the_next_start_brings_everything_back(sandbox: Sandbox) -> None:
    before, workspace_id = facts(sandbox), sandbox.workspace_id()
    container = scoring(sandbox)["Name"].lstrip("/")
    sandbox.compose("kill", "--signal", "KILL")
    assert f"container {container}" in sandbox.left(workspace_id), "nobody was there to end it"
    assert f"container {container}\n" in sandbox.compose("run", "--rm", "emulator", "prune")
    sandbox.compose("down")
    assert sandbox.left(workspace_id) == [f"volume {sandbox.project}_home"]
    sandbox.up()
    assert facts(sandbox) == before
    answer(sandbox, before[0], before[1]["primaryKey"])


def test_down_with_two_endpoints_leaves_nothing(sandbox: Sandbox) -> None:
    workspace_id = sandbox.workspace_id()
    models = ("--model", "my_first_model:1", "--model", "my_second_model:2")
    sandbox.inside("deploy", "--name", "second", *models, "--entry", "/var/lib/amlemu/demo/score.py")
    until(lambda: len(json.loads(sandbox.inside("list", "-o", "json"))) == 2, "both are there")
    assert len([line for line in sandbox.left(workspace_id) if line.startswith("container amlemu-")]) >= 2
    sandbox.compose("down", "--volumes")
    assert sandbox.left(workspace_id) == []
