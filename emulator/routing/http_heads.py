"""Request and response heads as bytes.  Pure: nothing here knows a socket.

Headers are passed on as the bytes that arrived, in their order and with their repeats: no library decodes, normalises
or defaults anything between the container and the caller.  Every request passes here twice, hence the plain loops, and
a lower-case name beside each name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import NamedTuple

Headers = Sequence[tuple[bytes, bytes, bytes]]
"""Each header as its name in lower case, its name as it arrived, its value."""

# RFC 9110 §7.6.1 and its predecessors; and Expect, which the gateway answers itself (RFC 9110 §10.1.1).
_HOP_BY_HOP = frozenset({b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"expect"})
_PROXY = b"proxy-"
# A Connection header may not remove these: they frame or address the message.
_NEVER_NAMED = frozenset({b"content-length", b"host"})
# Content-Length is dropped where the chunked coding replaces it (RFC 9112 §6.2).
_REFRAMED = frozenset({b"content-length"})
# Connection options that name no other header.
_PLAIN_OPTIONS = frozenset({b"close", b"keep-alive", b"Close", b"Keep-Alive"})
_NO_BODY = frozenset({204, 304})

# A host and a port (RFC 9110 §7.2) without the punctuation of a registered name that no host has; never empty.
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._~%-]+)(?::[0-9]{0,5})?").fullmatch

LAST_CHUNK = b"0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def is_host(value: bytes) -> bool:
    """Whether `value` is valid in a Host header: no user, no path, no list (RFC 9112 §3.2).

    >>> [is_host(value) for value in (b"a", b"a.b:80", b"[::1]:80", b"", b"u@a", b"a/b", b"a, b", b"a:x", b"a b")]
    [True, True, True, False, False, False, False, False, False]
    """
    return _HOST(value) is not None


def authority_of(target: bytes) -> bytes:
    """Return host and port of a request target in absolute form, which override the Host header (RFC 9112 §3.2.2).

    >>> authority_of(b"http://a:1/score?b=c://d"), authority_of(b"http://a?q"), authority_of(b"/score?b=c://d")
    (b'a:1', b'a', b'')
    """
    if target.startswith(b"/"):
        return b""
    return re.split(rb"[/?#]", target.partition(b"://")[2], maxsplit=1)[0]


class ResponseHead(NamedTuple):
    """The head of a container's response, with the framing of the body that its headers give.

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
        """Make the head of a response to `method`."""
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


class HeaderEdits(NamedTuple):
    """The changes that a hop makes to a head.

    `drop` holds lower-case names, made by `with_hop_by_hop`; `first` and `last` are whole lines with their ends, put
    before and after the headers that stay.
    """

    drop: frozenset[bytes] = _HOP_BY_HOP
    first: bytes = b""
    last: bytes = b""


def with_hop_by_hop(names: frozenset[bytes]) -> frozenset[bytes]:
    """Return `names` and those of the hop-by-hop headers, to be dropped."""
    return _HOP_BY_HOP | names


def header_line(name: str, value: str) -> bytes:
    """Return a header line with its end."""
    return f"{name}: {value}\r\n".encode()


def request_head(
    method: str,
    target: bytes,
    headers: Headers,
    edits: HeaderEdits,
    host: str,
    *,
    chunked: bool,
    connection: bytes = b"",
) -> bytes:
    """Return the head for the container.

    `target` keeps every byte that the caller sent.  `host` is used when the caller sent none, as HTTP/1.0 allows;
    `connection` is the value of the caller's Connection header.
    """
    dropped = edits.drop | _REFRAMED if chunked else edits.drop
    parts = [method.encode(), b" ", target, b" HTTP/1.1\r\n"]
    if not _add_end_to_end(parts, headers, _with_options(dropped, connection)):
        parts.append(header_line("Host", host))
    parts.append(edits.last)
    parts.append(b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"\r\n")
    return b"".join(parts)


def response_head(head: ResponseHead, edits: HeaderEdits, *, chunked: bool, connection: bytes | None) -> bytes:
    """Return the head for the caller, with the framing of its body and its Connection header."""
    parts = [b"HTTP/1.1 %d %s\r\n" % (head.status, head.reason), edits.first]
    dropped = edits.drop | _REFRAMED if head.chunked else edits.drop
    _add_end_to_end(parts, head.headers, _with_options(dropped, head.connection))
    parts.append(edits.last)
    if chunked:
        parts.append(b"Transfer-Encoding: chunked\r\n")
    if connection is not None:
        parts.append(b"Connection: %s\r\n" % connection)
    parts.append(b"\r\n")
    return b"".join(parts)


def _add_end_to_end(parts: list[bytes], headers: Headers, dropped: frozenset[bytes]) -> bool:
    """Add the headers that a proxy forwards (RFC 9110 §7.6.1); return whether a Host is among them."""
    host = False
    for key, name, value in headers:
        if key not in dropped and not key.startswith(_PROXY):
            parts += (name, b": ", value, b"\r\n")
            if key == b"host":
                host = True
    return host


def _with_options(dropped: frozenset[bytes], connection: bytes) -> frozenset[bytes]:
    """Return `dropped` with the headers that a Connection header names."""
    if not connection or connection in _PLAIN_OPTIONS:
        return dropped
    return dropped | {option.strip().lower() for option in connection.split(b",")} - _NEVER_NAMED


def gateway_head(status: int, date: str, body: bytes) -> ResponseHead:
    """Return the head of a response of the gateway's own, in plain text."""
    headers = [
        (b"date", b"date", date.encode()),
        (b"content-type", b"content-type", b"text/plain"),
        (b"content-length", b"content-length", b"%d" % len(body)),
    ]
    return ResponseHead(status, HTTPStatus(status).phrase.encode(), headers, len(body), chunked=False, has_body=True)


def chunk(data: bytes) -> bytes:
    """Return one chunk of the chunked transfer coding."""
    return b"%x\r\n%s\r\n" % (len(data), data)
