"""Probes over the wire: what a container gets, and how every kind of silence is told."""

from __future__ import annotations

import time

import pytest
from gateway_support import AUTHORIZED, Conversation, Door, Received, Script, answering, container, free_port

from emulator.engines import Container
from emulator.server.http_probe import probe


def at(port: int) -> Container:
    return Container("id", "name", {}, "127.0.0.1" if port else "", port, running=bool(port))


def ok(body: bytes = b"Healthy") -> Script:
    return answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


@pytest.mark.row("probes.no_auth")
def test_a_probe_goes_past_the_front_door(door: Door) -> None:
    with container(ok()) as upstream:
        door.serve(upstream.port)
        assert probe(at(upstream.port), "/", 5.0).passes()
        (received,) = upstream.received
        assert (received.method, received.target) == ("GET", "/")
        assert AUTHORIZED.strip() not in received.head
        assert {name.lower() for name, _ in received.headers} == {"host", "connection"}
        assert door.lines == []


@pytest.mark.row("probes.no_auth")
def test_the_headers_that_a_probe_carries() -> None:
    with container(ok()) as upstream:
        assert probe(at(upstream.port), "/", 5.0, {"User-Agent": "kube-probe/1.29", "Accept": "*/*"}).passes()
        (received,) = upstream.received
        names = [name for name, _ in received.headers]
        assert (names, received.all("user-agent")) == (
            ["Host", "User-Agent", "Accept", "Connection"],
            ["kube-probe/1.29"],
        )


@pytest.mark.row("probes.path")
def test_it_asks_for_the_path(door: Door) -> None:
    with container(ok()) as upstream:
        assert probe(at(upstream.port), "/healthz?a=1", 5.0).status == 200
        assert upstream.received[0].target == "/healthz?a=1"


@pytest.mark.row("probes.passing_status")
@pytest.mark.parametrize("status", [100, 201, 204, 302, 404, 500, 502])
def test_any_other_status_fails(status: int) -> None:
    # An interim answer is not the answer: none comes after it.
    with container(answering(b"HTTP/1.1 %d Odd\r\nContent-Length: 0\r\n\r\n" % status)) as upstream:
        answer = probe(at(upstream.port), "/", 5.0)
    assert not answer.passes()
    assert str(answer) == f"HTTP probe failed with statuscode: {status}"


def test_no_listener_is_told_as_kubernetes_tells_it() -> None:
    port = free_port()
    expected = f'Get "http://127.0.0.1:{port}/": dial tcp 127.0.0.1:{port}: connect: connection refused'
    assert str(probe(at(port), "/", 5.0)) == expected


def test_a_stopped_container_has_no_port() -> None:
    assert probe(at(0), "/", 5.0).failure


def silent(conversation: Conversation, _received: Received) -> bool:
    time.sleep(1.0)
    return False


def dripping_headers(conversation: Conversation, _received: Received) -> bool:
    conversation.send(b"HTTP/1.1 200 OK\r\n")
    for number in range(30):
        conversation.send(b"X-%d: 1\r\n" % number)
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("script", [silent, dripping_headers])
def test_the_time_is_for_the_whole_answer(script: Script) -> None:
    with container(script) as upstream:
        began = time.monotonic()
        answer = probe(at(upstream.port), "/", 0.4)
        assert 0.3 < time.monotonic() - began < 0.9
    assert "context deadline exceeded (Client.Timeout exceeded while awaiting headers)" in str(answer)


def test_a_body_that_never_ends_does_not_matter() -> None:
    def endless(conversation: Conversation, _received: Received) -> bool:
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        time.sleep(0.5)
        return False

    with container(endless) as upstream:
        assert probe(at(upstream.port), "/", 5.0).passes()


@pytest.mark.parametrize(("raw", "told"), [(b"", "EOF"), (b"HTTP/1.1 200 OK\r\nX", "EOF"), (b"SSH-2.0-x\r\n\r\n", "")])
def test_half_an_answer_is_none(raw: bytes, told: str) -> None:
    with container(answering(raw)) as upstream:
        answer = probe(at(upstream.port), "/", 5.0)
    assert answer.status == 0
    assert told in answer.failure
