"""A connection to a scoring container: raw asyncio, responses parsed by httptools."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import httptools

from emulator.routing.http_heads import ResponseHead

# Bytes of a response that may be buffered for a slow caller before reading pauses.
_HIGH_WATER = 256 * 1024
# The longest head, or run of chunk sizes or trailers, in bytes.
_LONGEST_HEAD = 256 * 1024

# A head whose short body follows in the next packet is passed on together with it: one packet and one wake-up less for
# the caller.  A head waits no longer than this for its body, and never for a stream.
_SHORT_BODY = 64 * 1024
_HOLD_SECONDS = 0.001
# The pause between two attempts to write to a socket whose buffer is full.
_FULL_SECONDS = 0.001

_CLOSED = "the container closed the connection"


class UpstreamLost(Exception):
    """The container refused, closed, or broke the protocol; `answered` if any byte of a response had arrived."""

    def __init__(self, reason: str, *, answered: bool) -> None:
        super().__init__(reason)
        self.answered = answered


class ContainerConnection(asyncio.Protocol):
    """Carries one request at a time: `send`, `head`, then `take` and `more` until the response is `complete`.

    It may still be connecting, with the first bytes of the request sent and `unsent` to follow; `sock` is its socket,
    None where the loop makes one.  `on_change`, where set, is called on every event, in place of waking a coroutine;
    `gone` is called once the connection is closed.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        method: str,
        gone: Callable[[ContainerConnection], None],
        sock: socket.socket | None = None,
        unsent: bytes = b"",
    ) -> None:
        self._loop = loop
        self._gone = gone
        self._sock = sock
        self._unsent = unsent
        self._connecting: asyncio.Task[None] | None = None
        self.on_change: Callable[[], None] | None = None
        self._transport: Any = None
        self._parser: Any = httptools.HttpResponseParser(self)
        self._method = method
        self._active = True
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._reading_paused = False
        self._lost: str | None = None  # why the connection is lost
        self._lost_answered = False
        self._reason = b""
        self._headers: list[tuple[bytes, bytes, bytes]] = []
        self._head: ResponseHead | None = None
        self._chunks: list[bytes] = []
        self._waiting_bytes = 0
        self._unspent_bytes = 0
        self._answered = False
        self._head_taken = False
        self._hold: asyncio.TimerHandle | None = None
        self._keep_alive = False
        self.complete = False

    # called for a request

    def send(self, method: str, data: bytes) -> None:
        """Start a request with its head and what has arrived of its body."""
        self._method = method
        self._active = True
        self._answered = self.complete = self._head_taken = self._keep_alive = False
        self._head = None
        self._chunks.clear()
        if self._transport is not None:  # else awaiting the response raises the reason
            self._transport.write(data)

    async def write(self, data: bytes) -> None:
        """Send more of the request's body; waits while the container reads too slowly."""
        if self._connecting is not None:
            await asyncio.wait([self._connecting])
        if self._sock is None:
            if not self.is_open():
                raise self._loss()
            self._transport.write(data)
            if self._drained is not None:
                await self._drained
        elif not await self._put(self._sock, memoryview(data)):
            # in its next turns the loop reads what the container sent before it closed
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            raise self._loss()

    async def _put(self, sock: socket.socket, data: memoryview) -> bool:
        """Write to the socket directly; return False when the container accepts no more.

        A transport whose own write fails closes without reading a response that may have arrived before.
        """
        while data:
            if not self.is_open():
                raise self._loss()
            try:
                if not self._transport.get_write_buffer_size():
                    data = data[sock.send(data) :]
                    continue
            except BlockingIOError:
                pass
            except OSError:
                return False
            await asyncio.sleep(_FULL_SECONDS)
        return True

    @property
    def lost(self) -> UpstreamLost | None:
        """The loss of the connection, None while it is there."""
        return None if self._lost is None else self._loss()

    @property
    def has_head(self) -> bool:
        """Whether the head of the response has arrived."""
        return self._head is not None

    async def head(self) -> ResponseHead:
        """Wait for the head of the response; raises UpstreamLost."""
        while self._head is None:
            await self._changed()
        return self.take_head()

    def take_head(self) -> ResponseHead:
        """Return the head of the response, which has arrived."""
        assert self._head is not None, "has_head tells"
        self._head_taken = True
        return self._head

    def take(self) -> bytes:
        """Return the bytes of the body that have arrived since the last call."""
        if not self._chunks:
            return b""
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._waiting_bytes = 0
        if self._reading_paused:
            self._reading_paused = False
            if self.is_open():
                self._transport.resume_reading()
        return data

    def peek(self) -> bytes:
        """Return what `take` would, and keep it."""
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)

    async def more(self) -> None:
        """Wait for more of the body, or its end; raises UpstreamLost when it ends too early."""
        while not self._chunks and not self.complete:
            await self._changed()

    def finish(self) -> bool:
        """End the exchange; return whether the connection can carry another one."""
        self._active = False
        return self.complete and self._keep_alive and not self._chunks and self.is_open()

    def is_open(self) -> bool:
        """Whether neither side has begun to close."""
        return self._lost is None and self._transport is not None and not self._transport.is_closing()

    def is_stale(self) -> bool:
        """Whether the socket is readable: the container has closed, or sent something that was not asked for."""
        if not self.is_open():
            return True
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def abandon(self, ended: Callable[[], None]) -> bool:
        """Half-close, discard the response, and call `ended` once its head arrives or the connection is lost.

        The container could notice the half-closed connection; a server with one worker does not look.  Returns False
        when the connection is lost or not made yet.
        """
        if not self.is_open() or not self._transport.can_write_eof():
            return False
        self.on_change = partial(self._watch_abandoned, ended)
        self._transport.write_eof()
        return True

    def _watch_abandoned(self, ended: Callable[[], None]) -> None:
        if self._head is not None or self._lost is not None:
            self.on_change = None
            self.abort()
            ended()

    def abort(self) -> None:
        """Close at once; what was not sent is dropped."""
        if self._transport is not None:
            self._transport.abort()
        elif self._connecting is not None:
            self._connecting.cancel()

    # called by the pool

    def set_connecting(self, connecting: asyncio.Task[None]) -> None:
        """Remember the task that connects, which ends in `connection_made` or `fail`."""
        self._connecting = connecting

    def fail(self, error: UpstreamLost) -> None:
        """The container cannot be reached."""
        self._fail(str(error))
        self._wake()

    # called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._connecting = None
        if self._unsent:
            self._transport.write(self._unsent)
            self._unsent = b""

    def connection_lost(self, exc: Exception | None) -> None:
        if self._ends_with_connection() and exc is None:
            self.complete = True
        self._keep_alive = False
        self._fail(_CLOSED)
        self._parser = self._transport = self._sock = None
        self._gone(self)
        if self._drained is not None and not self._drained.done():
            self._drained.set_exception(self._loss())
            self._drained.exception()  # retrieved, in case nothing awaits it
        self._wake()

    def data_received(self, data: bytes) -> None:
        if not self._active or self._parser is None:
            self.abort()
            return
        self._answered = True
        self._unspent_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self.complete:
                self._fail("the container's answer is not HTTP/1.1")
            self.abort()
        if self._unspent_bytes > _LONGEST_HEAD:
            self._fail("the head or the trailers of the container's answer have no end")
            self.abort()
        if self._waiting_bytes > _HIGH_WATER and not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()
        if not self._awaits_short_body():
            self._wake()
        elif self._hold is None:
            self._hold = self._loop.call_later(_HOLD_SECONDS, self._wake)

    def pause_writing(self) -> None:
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    # called by the parser

    def on_message_begin(self) -> None:
        self._reason = b""
        self._headers = []
        if self.complete:  # a second response, which was not asked for
            self._keep_alive = False

    def on_status(self, status: bytes) -> None:
        self._reason += status

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head is None:  # later ones are trailers, which a proxy may drop (RFC 9110 §6.5.1)
            self._headers.append((name.lower(), name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self._unspent_bytes = 0
        status = self._parser.get_status_code()
        if status < 200 or self.complete:  # interim: the final response follows
            return
        self._head = ResponseHead.of(status, self._reason, self._headers, self._method)
        # the parser does not know HEAD: it would wait for a body that never comes
        if self._method == "HEAD":
            self.complete = True

    def on_body(self, body: bytes) -> None:
        self._unspent_bytes = 0
        if not self.complete:
            self._chunks.append(body)
            self._waiting_bytes += len(body)

    def on_message_complete(self) -> None:
        self._unspent_bytes = 0
        if self._head is not None and not self.complete:
            self.complete = True
            self._keep_alive = self._parser.should_keep_alive()

    def _ends_with_connection(self) -> bool:
        head = self._head
        return head is not None and head.has_body and head.content_length is None and not head.chunked

    def _awaits_short_body(self) -> bool:
        """Whether a short body of known length is still to arrive: gunicorn sends the head in a packet of its own."""
        head = self._head
        if head is None or self.complete or self._head_taken or head.content_length is None:
            return False
        return head.content_length <= _SHORT_BODY and self._lost is None

    def _fail(self, reason: str) -> None:
        if self._lost is None:
            self._lost, self._lost_answered = reason, self._answered

    def _loss(self) -> UpstreamLost:
        # a new one each time: the traceback of one that is kept would keep the request's memory
        return UpstreamLost(self._lost or _CLOSED, answered=self._lost_answered if self._lost else self._answered)

    def _wake(self) -> None:
        if self._hold is not None:
            self._hold.cancel()
            self._hold = None
        if self.on_change is not None:
            self.on_change()
            return
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def _changed(self) -> None:
        if self._lost is not None:
            raise self._loss()
        self._waiter = self._loop.create_future()
        await self._waiter
