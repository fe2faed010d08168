"""The client against the real control API, and against what is none."""

from __future__ import annotations

import json
import os
import socket
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from core_support import ADMIN, House
from fake_engine import Behaviour
from served import Served

from emulator.azure_paths import WORKSPACE_PATH
from emulator.cli.deploy_plan import DeployPlan, deploy_plan
from emulator.client.client import Client
from emulator.errors import (
    BadArgument,
    EmulatorError,
    EngineUnavailable,
    ImageBuildFailure,
    OperationTimedOut,
    ResourceNotFound,
    ResourceNotReady,
)


def quiet(_kind: str, _text: str) -> None:
    """Nobody listens."""


def deploy(client: Client, house: House, endpoint: str = "iris", **changes: Any) -> dict[str, Any]:
    request = {"code": str(house.code), "scoring_script": "score.py", **changes}
    return client.deploy(endpoint, changes.pop("name", "blue"), request, quiet)


def test_the_whole_way(client: Client, house: House, tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_text("weights")
    assert client.describe()["home"] == str(house.store.home)
    assert client.register_model("m", {"path": str(tmp_path / "m.pkl")})["version"] == "1"
    said: list[tuple[str, str]] = []
    request = {"code": str(house.code), "scoring_script": "score.py", "models": ["m"]}
    endpoint = client.deploy("iris", "blue", request, lambda kind, text: said.append((kind, text)))
    assert endpoint["deployments"][0]["models"] == ["m:1"]
    assert ("step", "waiting for the scoring server: init()") in said
    assert {kind for kind, _ in said} == {"step", "log"}
    assert client.list_endpoints() == [client.get_endpoint("iris")] == [endpoint]
    assert client.update_traffic("iris", {})["traffic"] == {}
    assert client.get_keys("iris") == {"primaryKey": "key-1", "secondaryKey": "key-2"}
    assert client.regenerate_keys("iris", "primary")["primaryKey"] == "key-3"
    assert [file["path"] for file in client.get_tree("iris", None)["files"]] == [
        "azureml-models/m/1/m.pkl",
        "src/score.py",
    ]
    client.delete_deployment("iris", "blue")
    client.delete_endpoint("iris")
    assert client.list_endpoints() == []
    assert client.prune(dry_run=True) == [f"image {digest[:8]}" for digest in house.engine.images]


class RecordingSession(requests.Session):
    """A session that keeps the method and path of every request; paths below the workspace's are shortened."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        path = urlsplit(url).path.removeprefix(WORKSPACE_PATH)
        self.calls.append(f"{method} {path}")
        return super().request(method, url, *args, **kwargs)


OF_A_DEPLOY = [
    "GET /_amlemu/info",  # when the command connects
    "PUT /onlineEndpoints/iris/deployments/blue",
    "GET /mfeOperationsStatus/op0/events",
]


def test_a_deploy_by_flags_makes_four_calls(served: Served, house: House) -> None:
    session = RecordingSession()
    request = {"code": str(house.code), "scoring_script": "score.py"}
    with Client(served.url, ADMIN, session) as client:
        client.describe()
        endpoint = deploy_plan(client, DeployPlan("iris", (("blue", request),)), quiet)
    assert endpoint["deployments"][0]["provisioning_state"] == "Succeeded"
    assert session.calls == [*OF_A_DEPLOY, "GET /onlineEndpoints/iris"]


def test_a_deploy_that_sets_the_traffic_makes_four_calls(served: Served, house: House) -> None:
    session = RecordingSession()
    request = {"code": str(house.code), "scoring_script": "score.py"}
    plan = DeployPlan("iris", (("blue", request),), traffic={"blue": 100})
    with Client(served.url, ADMIN, session) as client:
        client.describe()
        endpoint = deploy_plan(client, plan, quiet)
    assert endpoint["traffic"] == {"blue": 100}
    assert session.calls == [*OF_A_DEPLOY, "PATCH /onlineEndpoints/iris"]


def test_a_deploy_of_files_reads_the_endpoint_first(served: Served, house: House) -> None:
    session = RecordingSession()
    request = {"code": str(house.code), "scoring_script": "score.py", "target": "managed"}
    plan = DeployPlan("iris", (("blue", request),), endpoint={"target": "managed"}, is_from_files=True)
    with Client(served.url, ADMIN, session) as client:
        client.describe()
        deploy_plan(client, plan, quiet)
    of_endpoint = ["GET /onlineEndpoints/iris", "PUT /onlineEndpoints/iris"]
    assert session.calls == [OF_A_DEPLOY[0], *of_endpoint, *OF_A_DEPLOY[1:], "GET /onlineEndpoints/iris"]


@pytest.mark.parametrize(
    ("sent", "hint"),
    [
        ('{"inputs": [[1]]}', '{"input_data": [[1]]}'),
        (b'{"inputs": [[2]]}', '{"input_data": [[2]]}'),
        (iter([b"{}"]), 'has to be {"input_data": …}'),
    ],
    ids=["text", "bytes", "stream"],
)
def test_explain_suggests_the_input_data_form(client: Client, house: House, sent: Any, hint: str) -> None:
    deploy(client, house)
    answer = requests.Response()
    answer.status_code = 424
    answer.headers["ms-azureml-model-error-statuscode"] = "400"
    answer.request = requests.Request("POST", "http://localhost/score", data=sent).prepare()
    body = json.dumps({"message": "A value is not provided for the 'input_data' parameter."}).encode()
    cause, told = client.explain("iris", answer, body)
    assert cause.startswith("the request lacks a parameter of run()")
    assert hint in told


def test_models(client: Client, tmp_path: Path) -> None:
    for content in ("a", "b"):
        (tmp_path / "m.pkl").write_text(content)
        client.register_model("m", {"path": str(tmp_path / "m.pkl")})
    assert [model["version"] for model in client.list_models("m")] == ["1", "2"]
    assert client.get_model("m", None)["version"] == "2"
    client.archive_model("m", "2", archived=True)
    assert client.get_model("m", None)["version"] == "1"
    assert len(client.list_models()) == 1
    assert len(client.list_models(include_archived=True)) == 2
    client.archive_model("m", "2", archived=False)
    assert client.get_model("m", "2")["archived"] is False


def test_environments(client: Client, house: House, tmp_path: Path) -> None:
    (tmp_path / "conda.yml").write_text("name: sk\ndependencies: [python=3.9]\n")
    file = str(tmp_path / "conda.yml")
    assert client.register_environment(file)["version"] == "1"
    assert client.list_environments()[0]["name"] == "sk"
    assert client.resolve_environment({"name": "sk"})["digest"] == client.resolve_environment({"file": file})["digest"]
    client.build_environment({"name": "sk"}, quiet)
    house.engine.images.clear()
    house.engine.fail_build = "no such package"
    with pytest.raises(ImageBuildFailure, match="no such package") as caught:
        client.build_environment({"name": "sk"}, quiet)
    assert caught.value.log_tail == "the end of the log"


def test_shutdown(client: Client, served: Served) -> None:
    client.shutdown(keep_containers=True)
    client.shutdown()
    assert served.shutdowns == [True, False]


def test_errors_keep_their_class(client: Client, house: House) -> None:
    house.engine.behaviours.append(Behaviour(exit_code=1, log=("one", "two")))
    with pytest.raises(ResourceNotReady, match="exited with code 1") as caught:
        deploy(client, house)
    assert caught.value.log_tail == "one\ntwo"
    with pytest.raises(ResourceNotFound, match="no endpoint named 'pets'; there are: iris"):
        client.get_endpoint("pets")
    with pytest.raises(BadArgument) as refused:
        deploy(client, house, port=0, instance_count=0)
    assert [fault.field for fault in refused.value.faults] == ["instance_count", "port"]


@pytest.mark.parametrize("name", ["..", ".", "a/b", "a b", "é", "a?b=c", "a#b", "%2F", "x" * 300, ""])
def test_names_with_odd_characters(client: Client, served: Served, name: str, tmp_path: Path) -> None:
    (tmp_path / "m").write_text("x")
    for call in (
        lambda: client.get_model(name, "1"),
        lambda: client.register_model(name, {"path": str(tmp_path / "m")}),
        lambda: client.get_endpoint(name or "?"),
        lambda: client.delete_endpoint(name or "?"),
        lambda: client.get_model("m", name or "?"),
        lambda: deploy(client, served.house, name),
    ):
        with pytest.raises((BadArgument, ResourceNotFound)):
            call()
    assert served.reported == []
    assert served.house.store.models() == []
    assert served.house.store.endpoints() == []


# downloads


def test_a_downloaded_model_is_unchanged(client: Client, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    contents = {"a.bin": os.urandom(3 << 20), "sub/é b.txt": b"text", "empty": b""}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    client.register_model("m", {"path": str(folder)})
    written = client.download_model("m", None, tmp_path / "out")
    assert {path.relative_to(tmp_path / "out/model").as_posix(): path.read_bytes() for path in written} == contents
    with pytest.raises(ResourceNotFound):
        client.download_model("m", "2", tmp_path / "out")


# logs


def test_logs(client: Client, house: House) -> None:
    deploy(client, house)
    (container,) = house.running()
    house.engine.say(container.id, "café \u2028")
    lines = client.get_logs("iris", follow=False, tail=1, deployment=None)
    assert list(lines) == ["café \u2028"]
    house.store.logs.requests("iris").write_text("{}\n")
    assert list(client.get_logs("iris", kind="requests", follow=False)) == ["{}"]
    (event,) = client.get_logs("iris", kind="events", follow=False, tail=1)
    assert json.loads(event)["Name"] == "Started"
    with pytest.raises(ResourceNotFound):
        list(client.get_logs("pets", follow=False))


def test_following_a_log_can_be_stopped(client: Client, house: House) -> None:
    deploy(client, house)
    lines = client.get_logs("iris", follow=True, tail=1)
    assert next(lines) == "Users's init has completed successfully"
    lines.close()  # type: ignore[attr-defined]
    assert client.describe()


def test_an_interrupt_cancels_the_operation(client: Client, house: House) -> None:
    """Ctrl-C is raised where the client waits: while it is told what happens."""
    house.engine.block_builds = threading.Event()
    request = {"code": str(house.code), "scoring_script": "score.py"}

    def interrupt(kind: str, _text: str) -> None:
        if kind == "log":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.deploy("iris", "blue", request, interrupt)
    assert house.state() == "Canceled", "the client comes back when the operation has ended"
    assert house.running() == []


# what is no emulator


@contextmanager
def stranger(answer: bytes) -> Iterator[str]:
    """A server that answers everything with these bytes, and then goes away."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join(10)


def http(status: str, body: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@pytest.mark.parametrize("sent", [b"", b'{"a"'])
def test_a_shutdown_without_a_response_is_a_success(sent: bytes) -> None:
    with stranger(http("202 Accepted", sent, length=22)) as url, Client(url) as client:
        client.shutdown()


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "error", "told"),
    [
        (http("200 OK", b"<html>"), EmulatorError, "is that an amlemu"),
        (http("200 OK", b"[]"), EmulatorError, "is that an amlemu"),
        (http("200 OK", b"{", length=22), EngineUnavailable, "stopped before its response was complete"),
        (http("404 Not Found", b"{", length=22), EngineUnavailable, "stopped before its response was complete"),
        (http("404 Not Found", b"nope"), EmulatorError, "answered 404; is that an amlemu"),
        (http("500 Oops", b'{"error": "text"}'), EmulatorError, "answered 500; is that an amlemu"),
        (http("500 Oops", b"[1]"), EmulatorError, "answered 500; is that an amlemu"),
        (http("302 Found", b"", "Location: /login"), EmulatorError, "answered 302; is that an amlemu"),
        (b"", EngineUnavailable, "no emulator answers"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", EngineUnavailable, "no emulator answers"),
    ],
)
def test_another_program_on_the_port(answer: bytes, error: type[EmulatorError], told: str) -> None:
    with stranger(answer) as url, Client(url) as client, pytest.raises(error, match=told) as caught:
        client.describe()
    assert type(caught.value) is error


def follow_events(client: Client) -> None:
    client._follow("op", quiet)


def follow_logs(client: Client) -> list[str]:
    return list(client.get_logs("iris", follow=True))


def download(client: Client) -> None:
    client.download_model("m", None, Path("/nowhere"))


@pytest.mark.parametrize("call", [follow_events, follow_logs, download])
@pytest.mark.parametrize("answer", [CHUNKED + b"1\r\n\n\r\n", http("200 OK", b"\n", length=100)], ids=["chunk", "body"])
def test_an_emulator_that_stops_during_a_response(answer: bytes, call: Callable[[Client], object]) -> None:
    with (
        stranger(answer) as url,
        Client(url) as client,
        pytest.raises(EngineUnavailable, match="the emulator stopped before its response was complete"),
    ):
        call(client)


def test_an_event_stream_without_its_end() -> None:
    with stranger(http("200 OK", b"\n\n")) as url, Client(url) as client, pytest.raises(EngineUnavailable):
        follow_events(client)


def test_log_lines_that_are_not_json() -> None:
    with (
        stranger(http("200 OK", b"text\n")) as url,
        Client(url) as client,
        pytest.raises(EmulatorError, match="is that an amlemu"),
    ):
        follow_logs(client)


def test_connection_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    told = f"no emulator answers at http://127.0.0.1:{port}"
    with Client(f"http://127.0.0.1:{port}") as client, pytest.raises(EngineUnavailable, match=told):
        client.describe()


def test_no_response() -> None:
    began = time.monotonic()
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        Client(f"http://127.0.0.1:{server.getsockname()[1]}") as client,
        pytest.raises(OperationTimedOut, match="does not answer"),
    ):
        client.describe(timeout_seconds=0.2)
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("url", ["localhost:18080", "127.0.0.1", "ftp://x", "http://", "http://a b:c", "http://.x"])
def test_invalid_addresses(url: str) -> None:
    with Client(url) as client, pytest.raises(BadArgument, match="is not the address of an emulator"):
        client.describe()


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        *((name, tarfile.REGTYPE, "a path outside the folder") for name in ("../evil", "/evil", "a/../../evil")),
        ("evil", tarfile.SYMTYPE, "something that is not a file"),
        ("evil", tarfile.LNKTYPE, "something that is not a file"),
        ("evil", tarfile.FIFOTYPE, "something that is not a file"),
        ("evil", tarfile.DIRTYPE, "something that is not a file"),
    ],
)
def test_a_server_cannot_choose_where_a_download_is_written(name: str, kind: bytes, said: str, tmp_path: Path) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "" if kind == tarfile.REGTYPE else "/etc/passwd"
    body = info.tobuf() + b"\0" * 1024
    with stranger(http("200 OK", body)) as url, Client(url) as client, pytest.raises(EmulatorError, match=said):
        client.download_model("m", None, tmp_path / "out")
    assert not (tmp_path / "evil").exists()
    assert not (tmp_path / "out/evil").exists()
