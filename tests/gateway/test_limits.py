"""An endpoint's quotas: held to when asked for, else said in the request log."""

from __future__ import annotations

import doctest
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from gateway_support import PLENTY, Caller, Container, Door, ask, caller, container, eventually, post

from emulator.entities import Target
from emulator.gateway import Gateway, quotas
from emulator.profiles import profile_of
from emulator.routing.routes import DeploymentRoute, Instance

OTHERS: tuple[Target, ...] = ("kubernetes", "aks", "aci", "local")
ALL: tuple[Target, ...] = ("managed", *OTHERS)
MEGABYTE = 1_000_000


@pytest.fixture(params=[True, False], ids=["enforced", "said"])
def enforced(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def door(enforced: bool) -> Iterator[Door]:
    lines: list[tuple[str, dict[str, Any]]] = []
    gateway = Gateway("127.0.0.1", 0, lambda name, line: lines.append((name, line)), enforce_limits=enforced)
    gateway.start()
    yield Door(gateway, lines)
    gateway.stop(2.0)


def serve(door: Door, upstream: Container, target: Target) -> tuple[int, bytes]:
    instance = Instance("one", "127.0.0.1", upstream.port)
    return door.base(door.put(DeploymentRoute("blue", 100, (instance,), max_concurrent=PLENTY), target=target))


def test_the_examples() -> None:
    assert doctest.testmod(quotas).failed == 0


@pytest.mark.row("limits.requests_per_second", "limits.too_fast")
@pytest.mark.parametrize("target", ALL)
def test_requests_per_second(door: Door, enforced: bool, target: Target) -> None:
    """A thousand pipelined requests take well under two seconds, so more than 100 of them are over 500 in a second."""
    with container() as upstream:
        port, prefix = serve(door, upstream, target)
        raw = post(b"", target=prefix + b"/score")
        with caller(port) as one:
            statuses = []
            for _ in range(20):
                one.send(raw * 50)
                statuses += [one.answer().status for _ in range(50)]
        eventually(lambda: len(door.lines) == 1000)
        warned = sum("more than 500 requests/s" in line.get("Warning", "") for _, line in door.lines)
        refused = Counter(statuses)[429]
        if target != "managed":
            assert (refused, warned) == (0, 0)
        elif enforced:
            assert (refused > 0, warned) == (True, 0)
            assert {line["ResponseCodeReason"] for _, line in door.lines} == {"", "limits.too_fast"}
        else:
            assert (refused, warned > 0) == (0, True)


@pytest.mark.row("limits.connections")
@pytest.mark.parametrize("target", ALL)
def test_connections(door: Door, enforced: bool, target: Target) -> None:
    with container() as upstream, ExitStack() as stack:
        port, prefix = serve(door, upstream, target)
        callers = [stack.enter_context(caller(port)) for _ in range(500)]
        callers[-1].send(post(target=prefix + b"/score"))
        assert callers[-1].answer().status == 200
        late = stack.enter_context(caller(port))
        if enforced and target == "managed":
            assert _is_cut(late)
        else:
            late.send(post(target=prefix + b"/score"))
            assert late.answer().status == 200
            warning = door.line(2).get("Warning", "")
            assert ("it takes 500 at once" in warning) is (target == "managed")


def _is_cut(one: Caller) -> bool:
    try:
        return one.is_closed()
    except ConnectionResetError:
        return True


@pytest.mark.row("limits.new_connections_per_second")
@pytest.mark.parametrize("target", ALL)
def test_new_connections(door: Door, enforced: bool, target: Target) -> None:
    """Twelve hundred connections in less than two seconds, each gone before the next: some second has more than 500."""
    with container() as upstream:
        port, _ = serve(door, upstream, target)
        began = time.monotonic()
        cut = 0
        for _ in range(1200):
            with caller(port) as one:
                one.send(b"OPTIONS / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                cut += _was_cut(one)
        took = time.monotonic() - began
        if not enforced or target != "managed":
            assert cut == 0
        elif took < 2:
            assert cut >= 1200 - 500 * (int(took) + 2)


def _was_cut(one: Caller) -> bool:
    try:
        return one.file.read(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.row("limits.bytes_per_second", "limits.bandwidth_trailers")
@pytest.mark.parametrize("target", ALL)
def test_bandwidth(door: Door, enforced: bool, target: Target) -> None:
    """4 MB up and 4 MB back: the first 5 MB pass, the rest comes at 5 MB/s, and nothing is refused."""

    def script(conversation: Any, received: Any) -> bool:
        body = conversation.read_body(received)
        conversation.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body))
        conversation.send(body)
        conversation.send(b"\r\n0\r\n\r\n")
        return True

    with container(script) as upstream:
        port, prefix = serve(door, upstream, target)
        body = b"x" * (4 * MEGABYTE)
        began = time.monotonic()
        with caller(port) as one:
            one.send(post(body, target=prefix + b"/score"))
            assert one.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")
            got, trailers = _chunks_and_trailers(one)
            assert got == body
        took = time.monotonic() - began
        slowed = enforced and target == "managed"
        assert (took > 0.5) is slowed
        line = door.line()
        assert (line["RequestThrottlingDelayMs"] + line["ResponseThrottlingDelayMs"] > 400) is slowed
        names = {name for name, _ in trailers}
        assert names == (
            {"ms-azureml-bandwidth-request-delay-ms", "ms-azureml-bandwidth-response-delay-ms"} if slowed else set()
        )


def _chunks_and_trailers(one: Caller) -> tuple[bytes, list[tuple[str, str]]]:
    pieces = []
    while size := int(one.file.readline(), 16):
        pieces.append(one.file.read(size))
        assert one.file.readline() == b"\r\n"
    lines = iter(one.file.readline, b"\r\n")
    trailers = [line.decode().strip().partition(": ") for line in lines]
    return b"".join(pieces), [(name, value) for name, _, value in trailers]


@pytest.mark.row("limits.request_bytes", "limits.too_long")
@pytest.mark.parametrize("target", ALL)
@pytest.mark.parametrize("chunked", [False, True])
def test_the_length_of_a_body(door: Door, enforced: bool, target: Target, chunked: bool) -> None:
    """One byte more than 100 MB; a body that says its length beforehand is not read at all."""
    limit = 100 * 1024 * 1024
    assert profile_of(target).scoring.request_bytes == (limit if target in ("aks", "aci") else None)
    if target not in ("aks", "aci"):
        return
    with container() as upstream:
        port, prefix = serve(door, upstream, target)
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % (limit + 1)
        head = post(b"", target=prefix + b"/score").replace(b"Content-Length: 0", framing)
        with caller(port) as one:
            one.send(head)
            refused = _send(one, limit + 1, chunked=chunked)
            if enforced:
                assert refused or one.answer().status == 413
                assert door.line()["ResponseCode"] == 413
            else:
                assert one.answer().status == 200
                assert "longer than 104857600 bytes" in door.line()["Warning"]


def _send(one: Caller, count: int, *, chunked: bool) -> bool:
    """Send a body; whether the connection was cut meanwhile."""
    piece = b"x" * MEGABYTE
    try:
        for start in range(0, count, MEGABYTE):
            data = piece[: min(MEGABYTE, count - start)]
            one.send(b"%x\r\n%s\r\n" % (len(data), data) if chunked else data)
        if chunked:
            one.send(b"0\r\n\r\n")
    except (ConnectionResetError, BrokenPipeError):
        return True
    return False


@pytest.mark.row("limits.head_bytes")
@pytest.mark.parametrize("target", ALL)
def test_the_length_of_a_head(door: Door, enforced: bool, target: Target) -> None:
    assert profile_of(target).scoring.head_bytes == 60 * 1024
    with container() as upstream:
        port, prefix = serve(door, upstream, target)
        for length, status in ((59_000, 200), (62_000, 431)):
            assert ask(port, post(target=prefix + b"/score", headers=b"X: %s\r\n" % (b"a" * length))).status == status
