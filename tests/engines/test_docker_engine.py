"""The Docker engine: the contract of every engine, and what only Docker has."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import docker
import pytest
from engine_contract import (
    MANAGED_VARIABLES,
    SCRIPT,
    SERVER,
    EngineContract,
    Listener,
    answers,
    ask,
    build,
    container_spec,
    ended,
    managed_layout,
    new_spec,
    ready,
    temporary_engine,
    until,
)

from emulator.containers.spec import APP_ROOT
from emulator.difference import texts
from emulator.engines.docker.build import DockerHost, image_tag
from emulator.engines.docker.cli import run_command
from emulator.engines.docker.engine import DockerEngine, connect_docker_engine
from emulator.engines.packaging.python_packages import HostPackaging, linux_platform, read_host_packaging
from emulator.engines.packaging.resolution import lock_requirements
from emulator.errors import (
    BadArgument,
    EngineUnavailable,
    ImageBuildFailure,
    OperationCanceled,
    ResourceNotFound,
)

pytestmark = pytest.mark.docker

Connect = Callable[[str], DockerEngine]


@pytest.fixture(scope="session")
def packaging() -> HostPackaging:
    return read_host_packaging(os.environ)


@pytest.fixture(scope="session")
def connect(packaging: HostPackaging) -> Connect:
    return lambda workspace_id: connect_docker_engine(workspace_id, packaging)


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    """The SDK, to look at what the engine did."""
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="module")
def builder(connect: Connect) -> Iterator[DockerEngine]:
    with temporary_engine(connect) as engine:
        assert isinstance(engine, DockerEngine)
        yield engine


@pytest.fixture(scope="module")
def image(builder: DockerEngine) -> str:
    """The tiny environment's digest, built."""
    spec = new_spec(SERVER)
    build(builder, spec)
    return spec.digest


@pytest.fixture
def engine(connect: Connect) -> Iterator[DockerEngine]:
    with temporary_engine(connect) as engine:
        assert isinstance(engine, DockerEngine)
        yield engine


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    return managed_layout(tmp_path / "layout")


class TestDockerKeepsTheContract(EngineContract):
    pass


# What the engine was told


def test_a_container_has_few_rights(
    engine: DockerEngine, image: str, layout: Path, client: docker.DockerClient
) -> None:
    spec = container_spec(image, layout, memory_bytes=2**29, cpus=0.5, pids_limit=100)
    container = ready(engine, spec)
    seen = client.containers.get(container.id).attrs
    host = seen["HostConfig"]
    assert [(m["Destination"], m["RW"]) for m in seen["Mounts"]] == [(APP_ROOT, False)]
    assert seen["Config"]["User"] == "1000:1000"
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["Privileged"] is False
    assert host["RestartPolicy"]["Name"] in ("", "no")
    assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (2**29, 500_000_000, 100)
    assert host["LogConfig"]["Config"]["max-size"]
    assert ask(container, {})["uid"] == 1000


def test_use_is_found_where_the_kernels_files_are_out_of_reach(
    packaging: HostPackaging, engine: DockerEngine, image: str, layout: Path, tmp_path: Path
) -> None:
    def elsewhere(workspace_id: str) -> DockerEngine:
        host = DockerHost(docker.from_env(), run_command, {}, "default", lambda: True)
        return DockerEngine(host, workspace_id, packaging, platform="darwin", cgroups=tmp_path)

    limited = ready(engine, container_spec(image, layout, memory_bytes=2**29))
    free = ready(engine, container_spec(image, layout))
    near = engine.usage([limited.id, free.id])
    with temporary_engine(elsewhere) as other:
        far = other.usage([limited.id, free.id, "0" * 64])
    assert set(far) == {limited.id, free.id}
    for id in far:
        assert far[id].cpu_seconds == pytest.approx(near[id].cpu_seconds, abs=0.5)
        assert far[id].memory_bytes == pytest.approx(near[id].memory_bytes, rel=0.2)
        assert far[id].memory_limit_bytes == near[id].memory_limit_bytes
        assert (near[id].disk_percent is not None, far[id].disk_percent) == (True, None)
    assert near[limited.id].memory_limit_bytes == 2**29


def test_a_worker_that_is_killed_for_want_of_memory_is_counted(engine: DockerEngine, image: str, layout: Path) -> None:
    """It is not the container's first process, so the engine's inspection says nothing of it."""
    container = ready(engine, container_spec(image, layout, memory_bytes=2**27))
    assert engine.oom_kills() == {}
    with contextlib.suppress(OSError, urllib.error.URLError):
        ask(container, {"keep_bytes": 2**28})
    assert until(lambda: engine.oom_kills() == {container.id: 1}, 5)
    assert engine.inspect(container.id).running
    assert until(lambda: answers(container), 10), "another worker is there"


def test_nothing_is_published_where_the_bridge_is_in_reach(
    engine: DockerEngine, image: str, layout: Path, client: docker.DockerClient
) -> None:
    container = ready(engine, container_spec(image, layout))
    published = client.containers.get(container.id).attrs["HostConfig"]["PortBindings"]
    assert (container.host == "127.0.0.1") == bool(published)


def test_ports_are_published_where_it_is_not(packaging: HostPackaging, image: str, layout: Path) -> None:
    def elsewhere(workspace_id: str) -> DockerEngine:
        host = DockerHost(docker.from_env(), run_command, {}, "default", lambda: True)
        return DockerEngine(host, workspace_id, packaging, platform="darwin")

    with temporary_engine(elsewhere) as engine:
        container = ready(engine, container_spec(image, layout))
        assert container.host == "127.0.0.1"
        assert container.port not in (0, 5001)


def test_another_scoring_port(engine: DockerEngine, image: str, layout: Path) -> None:
    container = ready(engine, container_spec(image, layout, port=5055))
    assert engine.inspect(container.id).port == container.port
    assert "AMLEMU_PORT" not in ask(container, {})["variables"]


def test_the_server_listens_where_it_is_told(
    engine: DockerEngine, image: str, layout: Path, client: docker.DockerClient
) -> None:
    variables = MANAGED_VARIABLES | {"AMLEMU_HOST": "127.0.0.1"}
    container = engine.start(container_spec(image, layout, environment_variables=variables))
    probe = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:5001/').read())"
    inside = client.containers.get(container.id)
    assert until(lambda: inside.exec_run(["python", "-c", probe]).exit_code == 0)
    assert not answers(container)


def test_a_debug_port_that_is_taken_is_named(engine: DockerEngine, image: str, layout: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BadArgument, match=f"port {port} "):
            engine.start(container_spec(image, layout, debug_port=port))
    assert engine.list_containers() == []


def test_a_container_of_somebody_else_is_not_touched(
    engine: DockerEngine, connect: Connect, image: str, layout: Path
) -> None:
    with temporary_engine(connect) as other:
        spec = container_spec(image, layout)
        theirs = other.start(spec)
        with pytest.raises(BadArgument, match=spec.name):
            engine.start(spec)
        assert other.inspect(theirs.id).id == theirs.id


def test_what_a_user_runs_by_hand_is_not_ours(builder: DockerEngine, image: str, client: docker.DockerClient) -> None:
    by_hand = client.containers.create(image_tag(image))
    try:
        assert by_hand.id not in [c.id for c in builder.list_containers()]
    finally:
        by_hand.remove(force=True)


def test_an_image_that_is_gone(engine: DockerEngine, layout: Path) -> None:
    with pytest.raises(ResourceNotFound, match="image amlemu/environment:ffffffffffffffff is gone"):
        engine.start(container_spec("f" * 64, layout))


def test_a_followed_log_of_a_quiet_container_is_closed_from_another_thread(
    engine: DockerEngine, image: str, layout: Path
) -> None:
    container = ready(engine, container_spec(image, layout))
    log = engine.logs(container.id, follow=True)
    reader = threading.Thread(target=lambda: list(log))
    reader.start()
    time.sleep(0.5)
    log.close()  # type: ignore[attr-defined]
    reader.join(5)
    assert not reader.is_alive()


# Builds


def no_resolve(words: object, files: object) -> subprocess.CompletedProcess[str]:
    raise AssertionError(f"nothing is to be resolved apart: {words} {files}")


def test_the_locked_versions_are_installed(
    builder: DockerEngine, image: str, packaging: HostPackaging, client: docker.DockerClient
) -> None:
    freeze = "from importlib.metadata import *; [print(f'{d.name}=={d.version}') for d in distributions()]"
    output = client.containers.run(image_tag(image), ["-c", freeze], entrypoint="python", remove=True)
    lock = lock_requirements(
        new_spec(SERVER), packaging, print, threading.Event(), no_resolve, python_platform=linux_platform()
    )
    assert sorted(_normal(output.decode())) == sorted(_normal(lock.text))


def _normal(freeze: str) -> list[str]:
    without_extras = re.sub(r"\[.*?\]", "", freeze.lower())
    return without_extras.replace("_", "-").replace(".", "-").splitlines()


def test_a_step_that_fails_shows_its_log(builder: DockerEngine) -> None:
    spec = new_spec("six", system_packages=("no-such-debian-package",))
    with pytest.raises(ImageBuildFailure, match="no Debian package 'no-such-debian-package'") as caught:
        build(builder, spec)
    tail = caught.value.log_tail.splitlines()
    assert "E: Unable to locate package no-such-debian-package" in tail
    assert len(tail) <= 40


def test_a_build_is_canceled_in_its_middle(builder: DockerEngine) -> None:
    spec = new_spec("six")
    dockerfile = f"ARG BASE_IMAGE\nFROM ${{BASE_IMAGE}}\nRUN echo {spec.digest} && sleep 60\n"
    spec = dataclasses.replace(spec, dockerfile=dockerfile)
    listener = Listener(cancel_at="sleep 60")
    with pytest.raises(OperationCanceled):
        builder.build_image(spec, listener, listener.canceled)
    assert time.monotonic() - listener.canceled_at < 10
    assert builder.find_image(spec.digest) is None


def test_no_secret_stays_behind(
    connect: Connect,
    packaging: HostPackaging,
    client: docker.DockerClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    planted = f"planted{uuid.uuid4().hex}"
    secret = dataclasses.replace(
        packaging,
        build_variables={
            **packaging.build_variables,
            "AMLEMU_TEST_TOKEN": planted,
            "UV_DEFAULT_INDEX": f"https://bob:{planted}@pypi.org/simple",
        },
    )
    # of its own: tests run side by side
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with temporary_engine(lambda workspace_id: connect_docker_engine(workspace_id, secret)) as engine:
        spec = new_spec("six", system_packages=("libgomp1",))
        log = build(engine, spec)
        built = client.images.get(image_tag(spec.digest))
        assert planted not in "\n".join(log.lines)
        assert planted not in str(built.attrs)
        assert planted not in str(client.api.history(built.id))
        assert not _stream_holds(built.save(), planted.encode())
        assert list(tmp_path.iterdir()) == []


def _stream_holds(pieces: Iterator[bytes], needle: bytes) -> bool:
    """Whether the layers, which are uncompressed in this stream, hold these bytes."""
    rest = b""
    for piece in pieces:
        if needle in rest + piece:
            return True
        rest = (rest + piece)[-len(needle) :]
    return False


def test_the_search_for_secrets_finds_what_is_there(image: str, client: docker.DockerClient) -> None:
    assert _stream_holds(client.images.get(image_tag(image)).save(), b"A required package azureml-inference-server")


class _Registry(BaseHTTPRequestHandler):
    """Answers like a registry that has nothing, or wants a login for what is below `private/`."""

    def do_GET(self) -> None:
        if self.path == "/v2/":
            self._answer(200, "{}")
        elif "/private/" in self.path:
            self._answer(401, '{"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}')
        else:
            self._answer(404, '{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}')

    do_HEAD = do_GET

    def _answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def registry() -> Iterator[str]:
    """host:port of a registry that the engine of this machine reaches; Docker asks localhost without TLS."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Registry) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"localhost:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_image_that_its_registry_does_not_have(builder: DockerEngine, registry: str) -> None:
    with pytest.raises(ImageBuildFailure, match=f"its registry has no image {registry}/nosuch:1"):
        build(builder, new_spec("six", image=f"{registry}/nosuch:1"))


def test_an_image_that_needs_a_login(builder: DockerEngine, registry: str) -> None:
    with pytest.raises(ImageBuildFailure, match="does not give out") as caught:
        build(builder, new_spec("six", image=f"{registry}/private/image:1"))
    assert f"docker login {registry}" in caught.value.hint


def test_where_no_registry_answers_the_stand_in_is_used_and_said(builder: DockerEngine, image: str) -> None:
    # Nothing listens on port 1.
    spec = new_spec("six", image="localhost:1/base:1")
    build(builder, spec)
    found = builder.find_image(spec.digest)
    assert found is not None
    assert texts(found.differences) == (
        "base image localhost:1/base:1 could not be pulled: amlemu/python:3.11-slim-bookworm (a local stand-in)"
        " was used",
    )


def test_without_any_base_image_the_way_to_one_is_named(builder: DockerEngine) -> None:
    spec = dataclasses.replace(new_spec("six", image="localhost:1/base:1"), stand_in="amlemu/python:none")
    with pytest.raises(EngineUnavailable, match="could not be pulled") as caught:
        build(builder, spec)
    assert "amlemu images" in caught.value.hint


# Environments that the launcher must know


@pytest.fixture(scope="module")
def old_image(builder: DockerEngine) -> str:
    """Python 3.8 with the packages of 2021, where the server's versions began."""
    spec = new_spec("azureml-defaults==1.36.0", "debugpy", python="3.8")
    build(builder, spec)
    return spec.digest


def test_a_v1_layout_under_python_38(engine: DockerEngine, old_image: str, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    (layout / "source").mkdir(parents=True)
    (layout / "source/score.py").write_text(SCRIPT, encoding="utf-8")
    variables = {"AML_APP_ROOT": APP_ROOT, "AZUREML_ENTRY_SCRIPT": "source/score.py"}
    spec = container_spec(old_image, layout, working_dir=APP_ROOT, environment_variables=variables)
    seen = ask(ready(engine, spec), {})
    assert seen["python"] == [3, 8]
    assert seen["cwd"] == APP_ROOT
    assert {name: seen["variables"][name] for name in variables} == variables


def test_a_v2_layout_under_python_38(engine: DockerEngine, old_image: str, layout: Path) -> None:
    seen = ask(ready(engine, container_spec(old_image, layout)), {})
    assert seen["python"] == [3, 8]
    assert {name: seen["variables"][name] for name in MANAGED_VARIABLES} == MANAGED_VARIABLES


def test_a_debugger_can_attach(engine: DockerEngine, old_image: str, layout: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    variables = MANAGED_VARIABLES | {"AMLEMU_DEBUG_PORT": str(port)}
    container = ready(engine, container_spec(old_image, layout, debug_port=port, environment_variables=variables))
    with socket.create_connection(("127.0.0.1", port), timeout=10) as debugger:
        assert debugger.recv(15) == b"Content-Length:"
    assert "AMLEMU_DEBUG_PORT" not in ask(container, {})["variables"]


@pytest.mark.row("container.server_missing")
def test_without_the_server_package_the_clouds_words_are_said(
    builder: DockerEngine, engine: DockerEngine, layout: Path
) -> None:
    spec = new_spec("six")
    build(builder, spec)
    container = ended(engine, engine.start(container_spec(spec.digest, layout)))
    assert container.exit_code == 100
    assert list(engine.logs(container.id)) == ["A required package azureml-inference-server-http is missing."]


def test_a_container_that_is_stopped_at_once_does_not_wait_for_the_grace(
    engine: DockerEngine, image: str, layout: Path
) -> None:
    container = engine.start(container_spec(image, layout))
    time.sleep(0.2)  # Python runs, the server does not yet
    began = time.monotonic()
    engine.remove(container.id, grace_seconds=10)
    assert time.monotonic() - began < 5
