"""One listening port: aiohttp's server reads the requests, a handler of ours answers them in bytes."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage

from emulator.errors import BadArgument
from emulator.gateway.heads import Changes, own_head, response_head

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_BACKLOG = 4096
_log = logging.getLogger(__name__)
# aiohttp logs what it could not parse, which may be a line with a key in it.
_silent = logging.Logger("amlemu-gateway-parser", level=logging.CRITICAL + 1)


class Answered(web.StreamResponse):
    """Tells aiohttp that the handler has written the answer itself, and whether the connection stays open.

    aiohttp's own responses add Date, Server and Content-Type and encode header values; a proxy must not.
    """

    def __init__(self, *, keep_alive: bool) -> None:
        super().__init__()
        self._stays_open = keep_alive

    @property
    def keep_alive(self) -> bool | None:
        """Whether another request may follow."""
        return self._stays_open

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Nothing is left to prepare."""
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to write."""


STAYS_OPEN = Answered(keep_alive=True)
CLOSES = Answered(keep_alive=False)


async def answer(
    request: web.BaseRequest, status: int, text: str, changes: Changes | None = None, *, close: bool = False
) -> Answered:
    """Write an answer of the gateway's own, in plain text; `close` ends the connection after it."""
    body = text.encode()
    keep_alive = request.keep_alive and not close
    head = response_head(
        own_head(status, formatdate(usegmt=True), body),
        changes or Changes(),
        chunked=False,
        connection=connection_header(request, keep_alive=keep_alive),
    )
    await request.writer.write(head if request.method == "HEAD" else head + body)
    return STAYS_OPEN if keep_alive else CLOSES


def connection_header(request: web.BaseRequest, *, keep_alive: bool) -> bytes | None:
    """The Connection header of an answer, None where the version's default says it (RFC 9112 §9.3)."""
    if not keep_alive:
        return b"close"
    return b"keep-alive" if request.version < (1, 1) else None


class _Conversation(web.RequestHandler):
    """aiohttp's connection, with errors answered in our own form."""

    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        """Parse; a body that breaks its framing fails for its reader, who waits for ever with aiohttp alone."""
        super().data_received(data)
        request = self._current_request
        broken = bool(self._messages) and not isinstance(self._messages[-1][0], RawRequestMessage)
        if broken and request is not None and not request.content.is_eof():
            request.content.set_exception(web.RequestPayloadError("the body breaks its framing"))

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """The answer to a request that is not HTTP (400), or that met a bug of ours (500)."""
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.error("a request met a bug in the gateway", exc_info=exc)
        if request.writer.output_size:
            raise ConnectionError("an answer has begun, so only the end of the connection can tell of the error")
        return _Late(status)


class _Late(Answered):
    """An answer that aiohttp itself writes, after a handler that could not."""

    def __init__(self, status: int) -> None:
        super().__init__(keep_alive=False)
        self._late_status = status
        self._request: web.BaseRequest | None = None

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        await answer(request, self._late_status, HTTPStatus(self._late_status).phrase, close=True)
        return None


class _Server(web.Server):
    """aiohttp's server, handing out our connections."""

    def __init__(self, handler: Handler, loop: asyncio.AbstractEventLoop) -> None:
        # a caller that goes away must take its request to the container with it
        super().__init__(handler, handler_cancellation=True, loop=loop)
        self._own_loop = loop

    def __call__(self) -> web.RequestHandler:
        return _Conversation(self, loop=self._own_loop, logger=_silent, access_log=_silent, auto_decompress=False)


class Listener:
    """A port that answers with one handler."""

    def __init__(self, handler: Handler, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._server = _Server(handler, loop)
        self._listening: Any = None
        self.port = 0

    async def open(self, sock: socket.socket) -> None:
        """Accept connections on that bound socket, which the listener closes from now on."""
        self.port = sock.getsockname()[1]
        self._listening = await self._loop.create_server(self._server, sock=sock, backlog=_BACKLOG)

    async def close(self, grace_seconds: float) -> None:
        """Accept no more, let running requests end for that long, then cut what is left."""
        self._listening.close()
        self._server.pre_shutdown()  # ends idle connections now, busy ones after their request
        await self._server.shutdown(grace_seconds)


def bind(host: str, port: int, target: str) -> socket.socket:
    """A socket bound to that port; BadArgument, naming `target` and the port, when it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        # a port that is only in TIME_WAIT is free; one that somebody listens on still is not
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise BadArgument(
            f"port {port} of {host} cannot be used: {error.strerror or error}",
            target=target,
            hint="stop what listens there, or choose another port (AMLEMU_GATEWAY_PORT for the gateway's own)",
        ) from error
    sock.setblocking(False)
    return sock
