"""HTTP/1.1 read as strictly as RFC 9112 has it: what a caller really asked, and what it was really answered.

Plain and slow, and written apart from the gateway's parser, so that the two can be held against each other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# llhttp reads two relatives of HTTP as if they were it, and some spaces as one.
_REQUEST_LINE = re.compile(rb"(%s) +([\x21-\x7e]+) +(?:HTTP|RTSP|ICE)/1\.([01])" % _TOKEN)
_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-9]\d\d) ([\t\x20-\x7e\x80-\xff]*)")
_HEADER = re.compile(rb"(%s):[\t ]*([\t\x20-\x7e\x80-\xff]*?)[\t ]*" % _TOKEN)
_CHUNK_LINE = re.compile(rb"([0-9a-fA-F]{1,80})[\t ]*(;[\t\x20-\x7e\x80-\xff]*)?")
_NO_BODY = (204, 304)

Headers = tuple[tuple[bytes, bytes], ...]


class Faulty(Exception):
    """These bytes are not HTTP."""


@dataclass(frozen=True)
class Asked:
    """One request; `whole` tells that its body came to its end."""

    method: str
    target: bytes
    body: bytes
    whole: bool


@dataclass(frozen=True)
class Answered:
    """One final answer."""

    status: int
    headers: Headers
    body: bytes
    whole: bool

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key.lower() == name), None)


@dataclass
class _Reader:
    """Bytes and a place in them."""

    data: bytes
    at: int = field(default=0)

    def line(self) -> bytes | None:
        end = self.data.find(b"\r\n", self.at)
        if end < 0:
            return None
        line, self.at = self.data[self.at : end], end + 2
        return line

    def take(self, size: int) -> bytes:
        taken = self.data[self.at : self.at + size]
        self.at += len(taken)
        return taken


def requests_in(data: bytes) -> list[Asked]:
    """The requests that stand in these bytes, up to the first that is none."""
    reader, found = _Reader(data), list[Asked]()
    try:
        while (one := _request(reader)) is not None:
            found.append(one)
            if not one.whole:
                break
    except Faulty:
        pass
    return found


def read_head(head: bytes) -> tuple[str, bytes, Headers]:
    """Method, target and headers of one whole head; Faulty when it is none."""
    reader = _Reader(head)
    matched = _REQUEST_LINE.fullmatch(reader.line() or b"")
    headers = _headers(reader)
    if not matched or headers is None:
        raise Faulty("request line")
    return matched[1].decode(), matched[2], headers


def _request(reader: _Reader) -> Asked | None:
    while reader.data[reader.at : reader.at + 1] in (b"\r", b"\n"):  # RFC 9112 §2.2, and a little more
        reader.at += 1
    line = reader.line()
    matched = _REQUEST_LINE.fullmatch(line or b"")
    headers = _headers(reader) if matched else None
    if not matched or headers is None:
        return None
    method, target, minor = matched[1].decode(), matched[2], matched[3]
    length, chunked = framing_of(headers)
    if method == "CONNECT" or (chunked and minor == b"0"):
        return None
    if chunked:
        return Asked(method, target, *_chunks(reader))
    body = reader.take(length or 0)
    return Asked(method, target, body, len(body) == (length or 0))


def answers_in(data: bytes, methods: list[str], *, ended: bool) -> list[Answered]:
    """The final answers to requests of those methods, the last of them perhaps not whole; Faulty for anything else.

    `ended` tells that nothing more will come: then a body without a length is whole.
    """
    reader, found = _Reader(data), list[Answered]()
    while reader.at < len(data):
        if len(found) > len(methods):
            raise Faulty(f"more bytes behind {len(found)} answers: {data[reader.at :][:200]!r}")
        method = methods[len(found)] if len(found) < len(methods) else "POST"
        answer = _answer(reader, method, ended=ended)
        if answer is None:
            break
        if answer.status >= 200:
            found.append(answer)
            if not answer.whole:
                break
    return found


def _answer(reader: _Reader, method: str, *, ended: bool) -> Answered | None:
    line = reader.line()
    if line is None:
        return None
    matched = _STATUS_LINE.fullmatch(line)
    if not matched:
        raise Faulty(f"status line {line!r}")
    headers = _headers(reader)
    if headers is None:
        return None
    status = int(matched[1])
    length, chunked = framing_of(headers)
    if status < 200 or status in _NO_BODY or method == "HEAD":
        return Answered(status, headers, b"", whole=True)
    if chunked:
        return Answered(status, headers, *_chunks(reader))
    if length is None:
        return Answered(status, headers, reader.take(len(reader.data)), whole=ended)
    body = reader.take(length)
    return Answered(status, headers, body, len(body) == length)


def _headers(reader: _Reader) -> Headers | None:
    """The header lines up to the empty one; None when they have not all come."""
    found: list[tuple[bytes, bytes]] = []
    while (line := reader.line()) is not None:
        if not line:
            return tuple(found)
        matched = _HEADER.fullmatch(line)
        if not matched:
            raise Faulty(f"header line {line!r}")
        found.append((matched[1], matched[2]))
    return None


def framing_of(headers: Headers) -> tuple[int | None, bool]:
    """The length that is told, and whether chunks are; Faulty when that is in doubt."""
    lengths = [value for name, value in headers if name.lower() == b"content-length"]
    codings = [value for name, value in headers if name.lower() == b"transfer-encoding"]
    if len(lengths) + len(codings) > 1:
        raise Faulty("framed twice")
    if codings and codings[0].lower() != b"chunked":
        raise Faulty(f"coding {codings[0]!r}")
    if lengths and not re.fullmatch(rb"\d{1,19}", lengths[0]):
        raise Faulty(f"length {lengths[0]!r}")
    return (int(lengths[0]) if lengths else None), bool(codings)


def _chunks(reader: _Reader) -> tuple[bytes, bool]:
    """What of a chunked body is there, and whether it is all."""
    body = b""
    while (line := reader.line()) is not None:
        matched = _CHUNK_LINE.fullmatch(line)
        if not matched:
            return body, False
        size = int(matched[1], 16)
        if size == 0:
            try:
                return body, _headers(reader) is not None
            except Faulty:
                return body, False
        data = reader.take(size)
        body += data
        if len(data) < size or reader.take(2) != b"\r\n":
            return body, False
    return body, False
