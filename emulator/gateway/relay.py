"""The relay of one admitted request to its container, and of the response to its caller."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Protocol

from emulator.gateway.caller import Caller
from emulator.gateway.caller_connection import connection_header
from emulator.gateway.connection_pool import ConnectionPool
from emulator.gateway.container_connection import ContainerConnection, UpstreamLost
from emulator.gateway.quotas import Bandwidth, Quotas
from emulator.gateway.request import BrokenBody, Request
from emulator.gateway.response_rewriting import map_status, response_edits
from emulator.gateway.traffic_log import Exchange
from emulator.routing.http_heads import CONTINUE, LAST_CHUNK, ResponseHead, chunk, header_line, response_head
from emulator.routing.routes import EndpointRoute, Instance

# Repeating these is harmless (RFC 9110 §9.2.2), so a lost reused connection may be tried again.
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
_CLIENT_GONE = 499  # never sent; proxies log it


class RelayCallbacks(Protocol):
    """What a relay tells the request handler, and asks of it."""

    @property
    def quotas(self) -> Quotas:
        """The quotas of the endpoints."""

    def answer_for_container(self, relay: Relay, error: UpstreamLost | BrokenBody) -> bool:
        """Answer a request that its container did not; return whether the connection can carry another."""

    def answer_timeout(self, relay: Relay) -> bool:
        """Answer a request that has timed out; return whether the connection can carry another."""

    def on_finished(self, relay: Relay) -> None:
        """The request has ended, in whatever way; called once."""

    def on_abandoned(self, relay: Relay) -> None:
        """The container still works on a request that has ended."""

    def on_abandoned_done(self, relay: Relay) -> None:
        """The container has finished an abandoned request."""


class Relay:
    """Relays one request to its instance, and the response back.

    `head` is the head for the container, `key` names the endpoint and the deployment.  A request that has arrived
    whole and a response that arrives whole, as nearly all do, need no task: they are passed on in the call that the
    connection makes.  Everything else streams, in a task.
    """

    __slots__ = (
        "_bandwidth",
        "_callbacks",
        "_connection",
        "_drops_body",
        "_ended",
        "_head",
        "_loop",
        "_pool",
        "_reused",
        "_task",
        "_timer",
        "_whole",
        "caller",
        "exchange",
        "instance",
        "key",
        "request",
        "route",
    )

    def __init__(
        self,
        pool: ConnectionPool,
        callbacks: RelayCallbacks,
        route: EndpointRoute,
        caller: Caller,
        exchange: Exchange,
        instance: Instance,
        head: bytes,
    ) -> None:
        self._loop = pool.loop
        self._pool = pool
        self._callbacks = callbacks
        self.route = route
        self.key = route.name, exchange.deployment
        self.caller = caller
        self.request: Request = exchange.request
        self.exchange = exchange
        self.instance = instance
        self._head = head
        self._connection: ContainerConnection | None = None
        self._ended = False
        self._drops_body = False  # of the container's response
        self._bandwidth = callbacks.quotas.bandwidth(route.profile.scoring, exchange)
        self._reused = False
        self._whole = b""
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Send what has arrived of the request; UpstreamLost when the container refuses the connection at once."""
        if self.request.complete and self._bandwidth is None:
            self._whole = self._head + self._body()
            self._connect(self._whole).on_change = self._changed
        else:
            connection = self._connect(self._head)
            self._run(self._stream, connection)

    def expires_in(self, seconds: float) -> None:
        """Time the request out after that many seconds (rows timeouts.*)."""
        self._timer = self._loop.call_later(seconds, self._expire)

    def cancel(self) -> None:
        """Stop: the caller is gone.  The container only sees its connection half closed."""
        if self._ended:
            return
        self._note_client_gone()
        self._drop()
        self._finish()

    def _expire(self) -> None:
        """Time out: cut a response that has begun, else answer in the container's place."""
        if self.caller.written:
            if not self.route.profile.scoring.timeout_cuts_streams:
                return
            self.exchange.reason = "timeouts.cuts_streams"
            self._drop()
            self._finish()
            self.caller.abort()
            return
        keep_alive = self._callbacks.answer_timeout(self)
        self._drop()
        self._finish()
        # what still comes of the body belongs to a request that is over
        self.caller.finish_request(self.request, keep_alive and self.request.complete)

    def _drop(self) -> None:
        """Let go of the container: watch until it has finished a request that it got whole, else close."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        connection, self._connection = self._connection, None
        if connection is None:
            return
        works_on = bool(self._whole) and not connection.has_head and self.route.profile.scoring.container_goes_on
        if works_on and self._pool.abandon(connection, lambda: self._callbacks.on_abandoned_done(self)):
            self._callbacks.on_abandoned(self)
        else:
            self._pool.release(self.instance, connection)

    def _finish(self) -> None:
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._callbacks.on_finished(self)

    def _note_client_gone(self) -> None:
        self.exchange.status, self.exchange.reason = _CLIENT_GONE, "client closed the connection"

    # whole requests and responses

    def _body(self) -> bytes:
        """Take the whole body, framed as it came."""
        body = self.request.take()
        self.exchange.request_size = len(body)
        self.exchange.request_received = time.perf_counter()
        if self.request.chunked:
            return (chunk(body) if body else b"") + LAST_CHUNK
        return body

    def _connect(self, data: bytes, *, anew: bool = False) -> ContainerConnection:
        connection = None if anew else self._pool.reuse(self.instance)
        self._reused = connection is not None
        if connection is None:
            connection = self._pool.connect(self.instance, self.request.method, data)
        else:
            connection.send(self.request.method, data)
        self._connection = connection
        return connection

    def _changed(self) -> None:
        """Act on the first news of a response: its head, or the loss of the connection."""
        connection = self._connection
        if connection is None or (not connection.has_head and connection.lost is None):
            return
        connection.on_change = None
        try:
            if not connection.has_head:
                self._lost(connection.lost or UpstreamLost("closed", answered=False))
            elif connection.complete and self._bandwidth is None:
                self._end(self._reply(connection))
            else:
                self._run(self._reply_streaming, connection)
        except ConnectionError:
            self._note_client_gone()
            self._end(False)
        except Exception as error:
            self._end(self.caller.answer_error(self.request, error))

    def _lost(self, lost: UpstreamLost) -> None:
        """Retry once where that is harmless and the reused connection may have been stale; else answer."""
        if self._reused and not lost.answered and self.request.method in _IDEMPOTENT:
            self._release()
            try:
                self._connect(self._whole, anew=True).on_change = self._changed
                return
            except UpstreamLost as again:
                lost = again
        self._end(self._callbacks.answer_for_container(self, lost))

    def _reply(self, connection: ContainerConnection) -> bool:
        """Write a response that has arrived whole."""
        out, chunked, keep_alive = self._begin_answer(connection.take_head())
        data = b"" if self._drops_body else connection.take()
        self.exchange.response_size = len(data)
        if chunked:
            data = (chunk(data) if data else b"") + LAST_CHUNK
        self.caller.write(out + data)
        return keep_alive

    async def _reply_streaming(self, connection: ContainerConnection) -> bool:
        return await self._answer(connection.take_head(), connection)

    def _end(self, keep_alive: bool) -> None:
        self._release()
        self._finish()
        self.caller.finish_request(self.request, keep_alive)

    def _release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.on_change = None
            self._pool.release(self.instance, connection)

    # streaming

    def _run(
        self, streaming: Callable[[ContainerConnection], Awaitable[bool]], connection: ContainerConnection
    ) -> None:
        self._task = self._loop.create_task(self._guard(streaming, connection))

    async def _guard(
        self, streaming: Callable[[ContainerConnection], Awaitable[bool]], connection: ContainerConnection
    ) -> None:
        keep_alive = False
        try:
            # called here: a task that is canceled before it begins would leave a coroutine that is never awaited
            keep_alive = await streaming(connection)
        except (UpstreamLost, BrokenBody) as error:
            keep_alive = self._callbacks.answer_for_container(self, error)
        except ConnectionError:
            self._note_client_gone()
        except Exception as error:
            keep_alive = self.caller.answer_error(self.request, error)
        self._task = None
        self._end(keep_alive)

    async def _stream(self, connection: ContainerConnection) -> bool:
        """Relay a request whose body is still arriving.

        Raises UpstreamLost while nothing of a response was written, BrokenBody when the caller's body is not HTTP.
        """
        request = self.request
        if request.is_1_1 and request.header(b"expect").lower() == b"100-continue":
            self.caller.write(CONTINUE)
        upload = self._loop.create_task(self._upload(connection))
        upload.add_done_callback(_retrieve_exception)
        try:
            return await self._answer(await connection.head(), connection)
        except UpstreamLost:
            if upload.done() and not upload.cancelled() and isinstance(broken := upload.exception(), BrokenBody):
                raise BrokenBody(broken.rejected) from None  # the task keeps its own, which would keep this frame
            raise
        finally:
            if not upload.done():
                connection.abort()  # the rest of this body must not become the next request
            upload.cancel()  # not awaited: a cancellation of this task during that await would be lost

    async def _upload(self, connection: ContainerConnection) -> None:
        """Send the body as it arrives, at the pace of the slower side."""
        chunked, exchange = self.request.chunked, self.exchange
        try:
            while data := await self._next_of_body(connection):
                exchange.request_size += len(data)
                if self._bandwidth is not None:
                    exchange.request_delay_ms += await self._delay(self._bandwidth, len(data))
                await connection.write(chunk(data) if chunked else data)
            exchange.request_received = time.perf_counter()
            if chunked:
                await connection.write(LAST_CHUNK)
        except UpstreamLost:
            return  # what it answered before, if anything, says why

    async def _delay(self, bandwidth: Bandwidth, count: int) -> int:
        """Wait until `count` bytes may pass; return the wait in milliseconds."""
        seconds = bandwidth.delay_seconds(count, time.perf_counter())
        if seconds:
            await asyncio.sleep(seconds)
        return round(seconds * 1000)

    async def _next_of_body(self, connection: ContainerConnection) -> bytes:
        """Read more of the body; BrokenBody when it ends early or is longer than the target takes."""
        scoring = self.route.profile.scoring
        try:
            data = await self.request.read()
            longest = scoring.request_bytes
            if longest is not None and self.exchange.request_size + len(data) > longest:
                rejected = self._callbacks.quotas.reject_length(scoring, self.exchange)
                if rejected is not None:
                    raise BrokenBody(rejected)
            return data
        except BrokenBody:
            connection.abort()
            raise

    async def _answer(self, head: ResponseHead, connection: ContainerConnection) -> bool:
        out, chunked, keep_alive = self._begin_answer(head)
        try:
            if self.route.profile.scoring.streams:
                await self._pour(connection, out, chunked=chunked)
            else:
                await self._pour_whole(connection, out, chunked=chunked)
        except UpstreamLost:
            if not self.route.profile.scoring.streams:
                raise  # nothing is written yet, so the gateway can still answer
            # the head is written, so only a connection cut in the middle can tell the caller
            if not chunked and head.content_length is None:
                self.caller.abort()
            return False
        return keep_alive

    def _begin_answer(self, head: ResponseHead) -> tuple[bytes, bool, bool]:
        """Return the head for the caller, whether the body is chunked, and whether the connection stays open."""
        exchange, route = self.exchange, self.route
        exchange.response_began = time.perf_counter()
        exchange.model_status = head.status
        edits = response_edits(route, exchange)
        if head.status != HTTPStatus.OK:
            has_body = head.has_body
            head, explanation = map_status(route.profile.scoring, head, exchange)
            self._drops_body = has_body and not head.has_body
            edits = edits._replace(last=edits.last + explanation)
        if route.profile.scoring.model_time_header:
            spent_ms = round((exchange.response_began - (exchange.request_received or exchange.started)) * 1000)
            told = header_line(route.profile.scoring.model_time_header, str(spent_ms))
            edits = edits._replace(last=edits.last + told)
        exchange.status = head.status
        ends_with_connection = head.has_body and head.content_length is None
        chunked = ends_with_connection and self.request.is_1_1
        keep_alive = self.request.keep_alive and (chunked or not ends_with_connection)
        connection = connection_header(self.request, keep_alive=keep_alive)
        return response_head(head, edits, chunked=chunked, connection=connection), chunked, keep_alive

    async def _pour(self, connection: ContainerConnection, out: bytes, *, chunked: bool) -> None:
        """Write `out`, then each piece of the body as it arrives."""
        while True:
            data, last = self._take_piece(connection), connection.complete
            if self._drops_body:
                data = b""
            self.exchange.response_size += len(data)
            if data:
                if self._bandwidth is not None:
                    self.exchange.response_delay_ms += await self._delay(self._bandwidth, len(data))
                out += chunk(data) if chunked else data
            if last:
                break
            await self._write(out)
            out = b""
            await connection.more()
        await self._write(out + self._last_chunk() if chunked else out)

    def _take_piece(self, connection: ContainerConnection) -> bytes:
        return connection.take()

    async def _pour_whole(self, connection: ContainerConnection, out: bytes, *, chunked: bool) -> None:
        """Write `out` and the body once all of it has arrived (row routing.streaming)."""
        parts = []
        while True:
            parts.append(self._take_piece(connection))
            if connection.complete:
                break
            await connection.more()
        data = b"" if self._drops_body else b"".join(parts)
        self.exchange.response_size = len(data)
        if self._bandwidth is not None:
            self.exchange.response_delay_ms = await self._delay(self._bandwidth, len(data))
        if chunked:
            data = (chunk(data) if data else b"") + self._last_chunk()
        await self._write(out + data)

    async def _write(self, out: bytes) -> None:
        if out:
            self.caller.write(out)
        if self.caller.congested:
            await self.caller.drain()

    def _last_chunk(self) -> bytes:
        """The end of a chunked answer, with trailers that tell how it was slowed (row limits.bandwidth_trailers)."""
        names = self.route.profile.scoring.bandwidth_trailers
        delays = self.exchange.request_delay_ms, self.exchange.response_delay_ms
        if names is None or not any(delays):
            return LAST_CHUNK
        return (
            b"0\r\n"
            + b"".join(header_line(name, str(delay)) for name, delay in zip(names, delays, strict=True))
            + b"\r\n"
        )


def _retrieve_exception(upload: asyncio.Task[None]) -> None:
    """Retrieve the upload's exception, so that asyncio does not log one that nobody awaited."""
    if not upload.cancelled():
        upload.exception()
