"""Requests that two readers could take for different ones, at both doors: refused, and nothing behind them is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from core_support import ADMIN, House
from gateway_support import AUTHORIZED, caller, container, running_door
from served import Served, serving

HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"


def head(*lines: bytes, first: bytes = b"POST /score HTTP/1.1", host: bytes = b"Host: localhost\r\n") -> bytes:
    """A request with a key of the gateway's endpoint, or a token of the control API: one of them is good anywhere."""
    return first + b"\r\n" + host + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


CHUNKED = b"Transfer-Encoding: chunked"
END = b"0\r\n\r\n"

WRONG_HOSTS = {
    "none": b"",
    "two": b"Host: localhost\r\nHost: localhost\r\n",
    "two others": b"Host: localhost\r\nHost: other\r\n",
    "two, one in other letters": b"Host: localhost\r\nhOST: other\r\n",
    "empty": b"Host:\r\n",
    "blank": b"Host:  \t\r\n",
    "a list": b"Host: localhost, other\r\n",
    "a user": b"Host: me@localhost\r\n",
    "a path": b"Host: localhost/x\r\n",
    "a query": b"Host: localhost?x\r\n",
    "a fragment": b"Host: localhost#x\r\n",
    "a space": b"Host: local host\r\n",
    "a port of letters": b"Host: localhost:http\r\n",
    "a negative port": b"Host: localhost:-1\r\n",
    "a long port": b"Host: localhost:000000080\r\n",
    "two ports": b"Host: localhost:1:2\r\n",
    "half an address": b"Host: [::1\r\n",
    "not ASCII": b"Host: l\xf6calhost\r\n",
    "quotes": b'Host: "localhost"\r\n',
    "a backslash": b"Host: localhost\\x\r\n",
    "NUL": b"Host: localhost\0\r\n",
    "a space before the colon": b"Host : localhost\r\n",
    "folded": b"Host:\r\n localhost\r\n",
}

DOUBTFUL = {
    **{f"host: {name}": head(first=b"GET /score HTTP/1.1", host=lines) for name, lines in WRONG_HOSTS.items()},
    "two hosts in HTTP/1.0": head(first=b"GET /score HTTP/1.0", host=b"Host: localhost\r\nHost: localhost\r\n"),
    "a user in the target": head(first=b"GET http://me@localhost/score HTTP/1.1"),
    "no host in the target": head(first=b"GET http:///score HTTP/1.1"),
    "half an address in the target": head(first=b"GET http://[::1/score HTTP/1.1"),
    "chunks and a length": head(CHUNKED, b"Content-Length: 5") + END,
    "a length and chunks": head(b"Content-Length: 5", CHUNKED) + END,
    "two lengths": head(b"Content-Length: 0", b"Content-Length: 5") + b"12345",
    "the same length twice": head(b"Content-Length: 2", b"Content-Length: 2") + b"{}",
    "a list of lengths": head(b"Content-Length: 2, 2") + b"{}",
    "a signed length": head(b"Content-Length: +5") + b"12345",
    "a negative length": head(b"Content-Length: -5") + b"12345",
    "a length in hexadecimal": head(b"Content-Length: 0x5") + b"12345",
    "a length with a fraction": head(b"Content-Length: 5.0") + b"12345",
    "a length with an underscore": head(b"Content-Length: 1_0") + b"1234567890",
    "a length of twenty digits": head(b"Content-Length: 18446744073709551621") + b"12345",
    "a length of thousands of digits": head(b"Content-Length: " + b"9" * 5000),
    "leading zeros without end": head(b"Content-Length: " + b"0" * 5000 + b"5") + b"12345",
    "an empty length": head(b"Content-Length:"),
    "a length in HTTP's other digits": head("Content-Length: ５".encode()) + b"12345",
    "chunks in HTTP/1.0": head(CHUNKED, first=b"POST /score HTTP/1.0") + END,
    "coding twice": head(CHUNKED, CHUNKED) + END,
    "chunked twice in one line": head(b"Transfer-Encoding: chunked, chunked") + END,
    "chunked is not last": head(b"Transfer-Encoding: chunked, identity") + END,
    "identity": head(b"Transfer-Encoding: identity", b"Content-Length: 5") + b"12345",
    "an unknown coding": head(b"Transfer-Encoding: xchunked") + END,
    "a coding in quotes": head(b'Transfer-Encoding: "chunked"') + END,
    "an empty coding": head(b"Transfer-Encoding:", b"Content-Length: 5") + b"12345",
    "a vertical tab before the coding": head(b"Transfer-Encoding: \x0bchunked") + END,
    "a folded coding": head(b"Transfer-Encoding:\r\n chunked") + END,
    "a folded header": head(b"X-F: a\r\n\tb"),
    "a header that is folded at once": head(host=b" Host: a\r\nHost: localhost\r\n"),
    "a space before the colon": head(b"Transfer-Encoding : chunked") + END,
    "a header without a name": head(b": a"),
    "a header without a colon": head(b"Transfer-Encoding chunked"),
    "a lone LF in a header": head(b"X-F: a\nTransfer-Encoding: chunked") + END,
    "a lone CR in a header": head(b"X-F: a\rTransfer-Encoding: chunked") + END,
    "NUL in a header": head(b"X-F: a\0b"),
    "a control character in a header": head(b"X-F: a\x01b"),
    "a blank before the method": b" " + head(first=b"GET /score HTTP/1.1"),
    "a tab before the method": b"\r\n\t" + head(first=b"GET /score HTTP/1.1"),
    "a tab after the method": head(first=b"GET\t/score HTTP/1.1"),
    "a blank in the target": head(first=b"GET /score x HTTP/1.1"),
    "NUL in the target": head(first=b"GET /sc\0re HTTP/1.1"),
    "DEL in the target": head(first=b"GET /sc\x7fre HTTP/1.1"),
    "no version": head(first=b"GET /score"),
    "a version of the future": head(first=b"GET /score HTTP/3.0"),
    "a version of the past": head(first=b"GET /score HTTP/0.9"),
    "a version of two digits": head(first=b"GET /score HTTP/1.10"),
    "a method in brackets": head(first=b"(GET) /score HTTP/1.1"),
    "a method in lower case": head(first=b"get /score HTTP/1.1"),
    "a method that is NUL": head(first=b"\0 /score HTTP/1.1"),
    "a signed chunk size": head(CHUNKED) + b"+5\r\n12345\r\n" + END,
    "a prefixed chunk size": head(CHUNKED) + b"0x5\r\n12345\r\n" + END,
    "a chunk size with a blank before": head(CHUNKED) + b" 5\r\n12345\r\n" + END,
    "a chunk longer than its size": head(CHUNKED) + b"1\r\n12345\r\n" + END,
    "a lone LF in a chunk extension": head(CHUNKED) + b"5;a\nb\r\n12345\r\n" + END,
    "an endless chunk extension": head(CHUNKED) + b"5;a=" + b"x" * 70_000,
    "a head without end": head(b"X-F: " + b"x" * 70_000),
}


def statuses(port: int, raw: bytes) -> list[int]:
    """The status of every answer to these bytes, and to a second request behind them."""
    with caller(port) as one:
        one.sock.sendall(raw + HIDDEN)
        one.sock.settimeout(0.3)
        found: list[int] = []
        try:
            while one.file.peek(1):
                found.append(one.answer().status)
        except (TimeoutError, ConnectionError):
            pass
        return found


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(House(tmp_path_factory.mktemp("house"))) as served:
        yield served


@pytest.mark.parametrize("name", DOUBTFUL)
def test_the_control_api_refuses(control: Served, name: str) -> None:
    for raw in (
        DOUBTFUL[name],
        DOUBTFUL[name].replace(b"\r\n", b"\r\nAuthorization: Bearer " + ADMIN.encode() + b"\r\n", 1),
    ):
        found = statuses(control.port, raw)
        assert len(found) == 1 and found[0] in (400, 413, 431, 501, 505), found
    assert control.reported == []


def test_what_the_control_api_says_is_an_error_of_its_own(control: Served) -> None:
    with caller(control.port) as one:
        one.send(head(CHUNKED, b"Content-Length: 5") + END)
        answer = one.answer()
    assert (answer.status, answer.json()["error"]["code"]) == (400, "BadArgument")
    assert "where the body ends" in answer.json()["error"]["message"]


@pytest.mark.parametrize("target", ["managed", "local"])
def test_the_gateway_refuses(target: str) -> None:
    """With the key, so that nothing else keeps the request from the container; all of them, one after another."""
    passed = {}
    with running_door() as door, container() as upstream:
        route = door.serve(upstream.port, target="managed" if target == "managed" else "local")
        for name, raw in DOUBTFUL.items():
            found = statuses(route.port, raw.replace(b"\r\n", b"\r\n" + AUTHORIZED, 1))
            if len(found) != 1 or found[0] not in (400, 413, 431, 501, 505):
                passed[name] = found
        assert passed == {}
        assert [received for received in upstream.received if received.body or received.target == "/hidden"] == []


GOOD_HOSTS = [
    b"localhost",
    b"localhost:18080",
    b"127.0.0.1",
    b"[::1]:80",
    b"a_b.example",
    b"xn--lcalhost-n4a",
    b"localhost:",
]


@pytest.mark.parametrize("host", GOOD_HOSTS)
def test_a_good_host_passes_the_gateway_as_it_came(host: bytes) -> None:
    with running_door() as door, container() as upstream:
        port = door.serve(upstream.port).port
        with caller(port) as one:
            one.send(b"GET /score HTTP/1.1\r\nhOsT:  %s \r\n%s\r\n" % (host, AUTHORIZED))
            assert one.answer().status == 200
        assert upstream.received[0].all("Host") == [host.decode()]


def test_the_target_says_it_better_than_the_header() -> None:
    """RFC 9112 §3.2.2: what a proxy was asked for goes before Host, at both doors."""
    with running_door() as door, container() as upstream:
        with caller(door.serve(upstream.port).port) as one:
            one.send(b"GET http://other:1/score HTTP/1.1\r\nHost: localhost\r\n%s\r\n" % AUTHORIZED)
            assert one.answer().status == 200
        assert upstream.received[0].all("Host") == ["other:1"]


@pytest.mark.parametrize(
    "target, status", [(b"http://evil.example/_amlemu/health", 400), (b"http://localhost/_amlemu/health", 200)]
)
def test_a_stranger_in_the_target_is_one_to_the_control_api(control: Served, target: bytes, status: int) -> None:
    with caller(control.port) as one:
        one.send(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % target)
        assert one.answer().status == status


def test_what_is_in_order_is_answered(control: Served, tmp_path: Path) -> None:
    """Empty lines before a request, a kept connection, chunks with an extension, HTTP/1.0 without a Host."""
    bearer = b"Authorization: Bearer %s" % ADMIN.encode()
    asked = head(bearer, first=b"GET /_amlemu/info HTTP/1.1")
    put = head(bearer, CHUNKED, b"Content-Type: application/json", first=b"POST /_amlemu/prune HTTP/1.1")
    with caller(control.port) as one:
        one.send(asked + b"\r\n" + put + b'10;a="b"\r\n{"dry_run": true}'[:-1] + b"\r\n1\r\n}\r\n" + END + asked)
        assert [one.answer("GET").status for _ in range(3)] == [200, 200, 200]
    with caller(control.port) as one:
        one.send(b"GET /_amlemu/health HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert one.answer("GET").status == 200
