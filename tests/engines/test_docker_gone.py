"""A Docker Engine that goes away, or falls silent, in the middle of its work."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import socketserver
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import docker
import pytest
from engine_contract import SERVER, build, container_spec, managed_layout, new_spec, temporary_engine

from emulator.engines.docker.build import DockerHost
from emulator.engines.docker.cli import run_command
from emulator.engines.docker.connection import Endpoint, connect, find_endpoint
from emulator.engines.docker.engine import DockerEngine, connect_docker_engine
from emulator.engines.packaging.python_packages import read_host_packaging
from emulator.errors import EngineUnavailable

# The SDK does not close a socket that it could not connect.
pytestmark = [pytest.mark.docker, pytest.mark.filterwarnings("ignore:.*socket:pytest.PytestUnraisableExceptionWarning")]

TIMEOUT_SECONDS = 2


@pytest.fixture(autouse=True)
def sockets_are_collected_here() -> Iterator[None]:
    """Where their warning is ignored, and not during somebody else's test."""
    yield
    gc.collect()


class _Relay(socketserver.BaseRequestHandler):
    """Copies bytes to the real engine and back, until it is told not to."""

    def handle(self) -> None:
        server = self.server
        assert isinstance(server, RelayServer)
        with socket.socket(socket.AF_UNIX) as engine, contextlib.suppress(OSError):
            engine.connect(server.engine_socket)
            server.peers += [self.request, engine]
            back = threading.Thread(target=_copy, args=(engine, self.request, server))
            back.start()
            _copy(self.request, engine, server)
            back.join()


def _copy(source: socket.socket, target: socket.socket, server: RelayServer) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            if not server.deaf:
                target.sendall(data)
        target.shutdown(socket.SHUT_WR)


class RelayServer(socketserver.ThreadingUnixStreamServer):
    """Stands between the SDK and the engine, so that the engine can seem to die without dying."""

    def __init__(self, path: Path, engine_socket: str) -> None:
        super().__init__(str(path), _Relay)
        self.path = path
        self.engine_socket = engine_socket
        self.peers: list[socket.socket] = []
        self.deaf = False
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,))
        self._thread.start()

    def die(self) -> None:
        """Close what is open and accept no more."""
        self.shutdown()
        self._thread.join()
        self.path.unlink(missing_ok=True)
        for peer in self.peers:
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
        self.server_close()


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[RelayServer]:
    url = os.environ.get("DOCKER_HOST") or find_endpoint(os.environ).url or "unix:///var/run/docker.sock"
    assert url.startswith("unix://"), "these tests need an engine on a unix socket"
    server = RelayServer(tmp_path / "docker.sock", url.removeprefix("unix://"))
    yield server
    server.die()


@pytest.fixture
def engine(relay: RelayServer) -> Iterator[DockerEngine]:
    url = f"unix://{relay.path}"
    client = connect(Endpoint(url), timeout_seconds=TIMEOUT_SECONDS)
    host = DockerHost(client, run_command, {"DOCKER_HOST": url}, "default", lambda: True)
    workspace_id = f"test-{uuid.uuid4().hex[:8]}"
    engine = DockerEngine(host, workspace_id, read_host_packaging(os.environ), platform="linux")
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    """The tiny environment's digest, built."""
    packaging = read_host_packaging(os.environ)
    with temporary_engine(lambda workspace_id: connect_docker_engine(workspace_id, packaging)) as engine:
        spec = new_spec(SERVER)
        build(engine, spec)
        yield spec.digest


CALLS: dict[str, Callable[[DockerEngine, Path], object]] = {
    "check": lambda engine, _: engine.check(),
    "find_image": lambda engine, _: engine.find_image("f" * 64),
    "build_image": lambda engine, _: engine.build_image(new_spec("six"), print, threading.Event()),
    "start": lambda engine, layout: engine.start(container_spec("f" * 64, layout)),
    "inspect": lambda engine, _: engine.inspect("x"),
    "list_containers": lambda engine, _: engine.list_containers(),
    "logs": lambda engine, _: list(engine.logs("x")),
    "remove": lambda engine, _: engine.remove("x", grace_seconds=1),
    "prune": lambda engine, _: engine.prune(frozenset()),
}


@pytest.mark.parametrize("call", CALLS)
def test_every_call_to_a_dead_engine_says_so(
    call: str, engine: DockerEngine, relay: RelayServer, tmp_path: Path
) -> None:
    assert engine.list_containers() == []
    relay.die()
    with pytest.raises(EngineUnavailable, match="the Docker Engine does not answer") as caught:
        CALLS[call](engine, tmp_path)
    assert caught.value.hint


@pytest.mark.parametrize("call", CALLS)
def test_no_call_to_a_silent_engine_hangs(call: str, engine: DockerEngine, relay: RelayServer, tmp_path: Path) -> None:
    assert engine.list_containers() == []
    relay.deaf = True
    began = time.monotonic()
    with pytest.raises(EngineUnavailable, match="the Docker Engine does not answer"):
        CALLS[call](engine, tmp_path)
    assert time.monotonic() - began < 10


def test_an_engine_that_dies_during_a_build(engine: DockerEngine, relay: RelayServer) -> None:
    spec = new_spec("six")
    dockerfile = f"ARG BASE_IMAGE\nFROM ${{BASE_IMAGE}}\nRUN echo {spec.digest} && sleep 60\n"

    def die_at_the_step(line: str) -> None:
        if "sleep 60" in line:
            relay.die()

    with pytest.raises(EngineUnavailable, match="went away during the build"):
        engine.build_image(replace(spec, dockerfile=dockerfile), die_at_the_step, threading.Event())


def test_an_engine_that_dies_while_a_log_is_followed(
    engine: DockerEngine, relay: RelayServer, image: str, tmp_path: Path
) -> None:
    container = engine.start(container_spec(image, managed_layout(tmp_path / "layout")))
    try:
        log = engine.logs(container.id, follow=True)
        next(log)
        relay.die()
        with pytest.raises(EngineUnavailable):
            list(log)
    finally:
        with contextlib.closing(docker.from_env()) as client:
            client.containers.get(container.id).remove(force=True)


def test_no_engine_at_all(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match=r"does not answer: No such file or directory"):
        connect(Endpoint(f"unix://{tmp_path / 'none.sock'}"))
