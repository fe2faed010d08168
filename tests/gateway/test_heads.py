"""Heads, prefixes and targets, without a socket."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.profiles import profile_of
from emulator.routing import http_heads, routes
from emulator.routing.http_heads import HeaderEdits, ResponseHead
from emulator.routing.routes import DeploymentRoute, EndpointRoute, Instance, Snapshot, split_prefix

token = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789!#$%&'*+-.^_`|~", min_size=1, max_size=12).map(str.encode)
value = st.binary(max_size=20).map(lambda raw: bytes(byte for byte in raw if byte >= 0x20 and byte != 0x7F).strip())
HOP_BY_HOP = {b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"expect"}


def keyed(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes, bytes]]:
    return [(name.lower(), name, value) for name, value in headers]


def test_the_examples() -> None:
    assert doctest.testmod(routes) == doctest.TestResults(failed=0, attempted=2)


@given(st.lists(st.tuples(token, value)))
def test_end_to_end_headers_pass_in_order(headers: list[tuple[bytes, bytes]]) -> None:
    passed = [
        (name, text)
        for name, text in headers
        if name.lower() not in HOP_BY_HOP and not name.lower().startswith(b"proxy-") and name.lower() != b"host"
    ]
    sent = [(b"Host", b"a"), *((name, text) for name, text in headers if name.lower() not in (b"connection", b"host"))]
    head = http_heads.request_head("GET", b"/", keyed(sent), HeaderEdits(), "unused", chunked=False)
    lines = [b"%s: %s" % pair for pair in [(b"Host", b"a"), *passed]]
    assert head == b"\r\n".join([b"GET / HTTP/1.1", *lines, b"", b""])


@pytest.mark.parametrize(
    ("status", "headers", "method", "length", "chunked", "has_body"),
    [
        (200, [(b"Content-Length", b"5")], "GET", 5, False, True),
        (200, [(b"CONTENT-LENGTH", b"0")], "GET", 0, False, False),
        (200, [(b"Transfer-Encoding", b"Chunked")], "GET", None, True, True),
        (200, [], "GET", None, False, True),
        (200, [(b"Content-Length", b"5")], "HEAD", 5, False, False),
        (204, [], "GET", None, False, False),
        (304, [(b"Content-Length", b"5")], "GET", 5, False, False),
    ],
)
def test_the_framing_that_a_response_head_gives(
    status: int, headers: list[tuple[bytes, bytes]], method: str, length: int | None, chunked: bool, has_body: bool
) -> None:
    head = ResponseHead.of(status, b"", keyed(headers), method)
    assert (head.content_length, head.chunked, head.has_body) == (length, chunked, has_body)


def test_edits_drop_and_add_headers() -> None:
    edits = HeaderEdits(http_heads.with_hop_by_hop(frozenset({b"server"})), b"server: front\r\n", b"x-id: 1\r\n")
    head = ResponseHead.of(200, b"OK", keyed([(b"Server", b"back"), (b"A", b"b"), (b"Content-Length", b"2")]), "GET")
    assert http_heads.response_head(head, edits, chunked=False, connection=None) == (
        b"HTTP/1.1 200 OK\r\nserver: front\r\nA: b\r\nContent-Length: 2\r\nx-id: 1\r\n\r\n"
    )


prefixes = st.sampled_from([b"/api/v1/service/iris", b"/api/v1/endpoint/a-b"])


@given(prefixes, st.text("abc/.%?&=", max_size=20).map(str.encode))
def test_a_prefix_is_taken_off_and_nothing_else(prefix: bytes, rest: bytes) -> None:
    if rest.startswith(b"/"):
        assert split_prefix(prefix + rest) == (prefix, rest)
    elif rest.startswith(b"?") or not rest:
        assert split_prefix(prefix + rest) == (prefix, b"/" + rest)
    else:
        assert split_prefix(prefix + rest)[0] != prefix


def test_a_snapshot_is_replaced_and_never_changed() -> None:
    instance = Instance("one", "127.0.0.1", 1)
    managed = EndpointRoute("iris", 1, profile_of("managed"), (), (DeploymentRoute("blue", 100, (instance,)),))
    aks = EndpointRoute("iris", 1, profile_of("aks"), (), ())
    empty = Snapshot.of(())
    first = empty.with_route(managed)
    second = first.with_route(aks)
    assert (dict(empty.by_port), dict(first.by_port), dict(second.by_port)) == ({}, {1: managed}, {})
    assert dict(second.by_prefix) == {b"/api/v1/service/iris": aks}
    assert (first.instances, second.instances) == (frozenset({instance}), frozenset())
    assert dict(second.without("iris").endpoints) == {}


def test_keys_are_not_shown() -> None:
    assert "secret" not in repr(EndpointRoute("iris", 1, profile_of("managed"), ("secret",), ()))
