"""A caller's connection: httptools parses its requests, a handler answers them in bytes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Protocol

import httptools

from emulator.gateway.request import Request
from emulator.routing.http_heads import HeaderEdits, authority_of, gateway_head, is_host, response_head


class PendingResponse(Protocol):
    """A request whose response is under way; it ends with one call of the connection's `finish_request`."""

    def cancel(self) -> None:
        """Stop: the caller is gone.  `finish_request` need not be called any more."""


HandleRequest = Callable[["CallerConnection", Request], "bool | PendingResponse"]
"""Answers one request: at once, returning whether the connection can carry another, or later."""

# The longest run of chunk sizes or trailers, in bytes, before the request is rejected.
_LONGEST_FRAMING = 60 * 1024
# A Content-Length with more digits is rejected, leading zeros included.
_MOST_DIGITS = 19
# How many pipelined requests are read before reading pauses.
_PIPELINED = 8
# How long a head may take from its first byte, and a connection may be idle (Envoy: an hour).
HEAD_SECONDS = 60.0
IDLE_SECONDS = 3600.0
# How long a caller may go on sending a body that is not read before its connection is cut.
_LINGER_SECONDS = 5.0
_LINGER_TIMES = 12

_VERSIONS = ("1.1", "1.0")
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})

_log = logging.getLogger(__name__)
_clock = time.monotonic


class CallerConnection(asyncio.Protocol):
    """Reads requests one after another and has each answered before the next begins.

    The pending response is canceled when the caller goes away, and `on_lost` is called when the connection is closed.
    A head of more than `longest_head` bytes is rejected (row limits.head_bytes).  `draw` keeps the number that chooses
    a deployment once for all requests of the connection, None until then (row traffic.per_request).  `is_excess` marks
    a connection that the cloud would not have accepted (row limits.connections), `is_refused` one that is not accepted
    here either.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        handler: HandleRequest,
        on_lost: Callable[[CallerConnection], None],
        longest_head: int,
    ) -> None:
        self._loop = loop
        self._handler = handler
        self._on_lost = on_lost
        self._longest_head = longest_head
        self._transport: Any = None
        self._parser: Any = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: list[tuple[bytes, bytes, bytes]] = []
        self._hosts: list[int] = []  # where among the headers
        self._unspent_bytes = 0  # what has come of a head, or between two pieces of a body: chunk sizes, trailers
        self._in_head = True
        self._framing = b""  # header lines of a request whose body the parser has left unread
        self._coming: Request | None = None  # its body is being read
        self._waiting: deque[Request] = deque()
        self._pending: PendingResponse | None = None
        self._refusal: int | None = None  # what comes after the waiting requests cannot be read
        self._ending = False
        self._lingering: asyncio.TimerHandle | None = None
        self._held = False
        self._reading = True
        self._drained: asyncio.Future[None] | None = None
        self._since = _clock()
        self.draw: float | None = None
        self.written = False
        self.is_excess = False
        self.is_refused = False

    # called by handlers

    def write(self, data: bytes) -> None:
        """Send `data` to the caller; ConnectionError when it is gone."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionError("the caller is gone")
        self.written = True
        self._transport.write(data)

    @property
    def address(self) -> str:
        """The caller's IP address; empty when it is gone."""
        return str(self._transport.get_extra_info("peername")[0]) if self._transport is not None else ""

    @property
    def congested(self) -> bool:
        """Whether the caller reads too slowly."""
        return self._drained is not None

    async def drain(self) -> None:
        """Wait until the caller has read enough; ConnectionError when it goes away instead."""
        if self._drained is not None:
            await self._drained

    def answer(self, request: Request, status: int, text: str, edits: HeaderEdits, *, close: bool = False) -> bool:
        """Write a response of the gateway's own, in plain text; `close` ends the connection after it.

        Returns whether the connection can carry another request: False, without an error, when the caller is gone.
        """
        if self._transport is None or self._transport.is_closing():
            return False
        body = text.encode()
        keep_alive = request.keep_alive and not close
        head = response_head(
            gateway_head(status, formatdate(usegmt=True), body),
            edits,
            chunked=False,
            connection=connection_header(request, keep_alive=keep_alive),
        )
        self.write(head if request.method == "HEAD" else head + body)
        return keep_alive

    def set_pending(self, pending: PendingResponse) -> None:
        """Replace what is canceled when the caller goes away."""
        self._pending = pending

    def finish_request(self, request: Request, keep_alive: bool) -> None:
        """The pending response is complete; `keep_alive` tells whether the connection can carry another request."""
        self._pending = None
        if self._continues(request, keep_alive):
            self._next()
            self._pace()

    def answer_error(self, request: Request, error: Exception) -> bool:
        """Answer 500 to a request that met a bug of the gateway, or cut a response that has begun."""
        _log.error("a request met a bug in the gateway", exc_info=error)
        if self.written or self._transport is None or self._transport.is_closing():
            self.abort()  # only a cut connection can still tell the caller
            return False
        return self.answer(request, 500, HTTPStatus(500).phrase, HeaderEdits(), close=True)

    def abort(self) -> None:
        """Cut the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    # called by the listener

    @property
    def is_busy(self) -> bool:
        """Whether a response is pending."""
        return self._pending is not None

    @property
    def idle_since(self) -> float | None:
        """The time.monotonic since which no response is pending; None while one is."""
        return self._since if self._pending is None else None

    def end(self) -> None:
        """Close now when idle, else after the pending response."""
        self._ending = True
        if self._pending is None:
            self._close()

    def sweep(self, now: float) -> None:
        """Close a connection that has been idle, or sending one head, for too long; `now` is of time.monotonic."""
        at_rest = self._unspent_bytes == 0 and self._coming is None
        if self._pending is None and now - self._since > (IDLE_SECONDS if at_rest else HEAD_SECONDS):
            self.abort()

    # called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        if self.is_refused:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_lost(self)
        if self._lingering is not None:
            self._lingering.cancel()
        self._parser = self._transport = None  # breaks reference cycles, which only the garbage collector would free
        self._waiting.clear()
        if self._coming is not None:
            self._coming.fail()
            self._coming = None
        if self._drained is not None and not self._drained.done():
            self._drained.set_exception(ConnectionError("the caller is gone"))
            self._drained.exception()  # retrieved, in case nothing awaits it
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.cancel()

    def data_received(self, data: bytes) -> None:
        if self._refusal is not None or self._parser is None:
            return
        if self._unspent_bytes == 0:
            self._since = _clock()
        self._unspent_bytes += len(data)
        self._parse(data)
        if self._unspent_bytes > (self._longest_head if self._in_head else _LONGEST_FRAMING):
            self._refuse(431 if self._in_head else 400)
        if self._pending is None:
            self._next()
        elif len(self._waiting) > _PIPELINED:
            self._pace()

    def pause_writing(self) -> None:
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    # called by the parser

    def on_message_begin(self) -> None:
        self._target = b""
        self._headers = []
        self._hosts = []
        self._in_head = True
        self._unspent_bytes = self._unspent_bytes or 1  # not at rest, also when it begins behind another's end

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # later ones are trailers, which a proxy may drop (RFC 9110 §6.5.1)
            key = name.lower()
            if key == b"host":
                self._hosts.append(len(self._headers))
            self._headers.append((key, name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        parser = self._parser
        self._in_head = False
        if self._coming is not None:  # this head was parsed before: see _on_upgrade
            return
        too_long = self._unspent_bytes > self._longest_head and self._size_of_head() > self._longest_head
        self._unspent_bytes = 0
        if self._refusal is not None:
            return
        if too_long:
            self._refusal = 431
            return
        version = parser.get_http_version()
        if version not in _VERSIONS:
            self._refusal = 505
            return
        if not self._check_host(is_needed=version == "1.1"):
            self._refusal = 400
            return
        method = parser.get_method().decode()
        request = Request(method, self._target, version, self._headers, keep_alive=parser.should_keep_alive())
        # chunks in HTTP/1.0 are faulty framing (RFC 9112 §6.1)
        if len(request.header(b"content-length")) > _MOST_DIGITS or (request.chunked and not request.is_1_1):
            self._refusal = 400
            return
        if request.chunked:
            # with a coding that is not known here the body may end elsewhere than the parser finds
            request.keep_alive = request.keep_alive and request.header(b"transfer-encoding").lower() == b"chunked"
        if parser.should_upgrade():
            self._on_upgrade(request)
        request.on_pause(self._hold)
        self._coming = request
        self._waiting.append(request)

    def on_body(self, body: bytes) -> None:
        self._unspent_bytes = 0
        if self._coming is not None:
            self._coming.feed(body)

    def on_message_complete(self) -> None:
        if self._framing:  # the parser stops here, but the body follows
            return
        coming, self._coming = self._coming, None
        self._in_head = True
        self._unspent_bytes = 0
        if coming is not None:
            coming.end()

    # parsing

    def _check_host(self, *, is_needed: bool) -> bool:
        """Return whether there is one valid Host (RFC 9112 §3.2); a target in absolute form replaces it."""
        if len(self._hosts) != 1:
            return not self._hosts and not is_needed
        place = self._hosts[0]
        key, name, value = self._headers[place]
        if not is_host(value):
            return False
        if b"://" not in self._target or self._target.startswith(b"/"):
            return True
        authority = authority_of(self._target)
        self._headers[place] = key, name, authority
        return is_host(authority)

    def _size_of_head(self) -> int:
        return len(self._target) + sum(len(name) + len(value) for _, name, value in self._headers)

    def _parse(self, data: bytes) -> None:
        rest: bytes | memoryview = data
        while rest:
            try:
                self._parser.feed_data(rest)
                return
            except httptools.HttpParserUpgrade as upgrade:
                self._restart_parser()
                rest = memoryview(rest)[upgrade.args[0] :]
            except httptools.HttpParserError:
                self._refuse(400)
                return

    def _on_upgrade(self, request: Request) -> None:
        """Remember the framing of a request that asks for an upgrade: the parser does not read its body.

        The upgrade is ignored.  Clients that offer HTTP/2 do so with their first POST (RFC 7540 §3.2), body included.
        """
        if request.method == "CONNECT":  # what follows is meant for a tunnel and is never another request
            request.keep_alive = False
            return
        lines = [b"%s: %s\r\n" % (key, value) for key, _, value in request.headers if key in _FRAMING]
        self._framing = b"".join(lines)

    def _restart_parser(self) -> None:
        """Go on with a new parser, which is given the framing of the body that the last one left unread."""
        self._parser = httptools.HttpRequestParser(self)
        framing, self._framing = self._framing, b""
        if framing:
            self._parse(b"POST / HTTP/1.1\r\n%s\r\n" % framing)

    def _refuse(self, status: int) -> None:
        """Stop reading after bytes that are not HTTP; answer `status` once earlier requests are answered."""
        self._refusal = status
        if self._coming is not None:
            self._coming.fail()  # what reads the body answers

    def _next(self) -> None:
        """Handle the requests that have arrived, until one is not answered at once."""
        while self._waiting and not self._ending:
            request = self._waiting.popleft()
            self.written = False
            try:
                answered = self._handler(self, request)
            except ConnectionError:
                answered = False
            except Exception as error:
                answered = self.answer_error(request, error)
            if not isinstance(answered, bool):
                self._pending = answered
                return
            if not self._continues(request, answered):
                return
        if self._ending:
            self._close()
        elif self._refusal is not None and self._coming is None:
            self._answer_unreadable(self._refusal)

    def _continues(self, request: Request, keep_alive: bool) -> bool:
        """Return whether the connection stays open after a response, and close it if not."""
        if self._transport is None or self._transport.is_closing():
            return False
        if not keep_alive or (self._refusal is not None and not request.complete):
            self._close(more_may_come=True)
            return False
        self._since = _clock()
        request.discard()  # also a whole body: one that was not read may have paused reading
        return True

    def _answer_unreadable(self, status: int) -> None:
        """Answer bytes that are not a request, and close: there is no request whose form the head could follow."""
        body = HTTPStatus(status).phrase.encode()
        head = response_head(
            gateway_head(status, formatdate(usegmt=True), body), HeaderEdits(), chunked=False, connection=b"close"
        )
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(head + body)
        self._close()

    def _hold(self, wanted: bool) -> None:
        self._held = wanted
        self._pace()

    def _pace(self) -> None:
        """Pause or resume reading, by how much of what has arrived is still unread."""
        if self._transport is None or self._transport.is_closing():
            return
        wanted = not self._held and len(self._waiting) <= _PIPELINED
        if wanted is not self._reading:
            self._reading = wanted
            (self._transport.resume_reading if wanted else self._transport.pause_reading)()

    def _close(self, *, more_may_come: bool = False) -> None:
        """Close; in steps while the caller still sends, since a reset could discard the response (RFC 9112 §9.6)."""
        self._ending = True
        if self._transport is None or self._transport.is_closing():
            return
        unread = more_may_come or self._refusal is not None or (self._coming is not None and not self._coming.complete)
        if self._lingering is not None or not unread or not self._transport.can_write_eof():
            self._transport.close()
            return
        self._refusal = self._refusal or 400  # nothing more is parsed
        self._transport.write_eof()
        self._hold(False)
        self._linger(_LINGER_TIMES)

    def _linger(self, times: int) -> None:
        """Discard what arrives until the caller closes; longer while it still has to read its response."""
        if self._transport is None:
            return
        unsent = self._transport.get_write_buffer_size() > 0
        if times == 0 or (times < _LINGER_TIMES and not unsent):
            self.abort()
            return
        self._lingering = self._loop.call_later(_LINGER_SECONDS, self._linger, times - 1)


def connection_header(request: Request, *, keep_alive: bool) -> bytes | None:
    """Return the Connection header of a response, None where the version's default applies (RFC 9112 §9.3)."""
    if not keep_alive:
        return b"close"
    return None if request.is_1_1 else b"keep-alive"
