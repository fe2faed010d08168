"""A relay that collects the bodies it passes on; requests without a collector use the plain one."""

from __future__ import annotations

from emulator.gateway.caller import Caller
from emulator.gateway.connection_pool import ConnectionPool
from emulator.gateway.container_connection import ContainerConnection, UpstreamLost
from emulator.gateway.payload_log import Capture, PayloadLog
from emulator.gateway.relay import Relay, RelayCallbacks
from emulator.routing.http_heads import ResponseHead
from emulator.routing.routes import EndpointRoute, Instance


class CollectingRelay(Relay):
    """Collects both bodies as they pass, the container's response before its status is mapped."""

    __slots__ = ("_capture", "_log")

    def __init__(
        self,
        pool: ConnectionPool,
        callbacks: RelayCallbacks,
        route: EndpointRoute,
        caller: Caller,
        capture: Capture,
        instance: Instance,
        head: bytes,
        log: PayloadLog,
    ) -> None:
        super().__init__(pool, callbacks, route, caller, capture.exchange, instance, head)
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

    def _finish(self) -> None:
        super()._finish()
        self._log.add(self._capture)

    def _body(self) -> bytes:
        self._keep_request(self.request.peek(), last=True)
        return super()._body()

    async def _next_of_body(self, connection: ContainerConnection) -> bytes:
        data = await super()._next_of_body(connection)
        self._keep_request(data, last=not data)
        return data

    def _reply(self, connection: ContainerConnection) -> bool:
        self._capture.head = connection.take_head()
        data = connection.peek()
        try:
            return super()._reply(connection)
        finally:  # the container's response is complete, also where the caller does not get it
            self._keep_response(data, last=True)

    async def _answer(self, head: ResponseHead, connection: ContainerConnection) -> bool:
        self._capture.head = head
        return await super()._answer(head, connection)

    def _take_piece(self, connection: ContainerConnection) -> bytes:
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
        seen = self._capture.profile.containers_answer or not self._drops_body
        self._log.keep(self._capture, body, data if seen else b"")
        if body is not None:
            body.complete = last
