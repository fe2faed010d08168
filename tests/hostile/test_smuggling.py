"""Requests that try to hide another one from the gateway, or to show it one that is none (RFC 9112 §11.2)."""

from __future__ import annotations

import socket

import pytest
from gateway_support import AUTHORIZED, Container, Door, caller, container, eventually, post

HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: a\r\n" + AUTHORIZED + b"\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def head(*lines: bytes, first: bytes = b"POST /score HTTP/1.1") -> bytes:
    return b"\r\n".join([first, b"Host: a", AUTHORIZED.rstrip(), *lines]) + b"\r\n\r\n"


def answers(port: int, raw: bytes) -> list[int]:
    """The statuses of all answers to these bytes, whatever else the connection may hold behind them."""
    with caller(port) as one:
        one.send(raw)
        statuses: list[int] = []
        one.sock.settimeout(0.3)
        try:
            while one.file.peek(1):
                statuses.append(one.answer().status)
        except (TimeoutError, ConnectionError):
            pass
        return statuses


def check_nothing_hidden(door: Door, upstream: Container, *bodies: bytes) -> None:
    """The container got these bodies at /score, and nothing else; and serves others still."""
    assert [received.body for received in upstream.received] == list(bodies)
    assert {received.target for received in upstream.received} <= {"/score"}
    assert door.gateway.in_flight(f"iris-blue-{upstream.port}") == 0


FAULTY_FRAMING = {
    "length and chunks": head(b"Content-Length: 6", b"Transfer-Encoding: chunked") + b"0\r\n\r\n" + HIDDEN,
    "chunks and length": head(b"Transfer-Encoding: chunked", b"Content-Length: 4") + b"5c\r\n" + HIDDEN,
    "two lengths": head(b"Content-Length: 0", b"Content-Length: %d" % len(HIDDEN)) + HIDDEN,
    "the same length twice": head(b"Content-Length: 2", b"Content-Length: 2") + b"{}",
    "list of lengths": head(b"Content-Length: 0, %d" % len(HIDDEN)) + HIDDEN,
    "signed length": head(b"Content-Length: +0") + HIDDEN,
    "length with space inside": head(b"Content-Length: 1 0") + HIDDEN,
    "length in hexadecimal": head(b"Content-Length: 0x0") + HIDDEN,
    "length with underscore": head(b"Content-Length: 1_0") + HIDDEN,
    "length that overflows": head(b"Content-Length: 18446744073709551616") + HIDDEN,
    "no length": head(b"Content-Length: ") + HIDDEN,
    "space before colon": head(b"Content-Length : 0") + HIDDEN,
    "space before colon of the coding": head(b"Transfer-Encoding : chunked") + b"0\r\n\r\n" + HIDDEN,
    "folded coding": head(b"Transfer-Encoding:\r\n chunked") + b"0\r\n\r\n" + HIDDEN,
    "folded header hides coding": head(b"X-F: a\r\n\tTransfer-Encoding: chunked") + b"0\r\n\r\n" + HIDDEN,
    "coding after a lone CR": head(b"X-F: a\rTransfer-Encoding: chunked") + b"0\r\n\r\n" + HIDDEN,
    "coding after a lone LF": head(b"X-F: a\nTransfer-Encoding: chunked") + b"0\r\n\r\n" + HIDDEN,
    "coding after NUL": head(b"X-F: a\0", b"Transfer-Encoding: chunked") + b"0\r\n\r\n" + HIDDEN,
    "vertical tab before chunked": head(b"Transfer-Encoding: \x0bchunked") + b"0\r\n\r\n" + HIDDEN,
    "coding twice": head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked") + b"0\r\n\r\n" + HIDDEN,
    "chunked is not last": head(b"Transfer-Encoding: chunked, identity") + b"0\r\n\r\n" + HIDDEN,
    "chunked is not last, in two lines": head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity")
    + b"0\r\n\r\n"
    + HIDDEN,
    "chunks in HTTP/1.0": head(b"Transfer-Encoding: chunked", b"Connection: keep-alive", first=b"POST /score HTTP/1.0")
    + b"0\r\n\r\n"
    + HIDDEN,
    "signed chunk size": head(CHUNKED.rstrip()) + b"+0\r\n\r\n" + HIDDEN,
    "prefixed chunk size": head(CHUNKED.rstrip()) + b"0x0\r\n\r\n" + HIDDEN,
    "chunk size that overflows": head(CHUNKED.rstrip()) + b"10000000000000000\r\n" + HIDDEN,
    "no chunk size": head(CHUNKED.rstrip()) + b"\r\n" + HIDDEN,
    "space before chunk size": head(CHUNKED.rstrip()) + b" 0\r\n\r\n" + HIDDEN,
    "chunk size ends in a lone LF": head(CHUNKED.rstrip()) + b"0\n\n" + HIDDEN,
    "chunk longer than its size": head(CHUNKED.rstrip()) + b"1\r\nabc\r\n0\r\n\r\n" + HIDDEN,
    "lone LF in a chunk extension": head(CHUNKED.rstrip()) + b"2;a\nxx\r\n0\r\n\r\n" + HIDDEN,
    "framing in the trailers of chunks": head(CHUNKED.rstrip())
    + b"1\r\na\r\n0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    + HIDDEN,
    "lone CR in a chunk extension": head(CHUNKED.rstrip()) + b"2;a\rxx\r\n0\r\n\r\n" + HIDDEN,
}


@pytest.mark.parametrize("target", ["managed", "local"])
@pytest.mark.parametrize("name", FAULTY_FRAMING)
def test_a_request_of_ambiguous_length_reaches_no_container(door: Door, name: str, target: str) -> None:
    """Refused at once, and its connection is not read any more."""
    with container() as upstream:
        route = door.serve(upstream.port, target="managed" if target == "managed" else "local")
        assert answers(route.port, FAULTY_FRAMING[name]) == [400]
        eventually(lambda: door.gateway.in_flight(route.deployments[0].instances[0].id) == 0)
        whole = [received for received in upstream.received if received.body]
        assert whole == [], "a part of it was taken for a body"
        assert {received.target for received in upstream.received} <= {"/score"}
        if "chunk" not in name or "coding" in name or "length" in name:
            assert upstream.received == []


@pytest.mark.parametrize(
    "coding", [b"xchunked", b"gzip, chunked", b"identity, chunked", b"x, chunked", b'"chunked"', b"chunked;q=1"]
)
def test_a_coding_that_only_looks_like_chunked(door: Door, coding: bytes) -> None:
    with container() as upstream:
        statuses = answers(
            door.serve(upstream.port).port, head(b"Transfer-Encoding: " + coding) + b"0\r\n\r\n" + HIDDEN
        )
        assert statuses in ([400], [501])
        check_nothing_hidden(door, upstream)


WHOLE_BODIES = {
    "a request as a body": head(b"Content-Length: %d" % len(HIDDEN)) + HIDDEN,
    "a request as a body of GET": head(b"Content-Length: %d" % len(HIDDEN), first=b"GET /score HTTP/1.1") + HIDDEN,
    "a request as a chunk": head(CHUNKED.rstrip()) + b"%x\r\n%s\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN),
    "a length named by Connection": head(b"Connection: content-length", b"Content-Length: %d" % len(HIDDEN)) + HIDDEN,
    "a coding named by Connection": head(b"Connection: transfer-encoding", CHUNKED.rstrip())
    + b"%x\r\n%s\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN),
    "an upgrade with a body": head(b"Connection: Upgrade", b"Upgrade: websocket", b"Content-Length: %d" % len(HIDDEN))
    + HIDDEN,
    "an upgrade with chunks": head(b"Connection: Upgrade", b"Upgrade: h2c", CHUNKED.rstrip())
    + b"%x\r\n%s\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN),
    "underscores are no dashes": head(b"Content_Length: 0", b"Content-Length: %d" % len(HIDDEN)) + HIDDEN,
    "a long chunk extension": head(CHUNKED.rstrip())
    + b"%x;a=%s\r\n%s\r\n0\r\n\r\n" % (len(HIDDEN), b"0" * 1000, HIDDEN),
}


@pytest.mark.parametrize("name", WHOLE_BODIES)
def test_a_request_inside_a_body_stays_there(door: Door, name: str) -> None:
    """And the connection goes on behind it."""
    with container() as upstream:
        assert answers(door.serve(upstream.port).port, WHOLE_BODIES[name] + post(b"next")) == [200, 200]
        check_nothing_hidden(door, upstream, HIDDEN, b"next")


@pytest.mark.parametrize(
    ("raw", "statuses"),
    [
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n" + AUTHORIZED + b"\r\n", [405]),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n" + AUTHORIZED + b"Content-Length: 300\r\n\r\n", [405]),
        (head(b"Connection: close", b"Content-Length: 2") + b"{}", [200]),
        (head(b"Content-Length: 2", first=b"POST /score HTTP/1.0") + b"{}", [200]),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400]),
        (b"\0\0\0", [400]),
    ],
)
@pytest.mark.parametrize("target", ["managed", "local"])
def test_nothing_is_read_behind_the_last_request(door: Door, raw: bytes, statuses: list[int], target: str) -> None:
    with container() as upstream:
        route = door.serve(upstream.port, target="managed" if target == "managed" else "local")
        assert answers(route.port, raw + HIDDEN) == statuses
        check_nothing_hidden(door, upstream, *([b"{}"] if statuses == [200] else []))


def test_a_caller_that_is_refused_cannot_have_its_body_taken_for_a_request(door: Door) -> None:
    """Without a key, and without waiting for the answer: the body is read over to its end."""
    raw = b"POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (len(HIDDEN), HIDDEN)
    with container() as upstream:
        assert answers(door.serve(upstream.port).port, raw + post(b"next")) == [401, 200]
        check_nothing_hidden(door, upstream, b"next")


def test_a_refused_caller_that_waits_for_leave_to_send_is_not_read_on(door: Door) -> None:
    raw = b"POST /score HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 300\r\n\r\n"
    with container() as upstream:
        assert answers(door.serve(upstream.port).port, raw + HIDDEN) == [401]
        check_nothing_hidden(door, upstream)


@pytest.mark.parametrize("name", [b"x a", b"", b"x\0a", b"x\xe9", b"(x)", b"x\r", b"x\n"])
def test_a_header_name_that_is_none(door: Door, name: bytes) -> None:
    with container() as upstream:
        assert answers(door.serve(upstream.port).port, post(b"", headers=name + b": 2\r\n") + HIDDEN) == [400]
        check_nothing_hidden(door, upstream)


@pytest.mark.parametrize("upgrades", [3, 5000])
def test_upgrades_one_after_another(door: Door, upgrades: int) -> None:
    """Each is a request; thousands in one packet must not go deeper and deeper into the parser."""
    one_upgrade = b"GET / HTTP/1.1\r\nHost:a\r\nUpgrade:a\r\nConnection:upgrade\r\n\r\n"
    with container() as upstream, caller(door.serve(upstream.port).port) as one:
        one.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, len(one_upgrade) * upgrades)
        one.send(one_upgrade * upgrades)
        assert {one.answer().status for _ in range(upgrades)} == {401}
        assert upstream.received == []
