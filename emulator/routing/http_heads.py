"""Request and response heads as bytes.  Pure: nothing here knows a socket.

Headers travel as the bytes they came as, in their order and with their repeats, so that no decoding, normalising or
defaulting of a library gets between the container and the caller.  Every request runs through here twice, hence the
plain loops, and a name's lower case beside it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import NamedTuple

Headers = Sequence[tuple[bytes, bytes, bytes]]
"""Each header as its name in lower case, its name as it came, its value."""

# RFC 9110 §7.6.1 and its predecessors.
# Expect is among them, because the gateway answers it itself (RFC 9110 §10.1.1).
_HOP_BY_HOP = frozenset({b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"expect"})
_PROXY = b"proxy-"
# A Connection header may not take these away: they frame or address the message.
_NEVER_NAMED = frozenset({b"content-length", b"host"})
# Content-Length goes where the chunked coding comes in its place (RFC 9112 §6.2).
_REFRAMED = frozenset({b"content-length"})
# These say nothing about other headers.
_PLAIN_OPTIONS = frozenset({b"close", b"keep-alive", b"Close", b"Keep-Alive"})
_NO_BODY = frozenset({204, 304})

# A host and a port as RFC 9110 §7.2 has them, less the marks of a registered name that no host has; never empty.
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._~%-]+)(?::[0-9]{0,5})?").fullmatch

LAST_CHUNK = b"0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def is_host(value: bytes) -> bool:
    """Whether that may stand in a Host header: no user, no path, no list (RFC 9112 §3.2).

    >>> [is_host(value) for value in (b"a", b"a.b:80", b"[::1]:80", b"", b"u@a", b"a/b", b"a, b", b"a:x", b"a b")]
    [True, True, True, False, False, False, False, False, False]
    """
    return _HOST(value) is not None


def authority_of(target: bytes) -> bytes:
    """The host and port of a request target in absolute form, which go before the Host header (RFC 9112 §3.2.2).

    >>> authority_of(b"http://a:1/score?b=c://d"), authority_of(b"http://a?q"), authority_of(b"/score?b=c://d")
    (b'a:1', b'a', b'')
    """
    if target.startswith(b"/"):
        return b""
    return re.split(rb"[/?#]", target.partition(b"://")[2], maxsplit=1)[0]


class ResponseHead(NamedTuple):
    """The head of a container's answer, with what its headers say about the body's length.

    `content_length` None and not `chunked` means that the body ends with the connection, unless `has_body` is False.
    `connection` is the value of its Connection header.
    """

    status: int
    reason: bytes
    headers: Headers
    content_length: int | None
    chunked: bool
    has_body: bool
    connection: bytes = b""

    @classmethod
    def of(cls, status: int, reason: bytes, headers: Headers, method: str) -> ResponseHead:
        """The head of an answer to `method`."""
        length, chunked, connection = None, False, b""
        for key, _, value in headers:
            if key == b"content-length":
                length = int(value) if value.isdigit() else None
            elif key == b"transfer-encoding":
                chunked = value.lower().endswith(b"chunked")
            elif key == b"connection":
                connection = b"%s,%s" % (connection, value) if connection else value
        has_body = method != "HEAD" and status not in _NO_BODY and length != 0
        return cls(status, reason, headers, length, chunked, has_body, connection)


class Changes(NamedTuple):
    """What a hop does to a head: `drop` holds lower-case names, `first` and `last` whole lines with their ends.

    `drop` is made by `dropping`, so that what belongs to one hop is among it.
    """

    drop: frozenset[bytes] = _HOP_BY_HOP
    first: bytes = b""
    last: bytes = b""


def dropping(names: frozenset[bytes]) -> frozenset[bytes]:
    """The names that a hop drops when it replaces these."""
    return _HOP_BY_HOP | names


def line(name: str, value: str) -> bytes:
    """One header line with its end."""
    return f"{name}: {value}\r\n".encode()


def request_head(
    method: str, target: bytes, headers: Headers, changes: Changes, host: str, *, chunked: bool, connection: bytes = b""
) -> bytes:
    """The head that goes to the container.

    `target` keeps every byte the caller sent.  `host` is used when the caller, of HTTP/1.0, sent none; `connection` is
    the value of the caller's Connection header.
    """
    dropped = changes.drop | _REFRAMED if chunked else changes.drop
    parts = [method.encode(), b" ", target, b" HTTP/1.1\r\n"]
    if not _add_end_to_end(parts, headers, _with_options(dropped, connection)):
        parts.append(line("Host", host))
    parts.append(changes.last)
    parts.append(b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"\r\n")
    return b"".join(parts)


def response_head(head: ResponseHead, changes: Changes, *, chunked: bool, connection: bytes | None) -> bytes:
    """The head that goes to the caller; `chunked` says how the body will be framed, `connection` what becomes of it."""
    parts = [b"HTTP/1.1 %d %s\r\n" % (head.status, head.reason), changes.first]
    dropped = changes.drop | _REFRAMED if head.chunked else changes.drop
    _add_end_to_end(parts, head.headers, _with_options(dropped, head.connection))
    parts.append(changes.last)
    if chunked:
        parts.append(b"Transfer-Encoding: chunked\r\n")
    if connection is not None:
        parts.append(b"Connection: %s\r\n" % connection)
    parts.append(b"\r\n")
    return b"".join(parts)


def _add_end_to_end(parts: list[bytes], headers: Headers, dropped: frozenset[bytes]) -> bool:
    """Add what a proxy passes on (RFC 9110 §7.6.1); whether a Host was there."""
    host = False
    for key, name, value in headers:
        if key not in dropped and not key.startswith(_PROXY):
            parts += (name, b": ", value, b"\r\n")
            if key == b"host":
                host = True
    return host


def _with_options(dropped: frozenset[bytes], connection: bytes) -> frozenset[bytes]:
    """The names to drop, with those that a Connection header takes out of the message."""
    if not connection or connection in _PLAIN_OPTIONS:
        return dropped
    return dropped | {option.strip().lower() for option in connection.split(b",")} - _NEVER_NAMED


def own_head(status: int, date: str, body: bytes) -> ResponseHead:
    """The head of an answer that the gateway gives by itself, in plain text."""
    headers = [
        (b"date", b"date", date.encode()),
        (b"content-type", b"content-type", b"text/plain"),
        (b"content-length", b"content-length", b"%d" % len(body)),
    ]
    return ResponseHead(status, HTTPStatus(status).phrase.encode(), headers, len(body), chunked=False, has_body=True)


def chunk(data: bytes) -> bytes:
    """One chunk of the chunked transfer coding."""
    return b"%x\r\n%s\r\n" % (len(data), data)
