"""Parsing of requests: ambiguous framing is refused, and bodies of unauthenticated clients are not kept."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BytesIO
from typing import Any

from waitress.parser import HTTPRequestParser, ParsingError

from emulator.control_api.refusal import Refusal
from emulator.errors import BadArgument
from emulator.routing.http_heads import authority_of, is_host

MOST_HEAD_BYTES = 64 << 10
_MOST_HEADERS = 200
_MOST_CHUNK_LINE_BYTES = 4 << 10
_MOST_TRAILER_BYTES = 16 << 10
# That much of an unauthenticated body is kept, because small requests are answered alike for every client.
_MOST_OF_A_STRANGER = 16 << 10
_MOST_DIGITS = 18
_HINT = "a client of HTTP/1.1 that says once how long its body is, and whom it asks (RFC 9112 §3.2, §6)"
_BLANKS = (b" ", b"\t", b"\v", b"\f")
_TARGET = re.compile(rb"[!-~]+").fullmatch


class ReceivedRequest(HTTPRequestParser):
    """A request that is being received; `is_known` once its head has a valid token.

    What a strict and a lenient parser could read as different requests is an error (RFC 9112 §11.2).
    """

    completed = False
    error: Any = None

    def __init__(self, adj: Any, knows: Callable[[str], bool]) -> None:
        super().__init__(adj)
        self._knows = knows
        self.is_known = False

    def received(self, data: bytes) -> int:
        """Process received bytes; return how many of them belong to this request."""
        if self.body_rcv is None and not self.header_plus and data.lstrip(b"\r\n").startswith(_BLANKS):
            self._fail(400, "the request begins with a blank")
            return len(data)
        consumed: int = super().received(data)
        if self.chunked and self.body_rcv is not None and not self.completed:
            self._bound_chunks()
        if self.error is not None and not isinstance(self.error, Refusal):
            self.error = Refusal(self.error.code, BadArgument(str(self.error.body), hint=_HINT))
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        """Parse the head; raise ParsingError for an invalid one."""
        if header_plus.count(b"\r\n") > _MOST_HEADERS:
            raise ParsingError(f"more than {_MOST_HEADERS} headers")
        lines = header_plus.split(b"\r\n")
        fields = [(name.lower(), value) for name, _, value in (line.partition(b":") for line in lines[1:] if line)]
        names = [name for name, _ in fields]
        try:
            super().parse_header(header_plus)
        except ValueError as error:  # a length of thousands of digits, half an address of IPv6
            raise ParsingError(f"the head cannot be read: {error}") from error
        self._check_line(lines)
        codings = [value.strip(b" \t").lower() for name, value in fields if name == b"transfer-encoding"]
        self._check_length(codings, names.count(b"content-length"))
        self._check_host(names)
        self.is_known = self._knows(self.headers.get("AUTHORIZATION", ""))
        if (
            self.body_rcv is not None
            and not self.is_known
            and (self.chunked or self.content_length > _MOST_OF_A_STRANGER)
        ):
            self.body_rcv.buf = _Nothing()

    def _check_line(self, lines: list[bytes]) -> None:
        if any(line.startswith((b" ", b"\t")) for line in lines):
            raise ParsingError("a header continues on the next line")
        if self.version not in ("1.0", "1.1"):
            raise ParsingError("this server speaks HTTP/1.1")
        if not _TARGET(lines[0].split(b" ")[1]):
            raise ParsingError("a character of the target must be percent-encoded")

    def _check_length(self, codings: list[bytes], lengths: int) -> None:
        if len(codings) + lengths > 1 or (codings and (self.version == "1.0" or codings != [b"chunked"])):
            raise ParsingError("it is not clear where the body ends")
        if len(self.headers.get("CONTENT_LENGTH", "")) > _MOST_DIGITS:
            raise ParsingError("Content-Length is invalid")

    def _check_host(self, names: list[bytes]) -> None:
        hosts = names.count(b"host")
        host = self.headers.get("HOST", "").encode("latin-1")
        if hosts > 1 or (hosts == 0 and self.version == "1.1") or (hosts and not is_host(host)):
            raise ParsingError("the request must say once whom it asks, in a Host header")
        target = self.request_uri.encode("latin-1")
        if b"://" in target and not target.startswith(b"/"):
            authority = authority_of(target)  # which goes before the header (RFC 9112 §3.2.2)
            if not is_host(authority):
                raise ParsingError("the target names no host")
            self.headers["HOST"] = authority.decode("latin-1")

    def _bound_chunks(self) -> None:
        receiver = self.body_rcv
        if len(receiver.control_line) > _MOST_CHUNK_LINE_BYTES or len(receiver.trailer) > _MOST_TRAILER_BYTES:
            self._fail(400, "a line between two chunks is too long")

    def _fail(self, status: int, message: str) -> None:
        self.error = Refusal(status, BadArgument(message, hint=_HINT))
        self.completed = True


class _Nothing:
    """Discards a body."""

    def append(self, data: bytes) -> None:
        """Forget it."""

    def getfile(self) -> BytesIO:
        """Nothing."""
        return BytesIO()

    def close(self) -> None:
        """Nothing is held."""

    def __len__(self) -> int:
        return 0
