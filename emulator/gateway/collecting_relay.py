"""A relay whose bodies are collected; every other request knows nothing of it."""

from __future__ import annotations

from emulator.gateway.caller import Caller
from emulator.gateway.connection_pool import Pool
from emulator.gateway.container_connection import Connection, UpstreamLost
from emulator.gateway.payload_log import Capture, PayloadLog
from emulator.gateway.relay import Door, Relay
from emulator.routing.http_heads import ResponseHead
from emulator.routing.routes import EndpointRoute, Instance


class CollectingRelay(Relay):
    """Keeps what passes of both bodies, the container's answer before anything of it is mapped."""

    __slots__ = ("_capture", "_log")

    def __init__(
        self, pool: Pool, door: Door, route: EndpointRoute, caller: Caller, capture: Capture, instance: Instance,
        head: bytes, log: PayloadLog,
    ) -> None:  # fmt: skip
        super().__init__(pool, door, route, caller, capture.exchange, instance, head)
        self._capture = capture
        self._log = log

    def begin(self) -> None:
        try:
            super().begin()
        except UpstreamLost:  # nothing has reached the container
            for body in self._capture.bodies:
                body.complete = False
            self._log.add(self._capture)
            raise

    def _over(self) -> None:
        super()._over()
        self._log.add(self._capture)

    def _body(self) -> bytes:
        self._keep_request(self.request.peek(), last=True)
        return super()._body()

    async def _next_of_body(self, connection: Connection) -> bytes:
        data = await super()._next_of_body(connection)
        self._keep_request(data, last=not data)
        return data

    def _reply(self, connection: Connection) -> bool:
        self._capture.head = connection.take_head()
        data = connection.peek()
        try:
            return super()._reply(connection)
        finally:  # it has come whole, whatever becomes of it
            self._keep_response(data, last=True)

    async def _answer(self, head: ResponseHead, connection: Connection) -> bool:
        self._capture.head = head
        return await super()._answer(head, connection)

    def _take_piece(self, connection: Connection) -> bytes:
        data = super()._take_piece(connection)
        self._keep_response(data, last=connection.complete)
        return data

    def _keep_request(self, data: bytes, *, last: bool) -> None:
        body = self._capture.request
        self._log.keep(self._capture, body, data)
        if body is not None:
            body.complete = last

    def _keep_response(self, data: bytes, *, last: bool) -> None:
        body = self._capture.response
        seen = self._capture.profile.containers_answer or not self._mute
        self._log.keep(self._capture, body, data if seen else b"")
        if body is not None:
            body.complete = last
