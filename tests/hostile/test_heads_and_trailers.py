"""Heads, trailers and upgrades that want more of the gateway than a request is worth."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
import warnings
from collections.abc import Callable

import pytest
from gateway_support import (
    AUTHORIZED,
    Conversation,
    Door,
    Received,
    answering,
    caller,
    container,
    echo,
    eventually,
    post,
)

from emulator.entities import Target
from emulator.gateway.caller_connection import HEAD_SECONDS, IDLE_SECONDS, CallerConnection
from emulator.gateway.connection_pool import ConnectionPool
from emulator.gateway.request import Request
from emulator.routing.http_heads import HeaderEdits
from emulator.routing.routes import Instance

CHUNKED = b"POST /score HTTP/1.1\r\nHost: a\r\n" + AUTHORIZED + b"Transfer-Encoding: chunked\r\n\r\n"
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n"
MEGABYTE = 1024 * 1024


@pytest.mark.parametrize("size", [0, 1, 5000, 3 * MEGABYTE])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_post_that_would_like_http_2(door: Door, size: int, chunked: bool) -> None:
    """As java.net.http sends it by default: the upgrade is not followed, the body arrives, the connection goes on."""
    body = b"x" * size
    head = b"POST /score HTTP/1.1\r\nHost: a\r\n" + AUTHORIZED + UPGRADE
    coded = (b"%x\r\n%s\r\n" % (size, body) if size else b"") + b"0\r\n\r\n"
    framed = b"Transfer-Encoding: chunked\r\n\r\n" + coded if chunked else b"Content-Length: %d\r\n\r\n" % size + body
    with container() as upstream, caller(door.serve(upstream.port).port) as one:
        for raw in (head + framed, head + framed, post(b"next")):
            for start in range(0, len(raw), max(64, len(raw) // 7)):
                one.send(raw[start : start + max(64, len(raw) // 7)])
            assert one.answer().status == 200
        assert [received.body for received in upstream.received] == [body, body, b"next"]
        assert upstream.received[0].all("Upgrade") == upstream.received[0].all("Connection") == []


@pytest.mark.parametrize("endless", [b"0\r\nX: ", b"0\r\n", b"1;x=", b"000000"])
def test_framing_without_a_body_is_bounded(door: Door, endless: bytes) -> None:
    """Trailers and chunk extensions are read by nobody, so nothing of them may be kept."""
    more = b"X: y\r\n" if endless == b"0\r\n" else b"0"
    with container() as upstream, caller(door.serve(upstream.port).port) as one:
        one.send(CHUNKED + b"1\r\na\r\n" + endless)
        one.send(more * (200_000 // len(more)))
        assert one.answer().status == 400
        assert one.is_closed()
        eventually(lambda: upstream.open_connections == 0)


def test_small_chunks_with_extensions_pass(door: Door) -> None:
    """More framing than body altogether, and every piece of it short."""
    with container() as upstream, caller(door.serve(upstream.port).port) as one:
        one.send(CHUNKED + b"1;name=value\r\nx\r\n" * 20_000 + b"0\r\nX-Trailer: y\r\n\r\n")
        assert one.answer().json()["body"] == "x" * 20_000


def swept(before: bytes, after_seconds: float) -> bool:
    """Whether a connection that has sent these bytes is cut so much later."""

    def answer_all(conversation: CallerConnection, _request: object) -> bool:
        conversation.write(b"answer")
        return True

    class Transport(asyncio.Transport):
        aborted = False
        write: Callable[..., None] = staticmethod(lambda _data: None)
        is_closing = is_reading = staticmethod(lambda: False)
        resume_reading = pause_reading = staticmethod(lambda: None)

        def abort(self) -> None:
            self.aborted = True

    async def run() -> bool:
        transport = Transport()
        conversation = CallerConnection(asyncio.get_running_loop(), answer_all, lambda _: None, 60 * 1024)
        conversation.connection_made(transport)
        conversation.data_received(before)
        await asyncio.sleep(0.01)
        conversation.sweep(time.monotonic() + after_seconds)
        return transport.aborted

    return asyncio.run(run())


@pytest.mark.parametrize(
    "slow",
    [
        b"P",
        b"POST /score HTTP/1.1\r\nX: y",
        post() + b"POST /score HTTP/1.1\r\nX: y",  # behind the end of another request, in one packet
        CHUNKED + b"0\r\n\r\nG",
    ],
)
def test_a_slow_head_has_a_minute(slow: bytes) -> None:
    assert not swept(slow, HEAD_SECONDS / 2)
    assert swept(slow, HEAD_SECONDS + 1)


@pytest.mark.parametrize("idle", [b"", post(), post() * 3, CHUNKED + b"0\r\n\r\n", CHUNKED + b"1\r\nx\r\n0\r\n\r\n"])
def test_an_idle_connection_has_an_hour(idle: bytes) -> None:
    assert not swept(idle, IDLE_SECONDS - 10)
    assert swept(idle, IDLE_SECONDS + 10)


def test_hundreds_of_slow_heads_do_not_delay_others(door: Door) -> None:
    """Slowloris: each sends a byte now and then, and the others are answered as ever."""
    with container() as upstream:
        route = door.serve(upstream.port)
        slow = [caller(route.port) for _ in range(400)]
        opened = [one.__enter__() for one in slow]
        try:
            for turn in range(5):
                for one in opened:
                    one.send(b"POST /score HTTP/1.1\r\nX: y"[turn * 5 : turn * 5 + 5])
                with caller(route.port) as other:
                    other.send(post(b"%d" % turn))
                    assert other.answer().json()["body"] == str(turn)
            assert {received.target for received in upstream.received} == {"/score"}
            assert len(upstream.received) == 5
        finally:
            for manager in slow:
                manager.__exit__(None, None, None)


@pytest.mark.parametrize(
    "begin", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 ", b"HTTP/1.1 103 Early\r\n"]
)
def test_a_container_whose_head_has_no_end(door: Door, begin: bytes) -> None:
    """It is given up long before the gateway's memory is."""
    sent = [0]

    def script(conversation: Conversation, received: Received) -> bool:
        conversation.read_body(received)
        conversation.send(begin)
        while sent[0] < 64 * MEGABYTE:
            conversation.send(b"X: y\r\n" * 10_000 if begin.endswith(b"\n") else b"x" * 60_000)
            sent[0] += 60_000
        return False

    with container(script) as upstream, caller(door.serve(upstream.port).port) as one:
        one.send(post())
        assert one.answer().status == 424
        eventually(lambda: upstream.open_connections == 0)
        assert sent[0] < 16 * MEGABYTE


def test_a_container_whose_trailers_have_no_end(door: Door) -> None:
    sent = [0]

    def script(conversation: Conversation, received: Received) -> bool:
        if received.body == b"next":
            return echo(conversation, received)
        conversation.read_body(received)
        conversation.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: ")
        while sent[0] < 64 * MEGABYTE:
            conversation.send(b"x" * 60_000)
            sent[0] += 60_000
        return False

    with container(script) as upstream, caller(door.serve(upstream.port).port) as one:
        one.send(post())
        assert b"0\r\n\r\n" not in one.file.read()
        eventually(lambda: upstream.open_connections == 0)
        assert sent[0] < 16 * MEGABYTE


def test_a_long_head_of_a_container_passes(door: Door) -> None:
    """Far more than gunicorn's clients take; a script may set such a cookie."""

    def script(conversation: Conversation, received: Received) -> bool:
        conversation.read_body(received)
        conversation.send(b"HTTP/1.1 200 OK\r\nX: %s\r\nContent-Length: 0\r\n\r\n" % (b"x" * 150_000))
        return True

    with container(script) as upstream, caller(door.serve(upstream.port).port) as one:
        for _ in range(2):
            one.send(post())
            assert len(one.answer().all("X")[0]) == 150_000


@pytest.mark.parametrize("framing", [b"Content-Length: 500\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_no_answer_follows_one_to_head_on_its_connection(door: Door, framing: bytes) -> None:
    """The parser waits for the body that HEAD tells of: the next answer would be taken for it."""

    def script(conversation: Conversation, received: Received) -> bool:
        if received.method != "HEAD":
            return echo(conversation, received)
        conversation.send(b"HTTP/1.1 200 OK\r\n%s\r\n" % framing)
        return True

    with container(script) as upstream, caller(door.serve(upstream.port, target="local").port) as one:
        for number in range(3):
            one.send(post(b"%d" % number))
            assert one.answer().json()["body"] == str(number)
            one.send(b"HEAD /score HTTP/1.1\r\nHost: a\r\n\r\n")
            assert one.answer("HEAD").status == 200
        assert upstream.connections == 3


@pytest.mark.parametrize("size", [1, 255 * 1024, 300 * 1024, 3 * MEGABYTE])
def test_a_connection_continues_after_an_unread_body(door: Door, size: int) -> None:
    """Refused, or answered early by the container: what waits of the body must not stop the reading for ever."""

    def script(conversation: Conversation, received: Received) -> bool:
        if received.all("Content-Length") == ["2"]:
            return echo(conversation, received)
        conversation.send(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        while conversation.sock.recv(65536):
            pass
        return False

    refused = b"POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size
    with container(script) as upstream, caller(door.serve(upstream.port).port) as one:
        for head, statuses in ((refused, {401}), (post(b"x" * size).split(b"x")[0], {413, 424})):
            for _ in range(2):
                one.send(head + b"x" * size)
                assert one.answer().status in statuses
                one.send(post(b"{}"))
                assert one.answer().json()["body"] == "{}"


def test_memory_of_a_request_is_freed_with_it(door: Door) -> None:
    """Without waiting for the collector of garbage, which runs seldom here; large bodies would pile up meanwhile."""
    raw = [
        post(b"x" * 1000),
        post(b"x" * 1000)[:-1],
        CHUNKED + b"3\r\nabc",
        CHUNKED + b"zz\r\n",
        b"GET /",
        b"NOT HTTP\r\n\r\n",
    ]
    gc.collect()
    gc.disable()
    try:
        with container(lambda _conversation, _received: False) as upstream:
            route = door.serve(upstream.port)
            for one_raw in raw * 5:
                with caller(route.port) as one:
                    one.send(one_raw)
            eventually(lambda: not any(isinstance(each, Request) for each in gc.get_objects()))
    finally:
        gc.enable()


def test_answering_a_closed_connection_does_not_fail() -> None:
    """A time-out, a queue or another request's end may give it, and none of them may stumble over that."""
    answered: list[bool] = []

    def refuse(conversation: CallerConnection, request: Request) -> bool:
        answered.append(conversation.answer(request, 503, "busy", HeaderEdits()))
        return answered[-1]

    class Going(asyncio.Transport):
        is_closing = staticmethod(lambda: True)

    async def run() -> None:
        conversation = CallerConnection(asyncio.get_running_loop(), refuse, lambda _: None, 60 * 1024)
        conversation.connection_made(Going())
        conversation.data_received(post())

    asyncio.run(run())
    assert answered == [False]


@pytest.mark.parametrize("raw", [post(b"x" * 3000), post(b"x" * 3000)[:-1], CHUNKED + b"1\r\nx", CHUNKED + b"zz\r\n"])
def test_callers_that_leave_while_the_container_is_lost_leave_nothing(
    door: Door, raw: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Both ends go at the same moment, in every order; each request is counted off once, and none of another's."""

    def script(conversation: Conversation, received: Received) -> bool:
        conversation.read_body(received)
        return False

    with container(script) as upstream:
        route = door.serve(upstream.port)
        for number in range(300):
            with caller(route.port) as one:
                one.send(raw)
                if number % 2:
                    one.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                time.sleep(number % 10 / 5000)
        assert door.gateway.drain(route.deployments[0].instances[0].id, 10.0)
        assert [record.getMessage() for record in caplog.records] == []


@pytest.mark.parametrize("target", ["local", "managed"])
def test_an_answer_that_does_not_wait_for_the_body_arrives(door: Door, target: Target) -> None:
    """As a raw script gives it that never looks at the body: gunicorn answers, and resets what still comes."""
    raw = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"

    def script(conversation: Conversation, _received: Received) -> bool:
        conversation.send(raw)
        return False

    with container(script) as upstream:
        route = door.serve(upstream.port, target=target)
        for _ in range(40):
            with caller(route.port) as one:
                one.send(post(b"x" * 2 * MEGABYTE))
                answer = one.answer()
                assert (answer.status, answer.body) == (200, b"{}")


def test_a_connection_that_is_given_up_at_once_leaves_no_socket() -> None:
    """Its caller went before the loop came to it: the task that would have closed the socket has not begun."""

    async def run(port: int) -> None:
        pool = ConnectionPool(asyncio.get_running_loop())
        connection = pool.connect(Instance("blue-1", "127.0.0.1", port), "POST", post())
        connection.abort()
        await asyncio.sleep(0.01)

    with container() as upstream, warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        asyncio.run(run(upstream.port))
        gc.collect()
        eventually(lambda: upstream.open_connections == 0)


@pytest.mark.parametrize("last", [b"Connection: close\r\n", b"Connection: close\r\nExpect: 100-continue\r\n"])
def test_a_last_answer_arrives_while_the_caller_still_sends(door: Door, last: bytes) -> None:
    """What comes behind the last request is nobody's, but its reset must not take the answer along."""
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % MEGABYTE + b"x" * MEGABYTE

    with container(answering(raw)) as upstream:
        route = door.serve(upstream.port)
        for _ in range(10):
            with caller(route.port) as one:
                one.send(post(headers=last))
                one.read_until(b"\r\n\r\n")
                for _ in range(20):
                    one.send(post(b"more"))
                    time.sleep(0.001)
                body = one.file.read()
                assert len(body) == MEGABYTE
                assert one.is_closed()
        assert len(upstream.received) == 10


@pytest.mark.slow
def test_a_last_answer_waits_for_a_slow_reader(door: Door) -> None:
    """The caller begins to read only when a caller that merely sends on would have been cut."""
    size = 8 * MEGABYTE
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
    with container(answering(raw)) as upstream, caller(door.serve(upstream.port).port) as one:
        one.send(post(headers=b"Connection: close\r\n") + post(b"more"))
        one.read_until(b"\r\n\r\n")
        left = size
        while left:
            time.sleep(0.0 if left > MEGABYTE or left < MEGABYTE // 2 else 0.5)
            left -= len(one.file.read(min(left, 64 * 1024)))
        assert one.is_closed()
