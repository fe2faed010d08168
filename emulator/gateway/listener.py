"""One listening port: its connections, and their end."""

from __future__ import annotations

import asyncio
import heapq
import socket
import time
from collections import deque
from operator import itemgetter
from typing import Any

from emulator.gateway.caller_connection import Conversation, Handler
from emulator.gateway.listening import BACKLOG
from emulator.routing.metrics import WINDOW_SECONDS

_SWEEP_SECONDS = 15.0
CONNECTIONS = 4096
"""How many connections a port keeps; beyond, those are closed that have been idle for the longest."""
_MADE_ROOM_FOR = CONNECTIONS // 20


class Listener:
    """A port that answers with one handler.

    `at_most` connections are taken at once and `new_at_most` in a second (None: any number); one more is refused where
    that is `enforced`, else it is marked.  `longest_head` is in bytes (row limits.head_bytes).
    """

    def __init__(
        self,
        handler: Handler,
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
        self._conversations: set[Conversation] = set()
        self._listening: Any = None
        self._sweeping: asyncio.TimerHandle | None = None
        self._over: asyncio.Future[None] | None = None
        self.port = 0

    async def open(self, sock: socket.socket) -> None:
        """Accept connections on that bound socket, which the listener closes from now on."""
        self.port = sock.getsockname()[1]
        self._listening = await self._loop.create_server(self._converse, sock=sock, backlog=BACKLOG)
        self._sweep()

    async def close(self, grace_seconds: float) -> None:
        """Accept no more, let running requests end for that long, then cut what is left."""
        self._listening.close()
        if self._sweeping is not None:
            self._sweeping.cancel()
        for conversation in tuple(self._conversations):
            conversation.end()
        if self._conversations:
            self._over = self._loop.create_future()
            await asyncio.wait([self._over], timeout=grace_seconds)
        for conversation in tuple(self._conversations):
            conversation.abort()

    def _converse(self) -> Conversation:
        conversation = Conversation(self._loop, self._handler, self._lost, self._longest_head)
        too_fast = self._note_new(time.monotonic())
        if too_fast or (self._at_most is not None and len(self._conversations) >= self._at_most):
            conversation.is_excess, conversation.is_refused = True, self._enforced
        if len(self._conversations) >= CONNECTIONS:
            self._make_room()
        self._conversations.add(conversation)
        return conversation

    def _make_room(self) -> None:
        idle = [(since, one) for one in self._conversations if (since := one.idle_since) is not None]
        for _, conversation in heapq.nsmallest(_MADE_ROOM_FOR, idle, key=itemgetter(0)):
            conversation.abort()

    def new_per_second(self) -> float:
        """Connections accepted per second, over the last minute."""
        since = time.monotonic() - WINDOW_SECONDS
        return sum(accepted > since for accepted in tuple(self._accepted)) / WINDOW_SECONDS

    def _note_new(self, now: float) -> bool:
        """Count one more connection; whether that is more than may be made in a second."""
        while self._accepted and self._accepted[0] < now - WINDOW_SECONDS:
            self._accepted.popleft()
        self._accepted.append(now)
        if int(now) != self._second:
            self._second, self._new_in_second = int(now), 0
        self._new_in_second += 1
        return self._new_at_most is not None and self._new_in_second > self._new_at_most

    @property
    def open_connections(self) -> int:
        """How many callers are connected."""
        return len(self._conversations)

    def _lost(self, conversation: Conversation) -> None:
        self._conversations.discard(conversation)
        if self._over is not None and not self._conversations and not self._over.done():
            self._over.set_result(None)

    def _sweep(self) -> None:
        now = time.monotonic()
        for conversation in tuple(self._conversations):
            conversation.sweep(now)
        self._sweeping = self._loop.call_later(_SWEEP_SECONDS, self._sweep)
