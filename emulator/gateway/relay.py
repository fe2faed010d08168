"""One admitted request: to its container and back, both bodies as they come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Protocol

from emulator.gateway.caller import Caller
from emulator.gateway.caller_connection import connection_header
from emulator.gateway.connection_pool import Pool
from emulator.gateway.container_connection import Connection, UpstreamLost
from emulator.gateway.quotas import Bandwidth, Limits
from emulator.gateway.request import BrokenBody, Request
from emulator.gateway.response_rewriting import answer_changes, mapped
from emulator.gateway.traffic_log import Exchange
from emulator.routing.http_heads import CONTINUE, LAST_CHUNK, ResponseHead, chunk, line, response_head
from emulator.routing.routes import EndpointRoute, Instance

# Repeating these is harmless (RFC 9110 §9.2.2), so a lost reused connection may be tried again.
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
_CLIENT_GONE = 499  # nobody gets it; it is what proxies write into their logs


class Door(Protocol):
    """What a relay needs of the front door."""

    @property
    def limits(self) -> Limits:
        """The quotas of the endpoints."""

    def stand_in(self, relay: Relay, error: UpstreamLost | BrokenBody) -> bool:
        """Answer in the container's place; whether the caller's connection can carry another request."""

    def timed_out(self, relay: Relay) -> bool:
        """Answer that the time is over; whether the caller's connection can carry another request."""

    def over(self, relay: Relay) -> None:
        """The request is over, however it ended; called once."""

    def abandon(self, relay: Relay) -> None:
        """The container goes on with a request that is over."""

    def abandoned_ended(self, relay: Relay) -> None:
        """It has ended too."""


class Relay:
    """A request on its way; `head` is the head for the container, `key` names the endpoint and the deployment.

    A request that is there whole and an answer that comes whole, as nearly all do, need no task: what the container's
    connection tells is acted on at once.  Everything else streams, in a task.
    """

    __slots__ = (
        "_bandwidth",
        "_connection",
        "_door",
        "_ended",
        "_head",
        "_loop",
        "_mute",
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
        pool: Pool,
        door: Door,
        route: EndpointRoute,
        caller: Caller,
        exchange: Exchange,
        instance: Instance,
        head: bytes,
    ) -> None:
        self._loop = pool.loop
        self._pool = pool
        self._door = door
        self.route = route
        self.key = route.name, exchange.deployment
        self.caller = caller
        self.request: Request = exchange.request
        self.exchange = exchange
        self.instance = instance
        self._head = head
        self._connection: Connection | None = None
        self._ended = False
        self._mute = False  # the body of the container's answer stays here
        self._bandwidth = door.limits.bandwidth(route.profile.scoring, exchange)
        self._reused = False
        self._whole = b""
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Send what is there of the request; UpstreamLost when the container refuses it at once."""
        if self.request.complete and self._bandwidth is None:
            self._whole = self._head + self._body()
            self._connect(self._whole).on_change = self._changed
        else:
            connection = self._connect(self._head)
            self._run(self._stream, connection)

    def expires_in(self, seconds: float) -> None:
        """Give up after that time (rows timeouts.*)."""
        self._timer = self._loop.call_later(seconds, self._expire)

    def cancel(self) -> None:
        """The caller is gone; the container is not told more than that its answer has no reader."""
        if self._ended:
            return
        self._note_client_gone()
        self._drop()
        self._over()

    def _expire(self) -> None:
        """The time is over: an answer that has begun is cut, else the front door answers in its place."""
        if self.caller.written:
            if not self.route.profile.scoring.timeout_cuts_streams:
                return
            self.exchange.reason = "timeouts.cuts_streams"
            self._drop()
            self._over()
            self.caller.abort()
            return
        keep_alive = self._door.timed_out(self)
        self._drop()
        self._over()
        # what still comes of the body belongs to a request that is over
        self.caller.settle(self.request, keep_alive and self.request.complete)

    def _drop(self) -> None:
        """Leave the container with the request, and watch when it is done with it; cut what has begun to come."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        connection, self._connection = self._connection, None
        if connection is None:
            return
        works_on = bool(self._whole) and not connection.has_head and self.route.profile.scoring.container_goes_on
        if works_on and self._pool.abandon(connection, lambda: self._door.abandoned_ended(self)):
            self._door.abandon(self)
        else:
            self._pool.release(self.instance, connection)

    def _over(self) -> None:
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._door.over(self)

    def _note_client_gone(self) -> None:
        self.exchange.status, self.exchange.reason = _CLIENT_GONE, "client closed the connection"

    # A request that is whole.

    def _body(self) -> bytes:
        """The whole body, framed as it came."""
        body = self.request.take()
        self.exchange.request_size = len(body)
        self.exchange.request_received = time.perf_counter()
        if self.request.chunked:
            return (chunk(body) if body else b"") + LAST_CHUNK
        return body

    def _connect(self, data: bytes, *, anew: bool = False) -> Connection:
        connection = None if anew else self._pool.reuse(self.instance)
        self._reused = connection is not None
        if connection is None:
            connection = self._pool.connect(self.instance, self.request.method, data)
        else:
            connection.send(self.request.method, data)
        self._connection = connection
        return connection

    def _changed(self) -> None:
        """There is more to know of an answer that nothing was told of yet."""
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
            self._end(self.caller.excuse(self.request, error))

    def _lost(self, lost: UpstreamLost) -> None:
        """Nothing came back: try once more where that is harmless and the connection may have been a stale one."""
        if self._reused and not lost.answered and self.request.method in _IDEMPOTENT:
            self._release()
            try:
                self._connect(self._whole, anew=True).on_change = self._changed
                return
            except UpstreamLost as again:
                lost = again
        self._end(self._door.stand_in(self, lost))

    def _reply(self, connection: Connection) -> bool:
        """Pass on an answer that is there whole."""
        out, chunked, keep_alive = self._begin_answer(connection.take_head())
        data = b"" if self._mute else connection.take()
        self.exchange.response_size = len(data)
        if chunked:
            data = (chunk(data) if data else b"") + LAST_CHUNK
        self.caller.write(out + data)
        return keep_alive

    async def _reply_streaming(self, connection: Connection) -> bool:
        return await self._answer(connection.take_head(), connection)

    def _end(self, keep_alive: bool) -> None:
        self._release()
        self._over()
        self.caller.settle(self.request, keep_alive)

    def _release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.on_change = None
            self._pool.release(self.instance, connection)

    # Whatever streams.

    def _run(self, streaming: Callable[[Connection], Awaitable[bool]], connection: Connection) -> None:
        self._task = self._loop.create_task(self._guard(streaming, connection))

    async def _guard(self, streaming: Callable[[Connection], Awaitable[bool]], connection: Connection) -> None:
        keep_alive = False
        try:
            # called here, because a task that is canceled before it begins would leave a coroutine that nobody awaits
            keep_alive = await streaming(connection)
        except (UpstreamLost, BrokenBody) as error:
            keep_alive = self._door.stand_in(self, error)
        except ConnectionError:
            self._note_client_gone()
        except Exception as error:
            keep_alive = self.caller.excuse(self.request, error)
        self._task = None
        self._end(keep_alive)

    async def _stream(self, connection: Connection) -> bool:
        """Carry over a request whose body still comes.

        Raises UpstreamLost as long as nothing was answered, BrokenBody when the caller's body is not HTTP.
        """
        request = self.request
        if request.is_1_1 and request.header(b"expect").lower() == b"100-continue":
            self.caller.write(CONTINUE)
        upload = self._loop.create_task(self._upload(connection))
        upload.add_done_callback(_hear)
        try:
            return await self._answer(await connection.head(), connection)
        except UpstreamLost:
            if upload.done() and not upload.cancelled() and isinstance(broken := upload.exception(), BrokenBody):
                raise BrokenBody(broken.refused) from None  # its own would be kept by its task, and keep this frame
            raise
        finally:
            if not upload.done():
                connection.abort()  # the rest of this body must not become the next request
            upload.cancel()  # not awaited: who is canceled here meanwhile would not learn of it, and end twice

    async def _upload(self, connection: Connection) -> None:
        """Send the body on as it comes in, at the pace of the slower side."""
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
        """Wait until so many bytes may pass; for how many milliseconds that was."""
        seconds = bandwidth.delay_seconds(count, time.perf_counter())
        if seconds:
            await asyncio.sleep(seconds)
        return round(seconds * 1000)

    async def _next_of_body(self, connection: Connection) -> bytes:
        """More of the body; BrokenBody when it ends too early, or is longer than the target takes."""
        scoring = self.route.profile.scoring
        try:
            data = await self.request.read()
            longest = scoring.request_bytes
            if longest is not None and self.exchange.request_size + len(data) > longest:
                refused = self._door.limits.refuse_length(scoring, self.exchange)
                if refused is not None:
                    raise BrokenBody(refused)
            return data
        except BrokenBody:
            connection.abort()
            raise

    async def _answer(self, head: ResponseHead, connection: Connection) -> bool:
        out, chunked, keep_alive = self._begin_answer(head)
        try:
            if self.route.profile.scoring.streams:
                await self._pour(connection, out, chunked=chunked)
            else:
                await self._pour_whole(connection, out, chunked=chunked)
        except UpstreamLost:
            if not self.route.profile.scoring.streams:
                raise  # nothing of it is gone, so the front door can answer still
            # the head is gone, so only an end in the middle can tell the caller
            if not chunked and head.content_length is None:
                self.caller.abort()
            return False
        return keep_alive

    def _begin_answer(self, head: ResponseHead) -> tuple[bytes, bool, bool]:
        """The head for the caller, whether its body is chunked, and whether another request may follow."""
        exchange, route = self.exchange, self.route
        exchange.response_began = time.perf_counter()
        exchange.model_status = head.status
        changes = answer_changes(route, exchange)
        if head.status != HTTPStatus.OK:
            has_body = head.has_body
            head, explanation = mapped(route.profile.scoring, head, exchange)
            self._mute = has_body and not head.has_body
            changes = changes._replace(last=changes.last + explanation)
        if route.profile.scoring.model_time_header:
            spent_ms = round((exchange.response_began - (exchange.request_received or exchange.started)) * 1000)
            told = line(route.profile.scoring.model_time_header, str(spent_ms))
            changes = changes._replace(last=changes.last + told)
        exchange.status = head.status
        ends_with_connection = head.has_body and head.content_length is None
        chunked = ends_with_connection and self.request.is_1_1
        keep_alive = self.request.keep_alive and (chunked or not ends_with_connection)
        connection = connection_header(self.request, keep_alive=keep_alive)
        return response_head(head, changes, chunked=chunked, connection=connection), chunked, keep_alive

    async def _pour(self, connection: Connection, out: bytes, *, chunked: bool) -> None:
        """Write `out` and the body as it comes, each piece at once."""
        while True:
            data, last = self._take_piece(connection), connection.complete
            if self._mute:
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

    def _take_piece(self, connection: Connection) -> bytes:
        return connection.take()

    async def _pour_whole(self, connection: Connection, out: bytes, *, chunked: bool) -> None:
        """Write `out` and the body once all of it has come (row routing.streaming)."""
        parts = []
        while True:
            parts.append(self._take_piece(connection))
            if connection.complete:
                break
            await connection.more()
        data = b"" if self._mute else b"".join(parts)
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
        return b"0\r\n" + b"".join(line(name, str(delay)) for name, delay in zip(names, delays, strict=True)) + b"\r\n"


def _hear(upload: asyncio.Task[None]) -> None:
    """Take note of how an upload ended: whoever needs to know has asked by then."""
    if not upload.cancelled():
        upload.exception()
