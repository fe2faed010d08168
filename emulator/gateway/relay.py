"""One admitted request: to its container and back, both bodies as they come."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass

from emulator.gateway.conversation import Conversation, connection_header
from emulator.gateway.heads import CONTINUE, LAST_CHUNK, Changes, ResponseHead, chunk, response_head
from emulator.gateway.pool import Pool
from emulator.gateway.request import BrokenBody, Request
from emulator.gateway.traffic_log import Exchange
from emulator.gateway.upstream import Connection, UpstreamLost
from emulator.routes import Instance

# Repeating these is harmless (RFC 9110 §9.2.2), so a lost reused connection may be tried again.
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})


@dataclass(slots=True)
class Relay:
    """What one request needs on its way: `head` is the head for the container, `changes` those to its answer's."""

    conversation: Conversation
    request: Request
    exchange: Exchange
    pool: Pool
    instance: Instance
    head: bytes
    changes: Changes
    loop: asyncio.AbstractEventLoop

    async def run(self) -> bool:
        """Carry the request over.

        Raises UpstreamLost as long as nothing was answered, BrokenBody when the caller's body is not HTTP.
        """
        request = self.request
        if request.complete:
            body = request.take()
            self.exchange.request_size = len(body)
            self.exchange.request_received = time.perf_counter()
            if request.chunked:
                body = (chunk(body) if body else b"") + LAST_CHUNK
            return await self._exchange_whole(body)
        return await self._exchange_streamed()

    async def _exchange_whole(self, body: bytes) -> bool:
        method, data = self.request.method, self.head + body
        connection = self.pool.reuse(self.instance)
        if connection is not None:
            connection.send(method, data)
            try:
                return await self._ask(connection)
            except UpstreamLost as lost:
                if lost.answered or method not in _IDEMPOTENT:
                    raise
        return await self._ask(await self.pool.connect(self.instance, method, data))

    async def _exchange_streamed(self) -> bool:
        request = self.request
        if request.is_1_1 and request.header(b"expect").lower() == b"100-continue":
            self.conversation.write(CONTINUE)
        connection = self.pool.reuse(self.instance)
        if connection is not None:
            connection.send(request.method, self.head)
        else:
            connection = await self.pool.connect(self.instance, request.method, self.head)
        upload = self.loop.create_task(self._upload(connection))
        try:
            return await self._ask(connection, upload)
        except UpstreamLost:
            if upload.done() and not upload.cancelled() and isinstance(upload.exception(), BrokenBody):
                raise BrokenBody from upload.exception()
            raise
        finally:
            upload.cancel()
            with suppress(asyncio.CancelledError, BrokenBody):
                await upload

    async def _upload(self, connection: Connection) -> None:
        """Send the body on as it comes in, at the pace of the slower side."""
        chunked = self.request.chunked
        try:
            while data := await self._next_of_body(connection):
                self.exchange.request_size += len(data)
                await connection.write(chunk(data) if chunked else data)
            self.exchange.request_received = time.perf_counter()
            if chunked:
                await connection.write(LAST_CHUNK)
        except UpstreamLost:
            return  # what it answered before, if anything, says why

    async def _next_of_body(self, connection: Connection) -> bytes:
        try:
            return await self.request.read()
        except BrokenBody:
            connection.abort()
            raise

    async def _ask(self, connection: Connection, upload: asyncio.Task[None] | None = None) -> bool:
        try:
            head = await connection.head()
            self.exchange.response_began = time.perf_counter()
            self.exchange.model_status = self.exchange.status = head.status
            return await self._answer(head, connection)
        finally:
            if upload is not None and not upload.done():
                connection.abort()  # the rest of this body must not become the next request
            self.pool.release(self.instance, connection)

    async def _answer(self, head: ResponseHead, connection: Connection) -> bool:
        ends_with_connection = head.has_body and head.content_length is None
        chunked = ends_with_connection and self.request.is_1_1
        keep_alive = self.request.keep_alive and (chunked or not ends_with_connection)
        out = response_head(
            head,
            self.changes,
            chunked=chunked,
            connection=connection_header(self.request, keep_alive=keep_alive),
        )
        try:
            await self._pour(connection, out, chunked=chunked)
        except UpstreamLost:
            # the head is gone, so only an end in the middle can tell the caller
            if not chunked and ends_with_connection:
                self.conversation.abort()
            return False
        return keep_alive

    async def _pour(self, connection: Connection, out: bytes, *, chunked: bool) -> None:
        """Write `out` and the body as it comes, each piece at once."""
        conversation = self.conversation
        data = connection.take()
        while True:
            self.exchange.response_size += len(data)
            if data:
                out += chunk(data) if chunked else data
            if connection.complete:
                break
            conversation.write(out)
            if conversation.congested:
                await conversation.drain()
            out = b""
            data = await connection.read()
        out += LAST_CHUNK if chunked else b""
        if out:
            conversation.write(out)
            if conversation.congested:
                await conversation.drain()
