"""One connection to a scoring container: raw asyncio, answers parsed by httptools."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import httptools

from emulator.routing.http_heads import ResponseHead

# Bytes of an answer that may wait for a slow caller before the container is made to wait.
_HIGH_WATER = 256 * 1024
# Bytes that may come without a piece of a body among them: a head, chunk sizes, trailers.
_LONGEST_HEAD = 256 * 1024

# A head whose short body follows in the next packet goes on together with it: one packet and one wake-up less for the
# caller.  A body that is not there after this time does not hold its head back, nor does a stream ever.
_SHORT_BODY = 64 * 1024
_HOLD_SECONDS = 0.001
# How long to wait before a look whether a socket that was full takes more.
_FULL_SECONDS = 0.001

_CLOSED = "the container closed the connection"


class UpstreamLost(Exception):
    """The container refused, closed, or broke the protocol.

    `answered` tells whether any byte of an answer had come before.
    """

    def __init__(self, reason: str, *, answered: bool) -> None:
        super().__init__(reason)
        self.answered = answered


class Connection(asyncio.Protocol):
    """A connection that carries one request at a time: `send`, `head`, then `take` and `more` until it is `complete`.

    It may still be on its way to the container, with the first bytes of the request of `method` gone already and
    `unsent` to follow them; `sock` is its socket, None where the loop makes one.  `on_change` is called whenever there
    is more to know, in place of waking who awaits; `gone` once it is closed.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        method: str,
        gone: Callable[[Connection], None],
        sock: socket.socket | None = None,
        unsent: bytes = b"",
    ) -> None:
        self._loop = loop
        self._gone = gone
        self._sock = sock
        self._unsent = unsent
        self._reaching: asyncio.Task[None] | None = None
        self.on_change: Callable[[], None] | None = None
        self._transport: Any = None
        self._parser: Any = httptools.HttpResponseParser(self)
        self._method = method
        self._active = True
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._reading_paused = False
        self._lost: str | None = None  # why nothing more will come
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

    # What a request does with it.

    def send(self, method: str, data: bytes) -> None:
        """Start a request: its head, and whatever of its body is there already."""
        self._method = method
        self._active = True
        self._answered = self.complete = self._head_taken = self._keep_alive = False
        self._head = None
        self._chunks.clear()
        if self._transport is not None:  # else the answer is awaited in vain, and that says why
            self._transport.write(data)

    async def write(self, data: bytes) -> None:
        """Go on with the request's body; waits while the container reads too slowly."""
        if self._reaching is not None:
            await asyncio.wait([self._reaching])
        if self._sock is None:
            if not self.is_open():
                raise self._loss()
            self._transport.write(data)
            if self._drained is not None:
                await self._drained
        elif not await self._put(self._sock, memoryview(data)):
            # the loop reads what the container said before it closed, in its next turns
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            raise self._loss()

    async def _put(self, sock: socket.socket, data: memoryview) -> bool:
        """Send that past the transport; False when the container takes no more.

        A transport whose own write fails closes without reading the answer that may have come before it.
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
        """Why there will be no more of an answer."""
        return None if self._lost is None else self._loss()

    @property
    def has_head(self) -> bool:
        """Whether the answer's head is there."""
        return self._head is not None

    async def head(self) -> ResponseHead:
        """The answer's head; raises UpstreamLost."""
        while self._head is None:
            await self._changed()
        return self.take_head()

    def take_head(self) -> ResponseHead:
        """The answer's head, which is there."""
        assert self._head is not None, "has_head tells"
        self._head_taken = True
        return self._head

    def take(self) -> bytes:
        """The bytes of the answer's body that have come since the last call, or nothing."""
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
        """What `take` would give, which stays there."""
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)

    async def more(self) -> None:
        """Wait for more of the answer's body, or its end; raises UpstreamLost when it ends too early."""
        while not self._chunks and not self.complete:
            await self._changed()

    def finish(self) -> bool:
        """End the exchange; whether the connection can carry another one."""
        self._active = False
        return self.complete and self._keep_alive and not self._chunks and self.is_open()

    def is_open(self) -> bool:
        """Whether neither side has begun to close."""
        return self._lost is None and self._transport is not None and not self._transport.is_closing()

    def is_stale(self) -> bool:
        """Whether the container has closed, or sent something unasked, that the loop has not noticed yet."""
        if not self.is_open():
            return True
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def leave(self, ended: Callable[[], None]) -> bool:
        """Wait for an answer that nobody reads, and call `ended` once the container has come to it, or ended.

        Its side sees the connection half closed, as it would see it closed, if it looked: a server with one worker
        does not.  False when the connection is gone, or not there yet.
        """
        if not self.is_open() or not self._transport.can_write_eof():
            return False
        self.on_change = partial(self._look_after, ended)
        self._transport.write_eof()
        return True

    def _look_after(self, ended: Callable[[], None]) -> None:
        if self._head is not None or self._lost is not None:
            self.on_change = None
            self.abort()
            ended()

    def abort(self) -> None:
        """Close at once, dropping what was not sent."""
        if self._transport is not None:
            self._transport.abort()
        elif self._reaching is not None:
            self._reaching.cancel()

    # What the pool tells it, which brings it to the container.

    def reaches(self, reaching: asyncio.Task[None]) -> None:
        """That task will end in `connection_made` or `fail`."""
        self._reaching = reaching

    def fail(self, error: UpstreamLost) -> None:
        """The container cannot be reached."""
        self._fail(str(error))
        self._wake()

    # What the transport tells it.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._reaching = None
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
            self._drained.exception()  # nobody may be waiting
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
        if not self._awaits_rest():
            self._wake()
        elif self._hold is None:
            self._hold = self._loop.call_later(_HOLD_SECONDS, self._wake)

    def pause_writing(self) -> None:
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    # What the parser tells it.

    def on_message_begin(self) -> None:
        self._reason = b""
        self._headers = []
        if self.complete:  # a second answer, unasked
            self._keep_alive = False

    def on_status(self, status: bytes) -> None:
        self._reason += status

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head is None:  # later ones are trailers, which a proxy may drop (RFC 9110 §6.5.1)
            self._headers.append((name.lower(), name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self._unspent_bytes = 0
        status = self._parser.get_status_code()
        if status < 200 or self.complete:  # interim: the real answer follows
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

    def _awaits_rest(self) -> bool:
        """Whether a short body of known length is on its way: gunicorn sends its head alone."""
        head = self._head
        if head is None or self.complete or self._head_taken or head.content_length is None:
            return False
        return head.content_length <= _SHORT_BODY and self._lost is None

    def _fail(self, reason: str) -> None:
        if self._lost is None:
            self._lost, self._lost_answered = reason, self._answered

    def _loss(self) -> UpstreamLost:
        # a new one each time: one that is kept would keep, by its traceback, all that the request has in memory
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
