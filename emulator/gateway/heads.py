"""Request and response heads as bytes.  Pure: nothing here knows a socket.

Headers travel as the bytes they came as, in their order and with their repeats, so that no decoding, normalising or
defaulting of a library gets between the container and the caller.  Every request runs through here twice, hence the
plain loops.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from http import HTTPStatus
from typing import NamedTuple

Headers = Sequence[tuple[bytes, bytes]]

# RFC 9110 §7.6.1 and its predecessors.
_HOP_BY_HOP = frozenset({b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade"})
_PROXY = b"proxy-"
# A Connection header may not take these away: they frame or address the message.
_NEVER_NAMED = frozenset({b"content-length", b"host"})
_NOTHING: frozenset[bytes] = frozenset()
# The cheapest test of a name comes first: few names are as long as these.
_LENGTH_OF_CONNECTION = len("connection")
_LENGTH_OF_CONTENT_LENGTH = len("content-length")
_LENGTH_OF_TRANSFER_ENCODING = len("transfer-encoding")
_NO_BODY = frozenset({204, 304})

LAST_CHUNK = b"0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class ResponseHead(NamedTuple):
    """The head of a container's answer, with what its headers say about the body's length.

    `content_length` None and not `chunked` means that the body ends with the connection, unless `has_body` is False.
    """

    status: int
    reason: bytes
    headers: Headers
    content_length: int | None
    chunked: bool
    has_body: bool

    @classmethod
    def of(cls, status: int, reason: bytes, headers: Headers, method: str) -> ResponseHead:
        """The head of an answer to `method`."""
        length, chunked = None, False
        for name, value in headers:
            if len(name) == _LENGTH_OF_CONTENT_LENGTH and name.lower() == b"content-length":
                length = int(value) if value.isdigit() else None
            elif len(name) == _LENGTH_OF_TRANSFER_ENCODING and name.lower() == b"transfer-encoding":
                chunked = value.lower().endswith(b"chunked")
        has_body = method != "HEAD" and status not in _NO_BODY and length != 0
        return cls(status, reason, headers, length, chunked, has_body)


class Changes(NamedTuple):
    """What a profile does to a head: `drop` holds lower-case names, `first` and `last` whole lines with their ends."""

    drop: frozenset[bytes] = frozenset()
    first: bytes = b""
    last: bytes = b""


def line(name: str, value: str) -> bytes:
    """One header line with its end."""
    return f"{name}: {value}\r\n".encode()


def request_head(method: str, target: str, headers: Headers, changes: Changes, host: str, *, chunked: bool) -> bytes:
    """The head that goes to the container.

    `target` keeps every byte the caller sent.  `host` is used when the caller, of HTTP/1.0, sent none.  Expect stays
    here: the gateway answers it (RFC 9110 §10.1.1).
    """
    skipped = changes.drop | {b"expect", b"content-length"} if chunked else changes.drop | {b"expect"}
    parts = [f"{method} {target} HTTP/1.1\r\n".encode("utf-8", "surrogateescape")]
    if _add_end_to_end(parts, headers, skipped, b"host") == 0:
        parts.append(line("Host", host))
    parts.append(changes.last)
    if chunked:
        parts.append(b"Transfer-Encoding: chunked\r\n")
    parts.append(b"\r\n")
    return b"".join(parts)


def response_head(head: ResponseHead, changes: Changes, *, chunked: bool, connection: bytes | None) -> bytes:
    """The head that goes to the caller; `chunked` says how the body will be framed, `connection` what becomes of it."""
    parts = [b"HTTP/1.1 %d %s\r\n" % (head.status, head.reason), changes.first]
    _add_end_to_end(parts, head.headers, changes.drop | {b"content-length"} if head.chunked else changes.drop)
    parts.append(changes.last)
    if chunked:
        parts.append(b"Transfer-Encoding: chunked\r\n")
    if connection is not None:
        parts.append(b"Connection: %s\r\n" % connection)
    parts.append(b"\r\n")
    return b"".join(parts)


def _add_end_to_end(parts: list[bytes], headers: Headers, skipped: Set[bytes], counted: bytes = b"") -> int:
    """Add what a proxy passes on (RFC 9110 §7.6.1), less the `skipped`; how often the `counted` name was there."""
    skipped = _HOP_BY_HOP | skipped | connection_options(headers)
    seen = 0
    for name, value in headers:
        key = name.lower()
        if key not in skipped and not key.startswith(_PROXY):
            parts.append(b"%s: %s\r\n" % (name, value))
            if key == counted:
                seen += 1
    return seen


def connection_options(headers: Headers) -> Set[bytes]:
    """The header names, lower case, that a Connection header takes out of the message."""
    values = [value for name, value in headers if len(name) == _LENGTH_OF_CONNECTION and name.lower() == b"connection"]
    if not values:
        return _NOTHING
    return {option.strip().lower() for value in values for option in value.split(b",")} - _NEVER_NAMED


def own_head(status: int, date: str, body: bytes) -> ResponseHead:
    """The head of an answer that the gateway gives by itself, in plain text."""
    headers = [(b"date", date.encode()), (b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    return ResponseHead(status, HTTPStatus(status).phrase.encode(), headers, len(body), chunked=False, has_body=True)


def chunk(data: bytes) -> bytes:
    """One chunk of the chunked transfer coding."""
    return b"%x\r\n%s\r\n" % (len(data), data)
