"""Crowds at the doors: whoever lies idle, sends slowly or asks too much keeps neither health nor a caller waiting."""

from __future__ import annotations

import json
import resource
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from core_support import ADMIN, House
from gateway_support import Door, ask, caller, container, post, running_door
from served import Served, serving

from emulator.azure_paths import WORKSPACE_PATH
from emulator.control_api import http_server
from emulator.control_api.pools import ROOMS, room_of
from emulator.gateway.listener import CONNECTIONS as GATEWAY_CONNECTIONS

BEARER = f"Authorization: Bearer {ADMIN}\r\n".encode()
LIST = WORKSPACE_PATH + "/onlineEndpoints"
CROWD = 1_100
"""More than the connections that are kept."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    house = House(tmp_path_factory.mktemp("house"))
    with serving(house) as served:
        yield served
    house.settle()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    ("method", "path", "room"),
    [
        ("POST", "/onlineEndpoints/iris/explain", "streams"),
        ("GET", "/onlineEndpoints/iris/logs", "streams"),
        ("GET", "/onlineEndpoints/explain", "reads"),
        ("POST", "/onlineEndpoints/iris/regenerateKeys", "changes"),
        ("PUT", "/onlineEndpoints/explain", "changes"),
    ],
)
def test_requests_are_dispatched_to_the_pool_of_their_kind(method: str, path: str, room: str) -> None:
    request = SimpleNamespace(error=None, is_known=True, command=method, path=WORKSPACE_PATH + path)
    assert room_of(request) == room


def connected(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def request_head(method: str, path: str, *headers: bytes) -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n".encode() + b"".join(headers) + b"\r\n"


def seconds_of(port: int, path: str, status: int = 200, **headers: str) -> float:
    """How long one request on a connection of its own takes."""
    begun = time.monotonic()
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(f"http://127.0.0.1:{port}{path}", headers=headers, timeout=30)
    assert answer.status_code == status, answer.text
    return time.monotonic() - begun


def assert_answers(served: Served) -> None:
    """Health within a second, and a list, for somebody with a token, within two: the best of three."""
    assert min(seconds_of(served.port, "/_amlemu/health") for _ in range(3)) < 1
    assert min(seconds_of(served.port, LIST, Authorization=f"Bearer {ADMIN}") for _ in range(3)) < 2


# connections that do nothing


BEGINNINGS: dict[str, bytes] = {
    "nothing": b"",
    "half a line": b"GET /_amlemu/hea",
    "half a head": b"GET /_amlemu/health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
    "half a body": request_head("POST", "/_amlemu/prune", b"Content-Length: 1000\r\n") + b"{",
    "half a chunk": request_head("POST", "/_amlemu/prune", b"Transfer-Encoding: chunked\r\n") + b"100\r\n{",
    "an answered request": request_head("GET", "/_amlemu/health"),
    "a refused request": request_head("GET", LIST),
    "half a body of somebody with a token": request_head("POST", "/_amlemu/prune", BEARER, b"Content-Length: 1000\r\n"),
    "a list, answered": request_head("GET", LIST, BEARER),
}


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_more_connections_than_are_kept(served: Served, beginning: str) -> None:
    with ExitStack() as stack:
        for _ in range(CROWD):
            sock = stack.enter_context(connected(served.port))
            with suppress(ConnectionError):
                sock.sendall(BEGINNINGS[beginning])
        assert_answers(served)


def test_half_closed_connections(served: Served) -> None:
    with ExitStack() as stack:
        for _ in range(200):
            sock = stack.enter_context(connected(served.port))
            sock.sendall(b"GET / HTTP/1.1\r\n")
            sock.shutdown(socket.SHUT_WR)
        assert_answers(served)


def test_the_latest_is_kept_and_the_idlest_goes(tmp_path: Path) -> None:
    """Somebody with a token is the last to go, and a request that is being answered is never cut off."""
    house = House(tmp_path)
    house.deploy()
    with serving(house, most_connections=20) as served, ExitStack() as stack:
        following = stack.enter_context(connected(served.port))
        following.sendall(request_head("GET", LIST + "/iris/events?follow=true", BEARER))
        assert following.recv(12) == b"HTTP/1.1 200"
        known = stack.enter_context(caller(served.port))
        known.send(request_head("GET", LIST, BEARER))
        assert known.answer("GET").status == 200
        strangers = [stack.enter_context(connected(served.port)) for _ in range(60)]
        assert_answers(served)
        for sock in (strangers[0], strangers[20]):
            sock.settimeout(5)
            assert sock.recv(1) == b""
        known.send(request_head("GET", LIST, BEARER))
        assert known.answer("GET").status == 200
        following.settimeout(5)
        assert following.recv(1 << 16)
    house.settle()


def test_strangers_have_little_time() -> None:
    """Idle ones and slow ones alike; somebody with a token has more."""
    bounds = {"nothing": True, "half a head": True, "half a body": True, "half a body of somebody with a token": False}
    sock = socket.create_server(("127.0.0.1", 0))
    server = http_server.ControlServer(nobody, sock, lambda header: ADMIN in header, stranger_seconds=1.0)
    thread = threading.Thread(target=server.run)
    thread.start()
    with ExitStack() as stack:
        begun, socks = time.monotonic(), {}
        for name in bounds:
            socks[name] = stack.enter_context(connected(sock.getsockname()[1]))
            socks[name].sendall(BEGINNINGS[name])
        while time.monotonic() - begun < 3:
            time.sleep(0.1)
            for name, one in socks.items():
                if name != "nothing":
                    with suppress(ConnectionError):
                        one.sendall(b"x")  # a byte now and then is no request
        assert {name: is_gone(one) for name, one in socks.items()} == bounds
        server.trigger.pull_trigger(server._map.clear)
        thread.join(10)
    for channel in tuple(server.active_channels.values()):
        channel.handle_close()
    server.close()


def nobody(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """An application that no request reaches."""
    raise AssertionError(environ)


def is_gone(sock: socket.socket) -> bool:
    sock.settimeout(0.1)
    try:
        return sock.recv(1) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


# requests


def flooded(port: int, raw: bytes, count: int, then: Callable[[], None]) -> None:
    """So many connections, each with that request and nobody who reads; `then` while they are there."""
    with ExitStack() as stack:
        for _ in range(count):
            sock = stack.enter_context(connected(port))
            with suppress(ConnectionError):
                sock.sendall(raw)
        then()


def test_pieces_of_uploads_that_come_out_of_order(served: Served) -> None:
    """Each waits ten seconds for what is before it: those that find no room are told so at once."""
    path = f"/_amlemu/uploads/files/{'0' * 64}?offset=1000"
    piece = request_head("PATCH", path, BEARER, b"Content-Length: 1\r\n") + b"x"
    with ExitStack() as stack:
        socks = [stack.enter_context(connected(served.port)) for _ in range(600)]
        for sock in socks:
            sock.sendall(piece)
        assert_answers(served)
        told = readable(socks)
        assert len(told) >= 600 - ROOMS["pieces"].threads - ROOMS["pieces"].waiting
        assert {sock.recv(12) for sock in told} == {b"HTTP/1.1 409"}
        assert_answers(served)


def readable(socks: Sequence[socket.socket]) -> list[socket.socket]:
    """Those that something has come on."""
    poll = select.poll()
    for sock in socks:
        poll.register(sock, select.POLLIN)
    ready = {number for number, _ in poll.poll(0)}
    return [sock for sock in socks if sock.fileno() in ready]


def test_followers_by_the_thousand(served: Served, tmp_path: Path) -> None:
    if "iris" not in served.house.workspace.endpoints.list_names():
        served.house.deploy()
    for path in ("logs", "events"):
        raw = request_head("GET", f"{LIST}/iris/{path}?follow=true", BEARER)
        flooded(served.port, raw, CROWD, lambda: assert_answers(served))


def test_ten_thousand_requests_of_one_caller(served: Served) -> None:
    """A hundred on each of a hundred connections, sent ahead of the answers."""
    flooded(served.port, request_head("GET", LIST, BEARER) * 100, 100, lambda: assert_answers(served))


def test_requests_without_a_token(served: Served) -> None:
    flooded(served.port, request_head("GET", LIST) * 100, 100, lambda: assert_answers(served))


def test_changes_that_wait_leave_reads_alone(tmp_path: Path) -> None:
    """An endpoint that is being brought back keeps its changes waiting, however many."""
    house = House(tmp_path)
    house.deploy()
    with serving(house) as served, house.workspace.endpoints.hold("iris", restoring=True):
        body = json.dumps({"traffic": {"blue": 100}}).encode()
        headers = (BEARER, b"Content-Type: application/json\r\n", b"Content-Length: %d\r\n" % len(body))
        raw = request_head("PATCH", LIST + "/iris", *headers) + body
        flooded(served.port, raw, 400, lambda: assert_answers(served))
    house.settle()


@pytest.mark.parametrize(
    "raw",
    [
        request_head("GET", "/_amlemu/health", b"X-Long: " + b"x" * 60_000 + b"\r\n"),
        request_head("GET", "/_amlemu/health?" + "q=1&" * 15_000),
        request_head("GET", "/_amlemu/health", *(b"X-%d: 1\r\n" % number for number in range(5_000))),
    ],
    ids=["a long header", "a long query", "many headers"],
)
def test_large_heads(served: Served, raw: bytes) -> None:
    flooded(served.port, raw, 100, lambda: assert_answers(served))


def test_nothing_is_kept_of_a_strangers_body(served: Served) -> None:
    """Read over, so that the refusal arrives, and forgotten."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = 31 << 20
    with ExitStack() as stack:
        socks = [stack.enter_context(connected(served.port)) for _ in range(8)]
        for sock in socks:
            sock.sendall(request_head("POST", "/_amlemu/prune", b"Content-Length: %d\r\n" % size))
        piece = bytes(1 << 20)
        for _ in range(31):
            for sock in socks:
                sock.sendall(piece)
        assert [sock.recv(12) for sock in socks] == [b"HTTP/1.1 401"] * 8
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10 < 3 * size


# the gateway


@pytest.fixture
def door() -> Iterator[Door]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with running_door() as one:
        yield one
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("beginning", [b"", b"POST /score HTTP/1.1\r\nHost: a\r\nX: "], ids=["idle", "half a head"])
def test_the_gateway_lets_the_idlest_go(door: Door, beginning: bytes) -> None:
    with container() as upstream, ExitStack() as stack:
        route = door.serve(upstream.port)
        first = stack.enter_context(connected(route.port))
        for _ in range(GATEWAY_CONNECTIONS + 20):
            stack.enter_context(connected(route.port)).sendall(beginning)
        begun = time.monotonic()
        assert ask(route.port, post()).status == 200
        assert time.monotonic() - begun < 1
        first.settimeout(5)
        assert first.recv(1) == b""


def test_scoring_goes_on_beside_a_crowd_at_the_control_api(door: Door, served: Served) -> None:
    slowest: list[float] = []

    def score(port: int) -> None:
        with caller(port) as one:
            for _ in range(50):
                begun = time.monotonic()
                one.send(post())
                assert one.answer().status == 200
                slowest.append(time.monotonic() - begun)

    with container() as upstream:
        port = door.serve(upstream.port).port
        raw = request_head("GET", LIST, BEARER) * 20
        flooded(served.port, raw, 100, lambda: score(port))
    assert max(slowest) < 2
