"""A listening port and its connections."""

from __future__ import annotations

import asyncio
import heapq
import socket
import time
from collections import deque
from operator import itemgetter
from typing import Any

from emulator.gateway.caller_connection import CallerConnection, HandleRequest
from emulator.gateway.listening import BACKLOG
from emulator.routing.metrics import WINDOW_SECONDS

_SWEEP_SECONDS = 15.0
CONNECTIONS = 4096
"""The most connections of a port; beyond, those that have been idle for longest are closed."""
_MADE_ROOM_FOR = CONNECTIONS // 20


class Listener:
    """Accepts the connections of one port, whose requests go to `handler`.

    Connections beyond `at_most`, and beyond `new_at_most` in a second (None: no limit), are refused where that is
    `enforced`, else marked.  `longest_head` is in bytes (row limits.head_bytes).
    """

    def __init__(
        self,
        handler: HandleRequest,
        loop: asyncio.AbstractEventLoop,
        longest_head: int,
        at_most: int | None = None,
        new_at_most: int | None = None,
        *,
        enforced: bool = False,
    ) -> None:
        self._longest_head = longest_head
        self._at_most = at_most
        self._new_at_most = new_at_most
        self._second, self._new_in_second = 0, 0
        self._enforced = enforced
        self._accepted: deque[float] = deque()
        self._loop = loop
        self._handler = handler
        self._connections: set[CallerConnection] = set()
        self._listening: Any = None
        self._sweeping: asyncio.TimerHandle | None = None
        self._all_closed: asyncio.Future[None] | None = None
        self.port = 0

    async def open(self, sock: socket.socket) -> None:
        """Accept connections on the bound socket, which belongs to the listener from now on."""
        self.port = sock.getsockname()[1]
        self._listening = await self._loop.create_server(self._accept, sock=sock, backlog=BACKLOG)
        self._sweep()

    async def close(self, grace_seconds: float) -> None:
        """Stop accepting, wait that long for running requests to end, then cut the connections that are left."""
        self._listening.close()
        if self._sweeping is not None:
            self._sweeping.cancel()
        for connection in tuple(self._connections):
            connection.end()
        if self._connections:
            self._all_closed = self._loop.create_future()
            await asyncio.wait([self._all_closed], timeout=grace_seconds)
        for connection in tuple(self._connections):
            connection.abort()

    def _accept(self) -> CallerConnection:
        connection = CallerConnection(self._loop, self._handler, self._lost, self._longest_head)
        too_fast = self._note_new(time.monotonic())
        if too_fast or (self._at_most is not None and len(self._connections) >= self._at_most):
            connection.is_excess, connection.is_refused = True, self._enforced
        if len(self._connections) >= CONNECTIONS:
            self._make_room()
        self._connections.add(connection)
        return connection

    def _make_room(self) -> None:
        idle = [(since, one) for one in self._connections if (since := one.idle_since) is not None]
        for _, connection in heapq.nsmallest(_MADE_ROOM_FOR, idle, key=itemgetter(0)):
            connection.abort()

    def new_per_second(self) -> float:
        """The connections accepted per second over the last minute."""
        since = time.monotonic() - WINDOW_SECONDS
        return sum(accepted > since for accepted in tuple(self._accepted)) / WINDOW_SECONDS

    def _note_new(self, now: float) -> bool:
        """Count one more connection; return whether that exceeds `new_at_most` in this second."""
        while self._accepted and self._accepted[0] < now - WINDOW_SECONDS:
            self._accepted.popleft()
        self._accepted.append(now)
        if int(now) != self._second:
            self._second, self._new_in_second = int(now), 0
        self._new_in_second += 1
        return self._new_at_most is not None and self._new_in_second > self._new_at_most

    @property
    def open_connections(self) -> int:
        """The number of open connections."""
        return len(self._connections)

    def _lost(self, connection: CallerConnection) -> None:
        self._connections.discard(connection)
        if self._all_closed is not None and not self._connections and not self._all_closed.done():
            self._all_closed.set_result(None)

    def _sweep(self) -> None:
        now = time.monotonic()
        for connection in tuple(self._connections):
            connection.sweep(now)
        self._sweeping = self._loop.call_later(_SWEEP_SECONDS, self._sweep)
