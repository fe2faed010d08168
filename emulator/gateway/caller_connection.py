"""One connection with a caller: httptools parses what comes in, a handler of ours answers in bytes."""

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
from emulator.routing.http_heads import Changes, authority_of, is_host, own_head, response_head


class Answering(Protocol):
    """A request that is being answered; it ends with one call of the conversation's `settle`."""

    def cancel(self) -> None:
        """The caller is gone: nothing that is still to come can reach it, and `settle` need not be called."""


Handler = Callable[["Conversation", Request], "bool | Answering"]
"""Answers one request: at once, telling whether another may follow on its connection, or later."""

# Bytes between two pieces of a body, chunk sizes and trailers, that are read before the rest is given up.
_LONGEST_FRAMING = 60 * 1024
# Of a length: what is longer is none, whatever its leading zeros come to.
_MOST_DIGITS = 19
# Requests that a caller may send ahead before it is made to wait.
_PIPELINED = 8
# How long a head may take from its first byte, and a connection may lie idle (Envoy: an hour).
HEAD_SECONDS = 60.0
IDLE_SECONDS = 3600.0
# How long a caller may go on sending a body that nobody reads before its connection is cut.
_LINGER_SECONDS = 5.0
_LINGER_TIMES = 12

_VERSIONS = ("1.1", "1.0")
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})

_log = logging.getLogger(__name__)
_clock = time.monotonic


class Conversation(asyncio.Protocol):
    """Reads requests one after another and has each answered before the next begins.

    What is being answered is cancelled when the caller goes away.  `on_lost` is told when the connection is gone.
    A head of more than `longest_head` bytes is refused (row limits.head_bytes).  `draw` is there for whoever chooses
    once for all requests, None until then (row traffic.per_request).  `is_excess` tells that the cloud would not have
    taken it (row limits.connections), `is_refused` that it is not taken here either.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        handler: Handler,
        on_lost: Callable[[Conversation], None],
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
        self._answering: Answering | None = None
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

    # What a handler does with it.

    def write(self, data: bytes) -> None:
        """Send that to the caller; ConnectionError when it is gone."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionError("the caller is gone")
        self.written = True
        self._transport.write(data)

    @property
    def address(self) -> str:
        """Where the caller is, without its port; empty when it is gone."""
        return str(self._transport.get_extra_info("peername")[0]) if self._transport is not None else ""

    @property
    def congested(self) -> bool:
        """Whether the caller reads too slowly."""
        return self._drained is not None

    async def drain(self) -> None:
        """Wait until the caller has read enough; ConnectionError when it went away instead."""
        if self._drained is not None:
            await self._drained

    def answer(self, request: Request, status: int, text: str, changes: Changes, *, close: bool = False) -> bool:
        """Write an answer of the gateway's own, in plain text; `close` ends the connection after it.

        Nobody gets it when the caller is going: that is False, and no error, since many a request is ended with it.
        """
        if self._transport is None or self._transport.is_closing():
            return False
        body = text.encode()
        keep_alive = request.keep_alive and not close
        head = response_head(
            own_head(status, formatdate(usegmt=True), body),
            changes,
            chunked=False,
            connection=connection_header(request, keep_alive=keep_alive),
        )
        self.write(head if request.method == "HEAD" else head + body)
        return keep_alive

    def is_answered_by(self, answering: Answering) -> None:
        """The request that is being answered is somebody else's now."""
        self._answering = answering

    def settle(self, request: Request, keep_alive: bool) -> None:
        """A request that was not answered at once is answered; `keep_alive` tells whether another may follow."""
        self._answering = None
        if self._goes_on(request, keep_alive):
            self._next()
            self._pace()

    def excuse(self, request: Request, error: Exception) -> bool:
        """Answer a request that met a bug of ours, as far as it can be; whether another may follow."""
        _log.error("a request met a bug in the gateway", exc_info=error)
        if self.written or self._transport is None or self._transport.is_closing():
            self.abort()  # only the end of the connection can tell of it
            return False
        return self.answer(request, 500, HTTPStatus(500).phrase, Changes(), close=True)

    def abort(self) -> None:
        """Cut the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    # What the listener does with it.

    @property
    def is_busy(self) -> bool:
        """Whether a request is being answered."""
        return self._answering is not None

    @property
    def idle_since(self) -> float | None:
        """Since when, of time.monotonic, no request is being answered; None while one is."""
        return self._since if self._answering is None else None

    def end(self) -> None:
        """Close now when idle, else after the request that is being answered."""
        self._ending = True
        if self._answering is None:
            self._close()

    def sweep(self, now: float) -> None:
        """Close a connection that has been idle, or at one head, for too long; `now` is of time.monotonic."""
        at_rest = self._unspent_bytes == 0 and self._coming is None
        if self._answering is None and now - self._since > (IDLE_SECONDS if at_rest else HEAD_SECONDS):
            self.abort()

    # What the transport tells it.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        if self.is_refused:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_lost(self)
        if self._lingering is not None:
            self._lingering.cancel()
        self._parser = self._transport = None  # nothing must wait for the collector of garbage
        self._waiting.clear()
        if self._coming is not None:
            self._coming.fail()
            self._coming = None
        if self._drained is not None and not self._drained.done():
            self._drained.set_exception(ConnectionError("the caller is gone"))
            self._drained.exception()  # nobody may be waiting
        answering, self._answering = self._answering, None
        if answering is not None:
            answering.cancel()

    def data_received(self, data: bytes) -> None:
        if self._refusal is not None or self._parser is None:
            return
        if self._unspent_bytes == 0:
            self._since = _clock()
        self._unspent_bytes += len(data)
        self._parse(data)
        if self._unspent_bytes > (self._longest_head if self._in_head else _LONGEST_FRAMING):
            self._refuse(431 if self._in_head else 400)
        if self._answering is None:
            self._next()
        elif len(self._waiting) > _PIPELINED:
            self._pace()

    def pause_writing(self) -> None:
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    # What the parser tells it.

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
        if self._coming is not None:  # its head has been here before: see _on_upgrade
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
        if not self._settle_host(is_needed=version == "1.1"):
            self._refusal = 400
            return
        method = parser.get_method().decode()
        request = Request(method, self._target, version, self._headers, keep_alive=parser.should_keep_alive())
        # chunks in HTTP/1.0 are faulty framing (RFC 9112 §6.1)
        if len(request.header(b"content-length")) > _MOST_DIGITS or (request.chunked and not request.is_1_1):
            self._refusal = 400
            return
        if request.chunked:
            # whoever sends a coding that is not known here may mean another end than the one that is found
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
        if self._framing:  # the parser stops here, the request does not
            return
        coming, self._coming = self._coming, None
        self._in_head = True
        self._unspent_bytes = 0
        if coming is not None:
            coming.end()

    # Between the two.

    def _settle_host(self, *, is_needed: bool) -> bool:
        """Whether the request says once, and rightly, whom it is for (RFC 9112 §3.2); its target says it best."""
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
                self._begin_again()
                rest = memoryview(rest)[upgrade.args[0] :]
            except httptools.HttpParserError:
                self._refuse(400)
                return

    def _on_upgrade(self, request: Request) -> None:
        """An upgrade is not followed, so its body must be read all the same; the parser takes no body for its own.

        Clients that would like HTTP/2 ask for it with their first POST (RFC 7540 §3.2), body and all.
        """
        if request.method == "CONNECT":  # what follows is for the other end of a tunnel, never another request
            request.keep_alive = False
            return
        lines = [b"%s: %s\r\n" % (key, value) for key, _, value in request.headers if key in _FRAMING]
        self._framing = b"".join(lines)

    def _begin_again(self) -> None:
        """Go on with a new parser, which is told first of the body that the last one has left unread."""
        self._parser = httptools.HttpRequestParser(self)
        framing, self._framing = self._framing, b""
        if framing:
            self._parse(b"POST / HTTP/1.1\r\n%s\r\n" % framing)

    def _refuse(self, status: int) -> None:
        """Read no more: what comes cannot be told from a request; the requests before it are answered first."""
        self._refusal = status
        if self._coming is not None:
            self._coming.fail()  # whoever reads it answers

    def _next(self) -> None:
        """Begin with the next request, if there is one; one that is answered at once is followed by the next."""
        while self._waiting and not self._ending:
            request = self._waiting.popleft()
            self.written = False
            try:
                answered = self._handler(self, request)
            except ConnectionError:
                answered = False
            except Exception as error:
                answered = self.excuse(request, error)
            if not isinstance(answered, bool):
                self._answering = answered
                return
            if not self._goes_on(request, answered):
                return
        if self._ending:
            self._close()
        elif self._refusal is not None and self._coming is None:
            self._turn_away(self._refusal)

    def _goes_on(self, request: Request, keep_alive: bool) -> bool:
        """Whether the connection goes on after that request, which is answered."""
        if self._transport is None or self._transport.is_closing():
            return False
        if not keep_alive or (self._refusal is not None and not request.complete):
            self._close(more_may_come=True)
            return False
        self._since = _clock()
        request.discard()  # also a body that came whole: one that nobody read may have stopped the reading
        return True

    def _turn_away(self, status: int) -> None:
        """The answer to what is no request: nothing is known that its headers could depend on."""
        body = HTTPStatus(status).phrase.encode()
        head = response_head(
            own_head(status, formatdate(usegmt=True), body), Changes(), chunked=False, connection=b"close"
        )
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(head + body)
        self._close()

    def _hold(self, wanted: bool) -> None:
        self._held = wanted
        self._pace()

    def _pace(self) -> None:
        """Read, or make the caller wait, as what has come already is taken up."""
        if self._transport is None or self._transport.is_closing():
            return
        wanted = not self._held and len(self._waiting) <= _PIPELINED
        if wanted is not self._reading:
            self._reading = wanted
            (self._transport.resume_reading if wanted else self._transport.pause_reading)()

    def _close(self, *, more_may_come: bool = False) -> None:
        """Close, but in steps while the caller still sends: a reset would take the answer along (RFC 9112 §9.6)."""
        self._ending = True
        if self._transport is None or self._transport.is_closing():
            return
        unread = more_may_come or self._refusal is not None or (self._coming is not None and not self._coming.complete)
        if self._lingering is not None or not unread or not self._transport.can_write_eof():
            self._transport.close()
            return
        self._refusal = self._refusal or 400  # nothing that comes is read any more
        self._transport.write_eof()
        self._hold(False)
        self._linger(_LINGER_TIMES)

    def _linger(self, times: int) -> None:
        """Read over what comes until the caller closes, for a while, or longer where it has yet to read its answer."""
        if self._transport is None:
            return
        unsent = self._transport.get_write_buffer_size() > 0
        if times == 0 or (times < _LINGER_TIMES and not unsent):
            self.abort()
            return
        self._lingering = self._loop.call_later(_LINGER_SECONDS, self._linger, times - 1)


def connection_header(request: Request, *, keep_alive: bool) -> bytes | None:
    """The Connection header of an answer, None where the version's default says it (RFC 9112 §9.3)."""
    if not keep_alive:
        return b"close"
    return None if request.is_1_1 else b"keep-alive"
