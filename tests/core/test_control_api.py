"""Every route of the control API over HTTP: resources, statuses, error bodies, streams."""

from __future__ import annotations

import json
import socket
import tarfile
import threading
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import requests
from core_support import ADMIN, House
from fake_engine import Behaviour
from served import Served, serving

from emulator.azure_paths import WORKSPACE_PATH
from emulator.control_api.api_version import API_VERSION
from emulator.control_api.readiness import engine_answers
from emulator.control_api.streams import line_stream

ENDPOINTS = "/onlineEndpoints"


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for requests that are refused and so change nothing; starting one takes longer than such a test."""
    house = House(tmp_path_factory.mktemp("unchanged"))
    with serving(house) as served:
        yield served
    house.settle()


def put(served: Served, endpoint: str = "iris", deployment: str = "blue", **changes: Any) -> str:
    """Begin a deployment; the operation's id."""
    body = {"code": str(served.house.code), "scoring_script": "score.py", **changes}
    answer = served.ask("PUT", f"{ENDPOINTS}/{endpoint}/deployments/{deployment}", json=body)
    assert answer.status_code in (200, 201), answer.text
    return str(answer.json()["operation"])


def events(served: Served, operation: str) -> list[dict[str, Any]]:
    """All that an operation says, to its end."""
    lines = served.ask("GET", f"/mfeOperationsStatus/{operation}/events").text.splitlines()
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


def deploy(served: Served, endpoint: str = "iris", deployment: str = "blue", **changes: Any) -> dict[str, Any]:
    """Deploy, and how it ended."""
    return events(served, put(served, endpoint, deployment, **changes))[-1]


def register(served: Served, name: str = "m", content: str = "weights", **more: Any) -> dict[str, Any]:
    path = served.house.folder / "model.pkl"
    path.write_text(content)
    answer = served.ask("POST", f"/models/{name}/versions", json={"path": str(path), **more})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


# the server


def test_health(served: Served) -> None:
    """Nothing that a stranger should not know."""
    assert served.ask("GET", "//_amlemu/health").json() == {"status": "ok", "version": "0"}


def test_info(served: Served) -> None:
    home = str(served.house.store.home)
    who = {"caller": "admin", "role": "admin", "takes_paths": True}
    assert served.ask("GET", "//_amlemu/info").json() == {
        "version": "0",
        "home": home,
        "api_version": API_VERSION,
        **who,
    }


@pytest.mark.parametrize("path", ["//_amlemu/info", "/onlineEndpoints?api-version=2023-04-01-preview", "//nope"])
def test_every_answer_has_the_version(served: Served, path: str) -> None:
    assert served.ask("GET", path).headers["x-amlemu-api-version"] == API_VERSION


def test_ready(served: Served) -> None:
    assert served.ask("GET", "//_amlemu/ready").json() == {"status": "ready"}
    served.house.engine.unavailable = True
    served.blocking_conditions.append("the demo is being trained")
    status, code, message = served.error("GET", "//_amlemu/ready")
    assert (status, code) == (503, "ResourceNotReady")
    assert message == "the engine does not answer; the demo is being trained"
    served.house.engine.unavailable = False
    served.blocking_conditions.clear()
    assert served.ask("GET", "//_amlemu/ready").status_code == 200


def test_ready_once_deployments_are_restored(served: Served) -> None:
    deploy(served)
    house = served.house.restarted()
    for container in house.running():
        house.engine.remove(container.id)
    house.engine.images.clear()
    house.engine.block_builds = threading.Event()
    with serving(house) as after:
        house.workspace.reconcile()
        assert house.engine.building.wait(5)
        assert after.error("GET", "//_amlemu/ready") == (503, "ResourceNotReady", "1 deployment is being started again")
        house.engine.block_builds.set()
        house.settle()
        assert after.ask("GET", "//_amlemu/ready").status_code == 200


def test_readiness_does_not_wait_for_a_failed_restore(served: Served) -> None:
    deploy(served)
    house = served.house.restarted()
    for container in house.running():
        house.engine.remove(container.id)
    house.engine.behaviours.append(Behaviour(exit_code=1))
    house.workspace.reconcile()
    house.settle()
    assert house.state() == "Failed"
    assert house.workspace.restoring() == []


def test_a_silent_engine_is_called_once() -> None:
    asked, answer = threading.Semaphore(0), threading.Event()

    def ask() -> None:
        asked.release()
        assert answer.wait(10)

    condition = engine_answers(ask)
    first = threading.Thread(target=condition)
    first.start()
    assert asked.acquire(timeout=5)
    assert condition() == "the engine has not answered for a while"
    answer.set()
    first.join(5)
    assert condition() == ""


def test_shutdown(served: Served) -> None:
    for body in ({"json": {"keep_containers": True}}, {"json": {}}, {}):
        assert served.ask("POST", "//_amlemu/shutdown", **body).json() == {"status": "stopping"}
    assert served.shutdowns == [True, False, False]


def test_prune(served: Served) -> None:
    content = served.house.store.files.add(served.house.code / "score.py")
    line = [f"file {content.sha256[:12]} ({content.size} bytes)"]
    assert served.ask("POST", "//_amlemu/prune", json={"dry_run": True}).json() == {"removed": line}
    assert served.ask("POST", "//_amlemu/prune", json={}).json() == {"removed": line}
    assert served.ask("POST", "//_amlemu/prune").json() == {"removed": []}


# models


def test_models(served: Served) -> None:
    resource = register(served, tags={"a": "b"}, description="d")
    assert resource["id"] == f"{WORKSPACE_PATH}/models/m/versions/1"
    assert resource["name"] == "1"
    assert resource["properties"]["modelUri"] == "azureml://models/m/versions/1/model.pkl"
    assert resource["properties"]["flavors"] == {}
    assert resource["amlemu"]["size"] == 7
    register(served, content="other")
    register(served, "n", version="rc.1")
    assert [m["amlemu"]["version"] for m in served.ask("GET", "/models/m/versions").json()["value"]] == ["1", "2"]
    assert [m["amlemu"]["name"] for m in served.ask("GET", "/models").json()["value"]] == ["m", "m", "n"]
    assert served.ask("GET", "/models/m/versions/latest").json()["name"] == "2"
    assert served.ask("GET", "/models/n/versions/rc.1").json()["name"] == "rc.1"
    assert served.ask("GET", "/models/none/versions").json() == {"value": []}


def test_archived_models(served: Served) -> None:
    register(served)
    patched = served.ask("PATCH", "/models/m/versions/1", json={"isArchived": True}).json()
    assert patched["properties"]["isArchived"] is True
    assert served.ask("GET", "/models").json()["value"] == []
    assert len(served.ask("GET", "/models?includeArchived=true").json()["value"]) == 1
    assert served.error("GET", "/models/m/versions/latest")[0] == 404
    served.ask("PATCH", "/models/m/versions/1", json={"isArchived": False})
    assert len(served.ask("GET", "/models/m/versions").json()["value"]) == 1
    for body in ({"isArchived": "yes"}, {"description": "x"}):
        assert served.error("PATCH", "/models/m/versions/1", json=body)[:2] == (400, "BadArgument")


@pytest.mark.parametrize(
    ("name", "body", "told"),
    [
        ("m", {}, "path: Field required"),
        ("m", {"path": "model.pkl"}, "not the absolute path"),
        ("m", {"path": "/none"}, "'/none' does not exist"),
        ("m", {"path": "/tmp", "type": "onnx"}, "type: Input should be"),
        ("m", {"path": "/tmp", "verison": "1"}, "verison"),
        ("m", {"path": "/tmp", "version": "latest"}, "'latest' cannot be a version"),
        ("-m", {"path": "/tmp"}, "'-m' cannot name a model"),
        ("%20", {"path": "/tmp"}, "' ' cannot name a model"),
    ],
)
def test_bad_models(served: Served, name: str, body: dict[str, Any], told: str) -> None:
    status, code, message = served.error("POST", f"/models/{name}/versions", json=body)
    assert (status, code) == (400, "BadArgument")
    assert told in message


def test_the_content_of_a_model(served: Served, tmp_path: Path) -> None:
    folder = tmp_path / "big model é"
    long_name = "x" * 120
    (folder / long_name).mkdir(parents=True)
    (folder / long_name / "a.bin").write_bytes(b"a" * 3000)
    (folder / "empty").write_bytes(b"")
    (folder / "exact").write_bytes(b"e" * 512)
    served.ask("POST", "/models/m/versions", json={"path": str(folder)})
    answer = served.ask("GET", "/models/m/versions/latest/content")
    assert answer.headers["Content-Type"] == "application/x-tar"
    with tarfile.open(fileobj=BytesIO(answer.content)) as tar:
        sizes = {member.name: member.size for member in tar}
        found = tar.extractfile(f"{folder.name}/{long_name}/a.bin")
        assert found is not None
        assert found.read() == b"a" * 3000
    assert sizes == {f"{folder.name}/{long_name}/a.bin": 3000, f"{folder.name}/empty": 0, f"{folder.name}/exact": 512}


# environments


def test_environments(served: Served, tmp_path: Path) -> None:
    file = tmp_path / "conda.yml"
    file.write_text("name: sk\ndependencies: [python=3.9, numpy]\n")
    created = served.ask("POST", "/environments", json={"file": str(file)})
    assert created.status_code == 201
    resource = created.json()
    assert resource["id"].endswith("/environments/sk/versions/1")
    assert len(resource["amlemu"]["digest"]) == 64
    assert "ARG BASE_IMAGE=python:3.9-slim-bookworm" in resource["amlemu"]["dockerfile"]
    assert served.ask("GET", "/environments").json()["value"] == [resource]
    assert served.ask("POST", "/environments/resolve", json={"name": "sk:1"}).json() == resource
    by_file = served.ask("POST", "/environments/resolve", json={"file": str(file)}).json()
    assert by_file["amlemu"]["digest"] == resource["amlemu"]["digest"]
    operation = served.ask("POST", "/environments/build", json={"name": "sk"})
    assert operation.status_code == 202
    assert operation.headers["Azure-AsyncOperation"].endswith("/mfeOperationsStatus/op0")
    end = events(served, operation.json()["operation"])[-1]
    assert end["status"] == "Succeeded"
    assert len(served.house.engine.builds) == 1
    assert served.ask("GET", "/mfeOperationResults/op0").json() == {"image": f"fake:{resource['amlemu']['digest'][:8]}"}


def test_curated_environments(served: Served) -> None:
    listed = served.ask("GET", "/environments?curated=true").json()["value"]
    assert len(listed) >= 25
    resource = next(one for one in listed if one["name"] == "latest" and "/sklearn-1.5/" in one["id"])
    assert resource["amlemu"]["python_version"] == "3.10"
    assert served.ask("POST", "/environments/resolve", json={"name": "AzureML-sklearn-1.5"}).json() == resource
    assert served.ask("GET", "/environments").json()["value"] == []


def test_bad_environments(served: Served, tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text("numpy=1\n-e .\n")
    answer = served.ask("POST", "/environments", json={"file": str(file)})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "BadArgument")
    assert [detail["where"] for detail in error["details"]] == ["requirements.txt:1", "requirements.txt:2"]
    for path, body in (("", {}), ("/resolve", {}), ("/build", {"file": 3})):
        assert served.error("POST", f"/environments{path}", json=body)[0] == 400
    assert served.error("POST", "/environments/build", json={"name": "nope"})[:2] == (404, "ResourceNotFound")


# endpoints and deployments


def test_a_deployment_from_put_to_delete(served: Served) -> None:
    register(served)
    said = events(served, put(served, models=["m"], environment_variables={"TOKEN": "s3cret"}))
    assert {"kind": "log", "text": "building 4 requirements"} in said
    assert (said[-1]["kind"], said[-1]["name"], said[-1]["status"]) == ("end", "op0", "Succeeded")
    endpoint = served.ask("GET", f"{ENDPOINTS}/iris").json()
    assert endpoint["properties"]["scoringUri"] == "http://127.0.0.1:18100/score"
    assert endpoint["properties"]["authMode"] == "Key"
    flat = endpoint["amlemu"]
    assert (flat["traffic"], flat["provisioning_state"]) == ({"blue": 100}, "Succeeded")
    assert flat["deployments"][0]["environment_variables"] == ["TOKEN"]
    assert "s3cret" not in json.dumps(endpoint)
    assert served.ask("GET", ENDPOINTS).json()["value"] == [endpoint]
    (deployment,) = served.ask("GET", f"{ENDPOINTS}/iris/deployments").json()["value"]
    assert deployment == served.ask("GET", f"{ENDPOINTS}/iris/deployments/blue").json()
    assert deployment["properties"]["requestSettings"]["requestTimeout"] == "PT5S"
    assert deployment["properties"]["model"] == "m:1"
    probe = {"initialDelay": "PT10S", "period": "PT10S", "timeout": "PT2S"}
    assert deployment["properties"]["livenessProbe"] == {**probe, "successThreshold": 1, "failureThreshold": 30}
    assert deployment["properties"]["readinessProbe"] == deployment["properties"]["livenessProbe"]
    for path in ("Iris/export", "Iris/deployments/Blue/layout", "IRIS/deployments/BLUE/code"):
        assert served.ask("GET", f"{ENDPOINTS}/{path}").status_code == 200
    assert served.ask("PUT", f"{ENDPOINTS}/Iris", json={"name": "IRIS"}).json()["name"] == "iris"
    assert served.error("PUT", f"{ENDPOINTS}/Iris", json={"name": "rose"})[0] == 400
    assert served.error("DELETE", f"{ENDPOINTS}/Iris/deployments/Blue")[0] == 400, "it has all of the traffic"
    assert served.ask("PATCH", f"{ENDPOINTS}/iris", json={"traffic": {"BLUE": 0}}).status_code == 200
    assert served.ask("DELETE", f"{ENDPOINTS}/Iris/deployments/Blue").json() == {}
    assert served.ask("GET", f"{ENDPOINTS}/iris").json()["amlemu"]["deployments"] == []
    assert served.ask("DELETE", f"{ENDPOINTS}/iris").json() == {}
    assert served.error("GET", f"{ENDPOINTS}/iris")[:2] == (404, "ResourceNotFound")


def test_targets_with_a_path_are_on_the_shared_port(served: Served) -> None:
    deploy(served, target="aks")
    flat = served.ask("GET", f"{ENDPOINTS}/iris").json()["amlemu"]
    assert flat["scoring_uri"] == "http://127.0.0.1:18081/api/v1/service/iris/score"


@pytest.mark.parametrize("public_host", ["", "ml.example.org"])
def test_the_host_of_scoring_uris(house: House, public_host: str) -> None:
    with serving(house, public_host) as served:
        deploy(served)
        answer = served.ask("GET", f"{ENDPOINTS}/iris", headers={"Host": f"localhost:{served.port}"})
        assert answer.json()["amlemu"]["scoring_uri"] == f"http://{public_host or 'localhost'}:18100/score"


def test_traffic(served: Served) -> None:
    deploy(served)
    deploy(served, deployment="green")
    patched = served.ask("PATCH", f"{ENDPOINTS}/iris", json={"traffic": {"blue": 10, "green": 90}})
    assert patched.json()["amlemu"]["traffic"] == {"blue": 10, "green": 90}
    for traffic in ({"blue": 10}, {"blue": "10"}, {"blue": 100.0}, {"blue": True}, [], None, "blue=100"):
        assert served.error("PATCH", f"{ENDPOINTS}/iris", json={"traffic": traffic})[:2] == (400, "BadArgument")


def test_keys(served: Served) -> None:
    deploy(served)
    path = f"{ENDPOINTS}/iris"
    assert served.ask("POST", f"{path}/listKeys").json() == {"primaryKey": "key-1", "secondaryKey": "key-2"}
    renewed = served.ask("POST", f"{path}/regenerateKeys", json={"keyType": "Secondary"}).json()
    assert renewed == {"primaryKey": "key-1", "secondaryKey": "key-3"}
    for body in ({}, {"keyType": "tertiary"}, {"keyType": None}, {"keyType": 3}):
        assert served.error("POST", f"{path}/regenerateKeys", json=body)[0] == 400
    assert served.error("POST", f"{ENDPOINTS}/pets/listKeys")[0] == 404


def test_tree(served: Served) -> None:
    deploy(served)
    found = served.ask("GET", f"{ENDPOINTS}/iris/tree").json()
    assert [file["path"] for file in found["files"]] == ["src/score.py"]
    assert found["variables"]["AML_APP_ROOT"] == "/var/azureml-app/src"
    assert served.error("GET", f"{ENDPOINTS}/iris/tree?deployment=green")[0] == 404


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"code": "/c", "scoring_script": "s.py", "instance_cuont": 2, "port": 0}, {"instance_cuont", "port"}),
        ({"code": "src", "scoring_script": "../s.py"}, {"code", "scoring_script"}),
        (
            {"code": "/c", "scoring_script": "s.py", "liveness_probe": {"period": 0}, "readiness_probe": {"delay": 1}},
            {"liveness_probe.period", "readiness_probe.delay"},
        ),
        ({"code": "/c", "scoring_script": "s.py", "models": [{"path": "x"}], "gpus": 1}, {"models.0.path", "gpus"}),
        ({"environment": 5, "models": [7], "gpus": 1}, {"environment", "models.0", "gpus"}),
    ],
)
def test_bad_deployments(served: Served, body: dict[str, Any], fields: set[str]) -> None:
    answer = served.ask("PUT", f"{ENDPOINTS}/iris/deployments/blue", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "BadArgument")
    assert error["target"] == "deployment blue of endpoint iris"
    assert {detail["field"] for detail in error["details"]} == fields


@pytest.mark.parametrize("name", ["a", "1ris", "iris_", "i%20s", "%C3%A4%C3%B6%C3%BC", "..%2E", "a" * 33, "iris%0A"])
def test_odd_names(unchanged: Served, name: str) -> None:
    body = {"code": "/c", "scoring_script": "s.py"}
    assert unchanged.error("PUT", f"{ENDPOINTS}/{name}/deployments/blue", json=body)[:2] == (400, "BadArgument")
    assert unchanged.error("PUT", f"{ENDPOINTS}/iris/deployments/{name}", json=body)[:2] == (400, "BadArgument")
    assert unchanged.error("GET", f"{ENDPOINTS}/{name}")[:2] == (404, "ResourceNotFound")
    assert unchanged.error("DELETE", f"{ENDPOINTS}/{name}")[:2] == (404, "ResourceNotFound")
    assert unchanged.error("GET", f"{ENDPOINTS}/{name}/logs")[:2] == (404, "ResourceNotFound")


def test_a_name_that_leads_out_of_its_folder(served: Served) -> None:
    """Sent as it is: a client would take the dots out of the path."""
    path = f"{WORKSPACE_PATH}/models/../versions/workspace"
    with socket.create_connection(("127.0.0.1", served.port)) as connection:
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {ADMIN}\r\n\r\n"
        connection.sendall(head.encode())
        answer = connection.makefile("rb").read()
    assert b"'..' cannot name a model" in answer
    assert served.house.store.workspace_id.encode() not in answer
    assert served.reported == []


def test_a_failed_deployment_is_reported_with_its_reason(served: Served) -> None:
    served.house.engine.behaviours.append(Behaviour(exit_code=3, log=("one", "two")))
    end = deploy(served)
    assert end["status"] == "Failed"
    assert end["error"]["code"] == "ResourceNotReady"
    assert end["error"]["log_tail"] == "one\ntwo"
    (deployment,) = served.ask("GET", f"{ENDPOINTS}/iris").json()["amlemu"]["deployments"]
    assert (deployment["provisioning_state"], deployment["error"]) == ("Failed", end["error"])


def test_a_bug_is_answered_as_one_and_logged(served: Served) -> None:
    served.house.engine.behaviours.append(Behaviour(refuses=ZeroDivisionError))
    operation = put(served)
    for _ in range(500):
        if served.reported:
            break
        time.sleep(0.01)
    (reported,) = served.reported
    assert isinstance(reported, ZeroDivisionError)
    served.reported.clear()
    error = events(served, operation)[-1]["error"]
    assert error["code"] == "InternalServerError"
    assert error["hint"] == "this is a bug of amlemu; see server.log"


# conversations that go wrong


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "//", 404, "ResourceNotFound"),
        ("GET", "//nope", 404, "ResourceNotFound"),
        ("GET", "/nope", 404, "ResourceNotFound"),
        ("PUT", "/models", 405, "BadArgument"),
        ("POST", "//_amlemu/info", 405, "BadArgument"),
        ("GET", "/mfeOperationsStatus/nope", 404, "ResourceNotFound"),
        ("DELETE", "/mfeOperationsStatus/nope", 404, "ResourceNotFound"),
        ("GET", "/mfeOperationsStatus/nope/events", 404, "ResourceNotFound"),
    ],
)
def test_routes_that_are_none(unchanged: Served, method: str, path: str, status: int, code: str) -> None:
    assert unchanged.error(method, path)[:2] == (status, code)


BODIES = [
    ("POST", "/models/m/versions"),
    ("PATCH", "/models/m/versions/1"),
    ("POST", "/environments"),
    ("POST", "/environments/resolve"),
    ("POST", "/environments/build"),
    ("PUT", f"{ENDPOINTS}/iris/deployments/blue"),
    ("PATCH", f"{ENDPOINTS}/iris"),
    ("POST", f"{ENDPOINTS}/iris/regenerateKeys"),
    ("POST", "//_amlemu/prune"),
    ("POST", "//_amlemu/shutdown"),
]


@pytest.mark.parametrize(("method", "path"), BODIES)
@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{", "must be a JSON object: Expecting property name"),
        (b"[]", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
        (b"\xff\xfe", "must be a JSON object"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": -Infinity}', "-Infinity is not a JSON number"),
        (b'{"a": 1e400}', "1e400 is not a JSON number"),
        (b'{"a": ' + b"9" * 5000 + b"}", "must be a JSON object"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
    ],
    ids=["open", "list", "text", "bytes", "nan", "infinity", "huge", "long", "deep"],
)
def test_bodies_that_are_no_json_object(unchanged: Served, method: str, path: str, body: bytes, told: str) -> None:
    status, code, message = unchanged.error(method, path, data=body, headers={"Content-Type": "application/json"})
    assert (status, code) == (400, "BadArgument")
    assert told in message
    assert unchanged.shutdowns == []


@pytest.mark.parametrize(("method", "path"), BODIES)
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/jso", ""])
def test_bodies_of_another_kind(unchanged: Served, method: str, path: str, content_type: str) -> None:
    """An HTML form can send these from any page, which a JSON body it cannot."""
    status, code, message = unchanged.error(method, path, data=b"{}", headers={"Content-Type": content_type})
    assert (status, code) == (415, "BadArgument")
    assert "must be a JSON object, sent with Content-Type: application/json" in message
    assert unchanged.shutdowns == []


@pytest.mark.parametrize(("method", "path"), BODIES)
def test_bodies_that_are_too_large(unchanged: Served, method: str, path: str) -> None:
    body = b'{"a": "' + b"x" * (8 << 20) + b'"}'
    status, code, _ = unchanged.error(method, path, data=body, headers={"Content-Type": "application/json"})
    assert (status, code) == (413, "BadArgument")
    assert unchanged.shutdowns == []


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "//_amlemu/shutdown", {"keep_containers": "no"}, "keep_containers"),
        ("POST", "//_amlemu/prune", {"dry_run": 1}, "dry_run"),
        ("POST", "//_amlemu/prune", {"dryrun": True}, "dryrun"),
        ("PATCH", "/models/m/versions/1", {"isArchived": "true"}, "isArchived"),
        ("POST", "/environments", {"file": "conda.yml"}, "file"),
        ("POST", "/environments", {"file": "/a\0b"}, "file"),
        ("POST", "/environments/build", {"name": "x", "conda": "mamba"}, "conda"),
        ("PATCH", f"{ENDPOINTS}/iris", {"traffic": {"blue": "100"}}, "traffic.blue"),
        ("PATCH", f"{ENDPOINTS}/iris", {"mirrorTraffic": {"blue": 101}}, "mirrorTraffic.blue"),
        ("PUT", f"{ENDPOINTS}/iris", {"port": "18100"}, "port"),
        ("PUT", f"{ENDPOINTS}/iris", {"tags": {"a": 1}}, "tags.a"),
        ("PUT", f"{ENDPOINTS}/iris/deployments/blue", {"instance_count": "2"}, "instance_count"),
        ("PUT", f"{ENDPOINTS}/iris/deployments/blue", {"app_insights_enabled": 1}, "app_insights_enabled"),
        ("POST", f"{ENDPOINTS}/iris/regenerateKeys", {"keyType": "primary", "keyValue": 3}, "keyValue"),
    ],
)
def test_values_of_another_type(unchanged: Served, method: str, path: str, body: dict[str, Any], field: str) -> None:
    status, code, message = unchanged.error(method, path, json=body)
    assert (status, code) == (400, "BadArgument")
    assert message.startswith(f"{field}: ")
    assert unchanged.shutdowns == []


def test_a_name_in_the_body_is_that_of_the_path(served: Served) -> None:
    path = f"{ENDPOINTS}/iris"
    assert served.ask("PUT", path, json={"name": "iris"}).status_code == 200
    for name in ("pets", None, 3):
        assert served.error("PUT", path, json={"name": name})[:2] == (400, "BadArgument")
    body = {"code": "/c", "scoring_script": "s.py", "endpoint_name": "pets"}
    assert "endpoint_name is 'iris' in the path" in served.error("PUT", f"{path}/deployments/blue", json=body)[2]


@pytest.mark.parametrize("query", ["follow=1", "follow=yes", "follow=", "follow=true&follow=false&tail=x"])
def test_bad_flags(served: Served, query: str) -> None:
    served.ask("PUT", f"{ENDPOINTS}/iris", json={})
    assert served.error("GET", f"{ENDPOINTS}/iris/events?{query}")[:2] == (400, "BadArgument")


def test_a_method_that_a_route_has_not(served: Served) -> None:
    answer = served.ask("PUT", "/models")
    assert (answer.status_code, set(answer.headers["Allow"].split(", "))) == (405, {"GET", "HEAD", "OPTIONS"})
    assert answer.json()["error"]["target"] == ""


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Host": "evil.example:18080"}, {"Origin": "https://evil.example"}, {"Origin": "null"}],
)
def test_pages_in_a_browser_are_refused(served: Served, headers: dict[str, str]) -> None:
    assert served.error("POST", "//_amlemu/shutdown", headers=headers)[:2] == (400, "BadArgument")
    assert served.error("GET", "//_amlemu/info", headers=headers)[0] == 400
    assert served.shutdowns == []


@pytest.mark.parametrize(
    "query",
    [
        "tail=x",
        "tail=-1",
        "tail=1.5",
        "instance=-1",
        "instance=1",
        "tail=%C2%B2",
        "tail=" + "9" * 30,
        "tail=" + "9" * 5000,
        "tail=2147483648",
        "tail=",
    ],
)
def test_bad_numbers(served: Served, query: str) -> None:
    deploy(served)
    assert served.error("GET", f"{ENDPOINTS}/iris/logs?{query}")[:2] == (400, "BadArgument")


def test_a_list_while_endpoints_come_and_go(served: Served) -> None:
    served.ask("PUT", f"{ENDPOINTS}/stays", json={})
    ended = threading.Event()

    def change() -> None:
        with requests.Session() as session:
            while not ended.is_set():
                for method in (session.put, session.delete):
                    method(f"{served.url}{WORKSPACE_PATH}{ENDPOINTS}/goes", json={}, timeout=10)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(60):
            answer = served.ask("GET", ENDPOINTS)
            assert answer.status_code == 200
            assert "stays" in [one["name"] for one in answer.json()["value"]]
    finally:
        ended.set()
        thread.join(10)


def test_texts_that_are_not_unicode(served: Served) -> None:
    """What an older version has stored: half of a surrogate pair, which JSON can escape and UTF-8 cannot hold."""
    served.ask("PUT", f"{ENDPOINTS}/iris", json={"description": "né"})
    assert served.ask("GET", f"{ENDPOINTS}/iris").json()["amlemu"]["description"] == "né"
    store = served.house.store
    endpoint = store.find_endpoint("iris")
    assert endpoint is not None
    store.put_endpoint(endpoint.model_copy(update={"cloud_settings": {"a": "\ud800"}}))
    answer = served.ask("GET", f"{ENDPOINTS}/iris")
    assert answer.json()["amlemu"]["cloud_settings"] == {"a": "\ud800"}
    refused = served.error("PUT", f"{ENDPOINTS}/iris", json={"cloud_settings": {"a": "\ud800"}})
    assert refused[:2] == (400, "BadArgument")


# operations and streams


def test_events_are_replayed_to_later_followers(served: Served) -> None:
    operation = put(served)
    first = events(served, operation)
    assert [event["text"].split(":")[0] for event in first if event["kind"] == "step"] == [
        "environment",
        "building the environment from the built-in default environment",
        "laying out",
        "starting 1 container on fake",
        "waiting for the scoring server",
    ]
    assert events(served, operation) == first


def raw_events(served: Served, operation: str, last: str = "0") -> list[str]:
    path = f"/mfeOperationsStatus/{operation}/events"
    answer = served.ask("GET", path, headers={"Last-Event-ID": last})
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    return answer.text.removesuffix("\n\n").split("\n\n")


def test_events_have_numbers_and_names(served: Served) -> None:
    operation = put(served)
    told = raw_events(served, operation)
    for number, (event, data) in enumerate(zip(told, events(served, operation), strict=True), 1):
        assert event == f"id: {number}\nevent: {data['kind']}\ndata: {json.dumps(data)}"
    assert raw_events(served, operation, "3") == told[3:]
    assert raw_events(served, operation, str(len(told) - 1)) == told[-1:]


def test_a_client_that_has_received_the_end_gets_no_content(served: Served) -> None:
    operation = put(served)
    count = len(events(served, operation))
    path = f"/mfeOperationsStatus/{operation}/events"
    answer = served.ask("GET", path, headers={"Last-Event-ID": str(count)})
    assert (answer.status_code, answer.content) == (204, b"")
    for wrong in (str(count + 1), "-1", "x", "", "²", "9" * 5000):
        headers = {"Last-Event-ID": wrong.encode()}
        assert served.error("GET", path, headers=headers)[:2] == (400, "BadArgument"), wrong


def test_a_silent_operation_gives_signs_of_life(served: Served) -> None:
    served.house.engine.block_builds = threading.Event()
    operation = put(served)
    assert served.house.engine.building.wait(5)
    answer = served.ask("GET", f"/mfeOperationsStatus/{operation}/events", stream=True)
    assert b":" in answer.iter_lines(chunk_size=None)
    answer.close()
    served.house.engine.block_builds.set()
    assert events(served, operation)[-1]["status"] == "Succeeded"


def test_an_operation_is_polled_as_the_sdks_poll(served: Served) -> None:
    served.house.engine.block_builds = threading.Event()
    body = {"code": str(served.house.code), "scoring_script": "score.py"}
    begun = served.ask("PUT", f"{ENDPOINTS}/iris/deployments/blue", json=body)
    assert begun.status_code == 201
    assert begun.json() == {
        "id": f"{WORKSPACE_PATH}/onlineEndpoints/iris/deployments/blue",
        "name": "blue",
        "type": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments",
        "properties": {"provisioningState": "Creating"},
        "operation": "op0",
    }
    status, result = begun.headers["Azure-AsyncOperation"], begun.headers["Location"]
    assert status == f"{served.url}{WORKSPACE_PATH}/mfeOperationsStatus/op0"
    assert result == f"{served.url}{WORKSPACE_PATH}/mfeOperationResults/op0"
    assert begun.headers["Retry-After"] == "1"
    polled = served.ask("GET", "/mfeOperationsStatus/op0")
    assert polled.json().keys() == {"id", "name", "status", "startTime"}
    assert (polled.json()["status"], polled.headers["Retry-After"]) == ("InProgress", "1")
    waiting = served.ask("GET", "/mfeOperationResults/op0")
    assert (waiting.status_code, waiting.headers["Location"]) == (202, result)
    served.house.engine.block_builds.set()
    events(served, "op0")
    polled = served.ask("GET", "/mfeOperationsStatus/op0")
    assert polled.json()["id"] == f"{WORKSPACE_PATH}/mfeOperationsStatus/op0"
    assert (polled.json()["name"], polled.json()["status"]) == ("op0", "Succeeded")
    assert polled.json()["startTime"] < polled.json()["endTime"]
    there = served.ask("GET", f"{ENDPOINTS}/iris/deployments/blue").json()
    found = served.ask("GET", "/mfeOperationResults/op0")
    assert (found.status_code, found.json()["properties"]) == (200, there["properties"])
    again = served.ask("PUT", f"{ENDPOINTS}/iris/deployments/blue", json=body)
    assert (again.status_code, again.json()["properties"]["provisioningState"]) == (200, "Updating")
    events(served, "op1")


def test_the_result_of_a_failed_operation_is_its_error(served: Served) -> None:
    served.house.engine.fail_build = "no such package"
    operation = put(served)
    events(served, operation)
    assert served.ask("GET", f"/mfeOperationsStatus/{operation}").json()["error"]["code"] == "ImageBuildFailure"
    status, code, message = served.error("GET", f"/mfeOperationResults/{operation}")
    assert (status, code) == (400, "ImageBuildFailure")
    assert "no such package" in message
    assert served.error("GET", "/mfeOperationResults/nope")[0] == 404


def test_an_operation_is_canceled(served: Served) -> None:
    served.house.engine.block_builds = threading.Event()
    operation = put(served)
    assert served.house.engine.building.wait(5)
    assert served.ask("GET", f"/mfeOperationsStatus/{operation}").json()["status"] == "InProgress"
    assert served.ask("DELETE", f"/mfeOperationsStatus/{operation}").status_code == 202
    end = events(served, operation)[-1]
    assert (end["status"], end["error"]["code"]) == ("Canceled", "OperationCanceled")
    assert served.ask("DELETE", f"/mfeOperationsStatus/{operation}").status_code == 202, "once more does no harm"


def test_a_second_operation_on_the_endpoint(served: Served) -> None:
    served.house.engine.block_builds = threading.Event()
    operation = put(served)
    assert served.house.engine.building.wait(5)
    assert deploy(served, deployment="green")["error"]["code"] == "OperationInProgress"
    assert served.error("DELETE", f"{ENDPOINTS}/iris")[:2] == (409, "OperationInProgress")
    served.house.engine.block_builds.set()
    assert events(served, operation)[-1]["status"] == "Succeeded"


def test_all_operations_are_canceled_at_the_end(served: Served) -> None:
    served.house.engine.block_builds = threading.Event()
    running = [put(served, name) for name in ("iris", "pets")]
    served.operations.cancel_all(5.0)
    assert [served.operations.get(operation).status for operation in running] == ["Canceled", "Canceled"]


def test_operations_in_progress_are_never_forgotten(served: Served) -> None:
    served.house.engine.block_builds = threading.Event()
    operation = put(served)
    for _ in range(250):
        served.operations.start(lambda _progress: None)
    assert served.operations.get(operation).status == "InProgress"
    assert served.error("GET", "/mfeOperationsStatus/op1")[0] == 404
    served.house.engine.block_builds.set()
    assert events(served, operation)[-1]["status"] == "Succeeded"


def test_logs_and_their_tail(served: Served) -> None:
    deploy(served)
    (container,) = served.house.running()
    for text in ("plain", "", 'quoted "é" \u2028 end'):
        served.house.engine.say(container.id, text)
    lines = served.ask("GET", f"{ENDPOINTS}/iris/logs?tail=3").text.split("\n")
    assert [json.loads(line) for line in lines if line] == ["plain", "", 'quoted "é" \u2028 end']
    assert served.ask("GET", f"{ENDPOINTS}/iris/logs?tail=0").text == ""


def test_request_lines(served: Served) -> None:
    deploy(served)
    served.house.store.logs.requests("iris").write_text('{"n": 1}\n{"n": 2}\n')
    (line,) = served.ask("GET", f"{ENDPOINTS}/iris/requests?tail=1").text.splitlines()
    assert json.loads(json.loads(line)) == {"n": 2}


def test_event_lines(served: Served) -> None:
    deploy(served)
    lines = served.ask("GET", f"{ENDPOINTS}/iris/events").text.splitlines()
    assert [json.loads(json.loads(line))["Name"] for line in lines] == ["Pulled", "Created", "Started"]
    (line,) = served.ask("GET", f"{ENDPOINTS}/iris/events?tail=1").text.splitlines()
    assert json.loads(json.loads(line))["DeploymentName"] == "blue"
    assert served.error("GET", f"{ENDPOINTS}/pets/events")[:2] == (404, "ResourceNotFound")
    assert served.error("GET", f"{ENDPOINTS}/iris/events?tail=x")[:2] == (400, "BadArgument")


def test_how_instances_are(served: Served) -> None:
    deploy(served, instance_count=2, readiness_probe={"initial_delay": 1, "period": 1, "failure_threshold": 1})
    house = served.house
    names = [container.name for container in house.running()]
    house.pass_time(1)
    house.behave(0, ready=False)
    house.engine.die(house.running()[1].id)
    house.pass_time(3)
    endpoint = served.ask("GET", f"{ENDPOINTS}/iris").json()["amlemu"]
    assert endpoint["deployments"][0]["instances"] == [
        {"name": names[0], "state": "NotReady", "restarts": 0, "out_of_memory": 0},
        {"name": names[1], "state": "Ready", "restarts": 1, "out_of_memory": 0},
    ]
    (one,) = served.ask("GET", f"{ENDPOINTS}/iris/deployments").json()["value"]
    assert one["amlemu"]["instances"] == endpoint["deployments"][0]["instances"]


def followers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "follow"]


def test_followers_that_go_away_leave_no_thread(served: Served) -> None:
    """The logs are silent: only the empty lines that are sent now and then show that nobody listens."""
    deploy(served)
    answers = [
        served.ask("GET", f"{ENDPOINTS}/iris/{kind}?follow=true&tail=0", stream=True)
        for kind in ("logs", "requests", "events")
    ]
    for answer in answers:
        assert next(answer.iter_lines(chunk_size=None)) == b""
    assert len(followers()) == 3
    for answer in answers:
        answer.close()
    deadline = time.monotonic() + 10
    while followers():
        assert time.monotonic() < deadline, "a thread goes on"
        time.sleep(0.02)
    assert served.ask("GET", "//_amlemu/info").status_code == 200


def test_a_followed_log_ends_with_its_container(served: Served) -> None:
    deploy(served)
    (container,) = served.house.running()
    heard: list[str] = []

    def follow() -> None:
        answer = served.ask("GET", f"{ENDPOINTS}/iris/logs?follow=true&tail=0", stream=True)
        heard.extend(json.loads(line) for line in answer.iter_lines(chunk_size=None) if line)

    thread = threading.Thread(target=follow)
    thread.start()
    while not followers():
        time.sleep(0.01)
    served.house.engine.say(container.id, "last words")
    time.sleep(0.05)
    served.house.engine.remove(container.id)
    thread.join(5)
    assert not thread.is_alive()
    assert heard == ["last words"]


def failing() -> Iterator[str]:
    yield "one"
    raise RuntimeError("the engine went away")


def test_an_error_of_the_source_ends_the_stream() -> None:
    stream = line_stream(failing())
    assert next(stream) == b'"one"\n'
    with pytest.raises(RuntimeError, match="went away"):
        next(stream)


def test_a_script_without_its_folder(served: Served) -> None:
    status, code, message = served.error("PUT", f"{ENDPOINTS}/iris/deployments/blue", json={"code": "/c"})
    assert (status, code) == (400, "BadArgument")
    assert message == "code and scoring_script belong together: give both, or none for a container without one"
