"""Connections: kept, stale, aborted, truncated, slow, many."""

from __future__ import annotations

import resource
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import pytest
from gateway_support import (
    AUTHORIZED,
    Conversation,
    Door,
    Received,
    answering,
    ask,
    caller,
    container,
    echo,
    eventually,
    get,
    post,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
MEGABYTE = 1024 * 1024


@pytest.fixture
def _many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_a_connection_to_the_container_is_used_again(door: Door) -> None:
    with container() as upstream, caller(door.serve(upstream.port).port) as one:
        for number in range(5):
            one.send(post(b"%d" % number))
            assert one.answer().json()["body"] == str(number)
        assert upstream.connections == 1


def test_a_container_that_closes_after_each_answer(door: Door) -> None:
    """As azmlinfsrv's workers do: the caller keeps its connection all the same."""
    raw = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
    with container(answering(raw)) as upstream, caller(door.serve(upstream.port).port) as one:
        for _ in range(5):
            one.send(post())
            answer = one.answer()
            assert (answer.status, answer.all("Connection")) == (200, [])
        assert upstream.connections == 5


def test_a_container_that_closes_idle_connections_without_a_word(door: Door) -> None:
    """The answer promises to keep the connection and the container closes it: a POST must not fail for that."""
    with container(answering(OK, keep=False)) as upstream, caller(door.serve(upstream.port).port) as one:
        for _ in range(50):
            one.send(post())
            assert one.answer().status == 200
            eventually(lambda: upstream.open_connections == 0)


@pytest.mark.parametrize(("method", "status", "asked"), [(b"GET", 200, 3), (b"POST", 424, 2)])
def test_a_kept_connection_that_dies_under_a_request(door: Door, method: bytes, status: int, asked: int) -> None:
    """RFC 9110 §9.2.2: what may have been done already is not sent again, unless doing it twice is harmless."""
    first: list[Conversation] = []

    def script(conversation: Conversation, received: Received) -> bool:
        if not first:
            first.append(conversation)
        elif conversation is first[0]:
            return False
        conversation.read_body(received)
        conversation.send(OK)
        return True

    with container(script) as upstream:
        route = door.serve(upstream.port)
        assert ask(route.port, post()).status == 200
        assert ask(route.port, get(method=method)).status == status
        assert len(upstream.received) == asked


def test_an_idle_connection_to_a_container_is_closed(door: Door) -> None:
    with container() as upstream:
        ask(door.serve(upstream.port).port, post())
        assert upstream.open_connections == 1
        eventually(lambda: upstream.open_connections == 0)


def test_an_unasked_answer_is_not_taken_for_the_next_one(door: Door) -> None:
    forged = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
    with container(answering(OK + forged, keep=True)) as upstream, caller(door.serve(upstream.port).port) as one:
        for _ in range(3):
            one.send(post())
            assert one.answer().body == b"{}"
        assert upstream.connections == 3  # what may hold the rest of an unasked answer is not used again


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n",
    ],
)
def test_an_answer_that_breaks_off_does_not_look_whole(door: Door, raw: bytes) -> None:
    with container(answering(raw)) as upstream, caller(door.serve(upstream.port).port) as one:
        one.send(post())
        one.read_until(b"half")
        rest = one.file.read()
        assert rest in (b"", b"\r\n")


def test_a_caller_that_goes_away_takes_its_request_along(door: Door) -> None:
    """No connection and no count is left behind, whatever the container does."""
    hung = threading.Event()

    def script(conversation: Conversation, received: Received) -> bool:
        hung.set()
        return conversation.sock.recv(1) != b""

    with container(script) as upstream:
        route = door.serve(upstream.port)
        instance = route.deployments[0].instances[0]
        with caller(route.port) as one:
            one.send(post(b""))
            assert hung.wait(10)
            assert door.gateway.in_flight(instance.id) == 1
        eventually(lambda: upstream.open_connections == 0)
        assert door.gateway.drain(instance.id, 5.0)
        assert door.line()["ResponseCode"] == 499


def test_a_caller_that_goes_away_in_the_middle_of_its_body(door: Door) -> None:
    with container() as upstream:
        route = door.serve(upstream.port)
        with caller(route.port) as one:
            one.send(post(b"x" * 100)[:-50])
            eventually(lambda: upstream.open_connections == 1)
        eventually(lambda: upstream.open_connections == 0)
        assert door.gateway.drain(route.deployments[0].instances[0].id, 5.0)


def test_a_caller_that_goes_away_in_the_middle_of_a_stream(door: Door) -> None:
    def script(conversation: Conversation, received: Received) -> bool:
        conversation.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            conversation.send(b"400\r\n" + b"x" * 1024 + b"\r\n")

    with container(script) as upstream:
        route = door.serve(upstream.port)
        with caller(route.port) as one:
            one.send(post(b""))
            one.read_until(b"x" * 1000)
        eventually(lambda: upstream.open_connections == 0)
        assert door.gateway.drain(route.deployments[0].instances[0].id, 5.0)


def test_an_early_answer_while_the_body_still_comes(door: Door) -> None:
    """The container refuses a body that it has not read: its answer comes through."""
    raw = b"HTTP/1.1 413 Payload Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig"

    def script(conversation: Conversation, received: Received) -> bool:
        conversation.send(raw)
        while conversation.sock.recv(65536):  # a server that closed now would reset its own answer away
            pass
        return False

    with container(script) as upstream, caller(door.serve(upstream.port).port) as one:
        one.send(post(b"x" * 10 * MEGABYTE)[:-MEGABYTE])
        assert one.answer().body == b"big"
        eventually(lambda: upstream.open_connections == 0)


def test_an_answer_that_needs_no_body_survives_its_connection(door: Door) -> None:
    """A server that answers and closes with the body unread resets the connection, maybe under the next write."""

    def script(conversation: Conversation, received: Received) -> bool:
        conversation.send(OK)
        return False

    with container(script) as upstream:
        route = door.serve(upstream.port, target="local")
        raw = post(b"x" * (2 * MEGABYTE))
        for _ in range(30):
            with caller(route.port) as one:
                with suppress(ConnectionResetError, BrokenPipeError):
                    one.send(raw)
                assert one.answer().status == 200


def test_a_connection_with_half_a_request_on_it_is_not_used_again(door: Door) -> None:
    """The container answers early and promises to keep the connection: the rest of the body is still to come."""

    def script(conversation: Conversation, received: Received) -> bool:
        if received.all("Content-Length") == ["7"]:
            return echo(conversation, received)
        conversation.send(OK)
        while conversation.sock.recv(65536):
            pass
        return False

    with container(script) as upstream, caller(door.serve(upstream.port).port) as first:
        with caller(first.sock.getpeername()[1]) as second:
            first.send(post(b"GET /forged HTTP/1.1\r\n\r\n" * 10)[:-20])
            assert first.answer().body == b"{}"
            second.send(post(b"genuine"))
            assert second.answer().json()["body"] == "genuine"
        assert upstream.connections == 2
        assert [received.target for received in upstream.received] == ["/score", "/score"]


def test_a_big_body_up_needs_little_memory(door: Door) -> None:
    size = 100 * MEGABYTE
    counted: list[int] = []

    def script(conversation: Conversation, received: Received) -> bool:
        left = size
        while left:
            left -= len(conversation.file.read(min(left, 65536)))
        counted.append(size - left)
        conversation.send(OK)
        return True

    with container(script) as upstream, caller(door.serve(upstream.port).port) as one:
        before = resident_bytes()
        one.send(b"POST /score HTTP/1.1\r\nHost: a\r\n" + AUTHORIZED + b"Content-Length: %d\r\n\r\n" % size)
        peak = before
        for _ in range(100):
            one.send(b"\0" * MEGABYTE)
            peak = max(peak, resident_bytes())
        assert one.answer().status == 200
        assert counted == [size]
        assert peak - before < 16 * MEGABYTE
        assert door.line()["RequestPayloadSize"] == size


def test_a_big_body_down_needs_little_memory(door: Door) -> None:
    """The caller reads nothing at first: the container is made to wait, the gateway does not hoard."""
    size = 100 * MEGABYTE

    def script(conversation: Conversation, received: Received) -> bool:
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(100):
            conversation.send(b"\0" * MEGABYTE)
        return True

    with container(script) as upstream, caller(door.serve(upstream.port).port) as one:
        before = resident_bytes()
        one.send(post(b""))
        one.read_until(b"\r\n\r\n")
        time.sleep(0.3)
        peak, left = resident_bytes(), size
        while left:
            left -= len(one.file.read(min(left, MEGABYTE)))
            peak = max(peak, resident_bytes())
        assert peak - before < 16 * MEGABYTE
        assert door.line()["ResponsePayloadSize"] == size


def test_a_container_that_reads_slowly_slows_the_caller(door: Door) -> None:
    """Backpressure reaches the caller: it cannot send 50 MB to a container that reads nothing."""
    going_on = threading.Event()

    def script(conversation: Conversation, received: Received) -> bool:
        going_on.wait(10)
        return echo(conversation, received)

    with container(script) as upstream, caller(door.serve(upstream.port).port) as one:
        one.sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            one.send(post(b"x" * 50 * MEGABYTE))
        going_on.set()


@pytest.mark.usefixtures("_many_files")
def test_a_thousand_requests_at_once(door: Door) -> None:
    together = threading.Barrier(1001, timeout=30)

    def script(conversation: Conversation, received: Received) -> bool:
        together.wait()
        conversation.send(OK)
        return False

    with container(script) as upstream, ExitStack() as stack:
        route = door.serve(upstream.port)
        callers = [stack.enter_context(caller(route.port)) for _ in range(1000)]
        for one in callers:
            one.send(post(b""))
        eventually(lambda: upstream.open_connections == 1000, 30)
        assert door.gateway.in_flight(route.deployments[0].instances[0].id) == 1000
        together.wait()
        assert {one.answer().status for one in callers} == {200}
        assert door.gateway.drain(route.deployments[0].instances[0].id, 10.0)


@pytest.mark.usefixtures("_many_files")
def test_idle_and_slow_callers_do_not_delay_others(door: Door) -> None:
    with container() as upstream, ExitStack() as stack:
        route = door.serve(upstream.port)
        for number in range(300):
            one = stack.enter_context(caller(route.port))
            one.send(b"" if number % 2 else b"POST /score HTTP/1.1\r\nHost: a\r\n")
        began = time.monotonic()
        assert [ask(route.port, post()).status for _ in range(50)] == [200] * 50
        assert time.monotonic() - began < 5


def test_the_least_busy_instance_is_asked(door: Door) -> None:
    held = threading.Event()

    def slow(conversation: Conversation, received: Received) -> bool:
        held.wait(10)
        conversation.send(OK)
        return True

    with container(slow) as first, container() as second, caller(door.serve(first.port, second.port).port) as one:
        route_port = one.sock.getpeername()[1]
        one.send(post(b""))
        eventually(lambda: len(first.received) + len(second.received) == 1)
        if second.received:  # the turn was the other one's: take the slow one now
            one.answer()
            one.send(post(b""))
            eventually(lambda: len(first.received) == 1)
        before = len(second.received)
        for _ in range(5):
            assert ask(route_port, post()).status == 200
        assert (len(first.received), len(second.received)) == (1, before + 5)
        held.set()
        assert one.answer().status == 200


def test_half_closed_and_reset_callers_leave_nothing(door: Door) -> None:
    with container() as upstream:
        route = door.serve(upstream.port)
        for _ in range(20):
            with caller(route.port) as one:
                one.send(post(b"x" * 1000)[:-1])
                one.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        eventually(lambda: upstream.open_connections == 0)
        assert ask(route.port, post()).status == 200
        instance = route.deployments[0].instances[0].id
        assert door.gateway.drain(instance, 5.0)
        assert door.gateway.in_flight(instance) == 0


def test_two_endpoints_do_not_share_what_one_can_exhaust(door: Door) -> None:
    held = threading.Event()

    def stuck(conversation: Conversation, received: Received) -> bool:
        held.wait(20)
        return False

    with container(stuck) as busy, container() as free, ExitStack() as stack:
        crowded = door.serve(busy.port, name="crowded")
        other = door.serve(free.port, name="other")
        for _ in range(200):
            stack.enter_context(caller(crowded.port)).send(post(b""))
        eventually(lambda: busy.open_connections == 200)
        with ThreadPoolExecutor(8) as pool:
            statuses: list[Any] = list(pool.map(lambda _: ask(other.port, post()).status, range(100)))
        assert statuses == [200] * 100
        held.set()


def test_a_container_whose_backlog_is_full_is_waited_for(door: Door) -> None:
    """As when every worker is busy and more callers wait than the kernel queues."""
    with closing(socket.socket()) as listening, ExitStack() as stack:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        address = listening.getsockname()
        fillers = [stack.enter_context(closing(socket.socket())) for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        one = stack.enter_context(caller(door.serve(address[1]).port))
        one.send(post(b"patience"))
        time.sleep(0.2)
        answered = 0
        listening.settimeout(10)
        while not answered:
            accepted, _ = listening.accept()
            with closing(accepted):
                accepted.settimeout(0.1)
                with suppress(TimeoutError):
                    answered = accepted.recv(65536).endswith(b"patience")
                    accepted.sendall(OK)
        assert one.answer().status == 200


@pytest.mark.slow
def test_a_container_that_never_accepts_is_given_up(door: Door) -> None:
    with closing(socket.socket()) as listening, ExitStack() as stack:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(3):
            filler = stack.enter_context(closing(socket.socket()))
            filler.setblocking(False)
            filler.connect_ex(listening.getsockname())
        began = time.monotonic()
        assert ask(door.serve(listening.getsockname()[1]).port, post()).status == 424
        assert 4 < time.monotonic() - began < 15
