"""The server of the control API: waitress, with bounds for unauthenticated and for many clients."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer

from emulator.control_api.bounded_streams import Wsgi
from emulator.control_api.pools import Pools
from emulator.control_api.received import MOST_HEAD_BYTES, ReceivedRequest

CONNECTIONS = 1000
"""How many connections are kept; above that, the ones that have been idle longest are closed."""
STRANGER_SECONDS = 10.0
"""How long a connection may stay without a token and without a whole request."""

# Pieces of uploads are a quarter of that; a list of many files may be longer.
_MOST_BODY_BYTES = 32 << 20
# Longer bodies are buffered in a file, so that a thousand of them do not fill the memory.
_IN_MEMORY_BYTES = (8 << 20) + 1
_RECEIVE_BYTES = 256 << 10
_ACCEPTED_AT_ONCE = 64
_BACKLOG = 4096
# How long a client with a token may take for a request.
_SLOW_SECONDS = 600.0


class ControlServer(TcpWSGIServer):
    """Serves `app` on a listening socket; `knows` tells whether an Authorization header is valid.

    `most` connections are kept: for another one the idlest are closed, unauthenticated ones first.  Requests that are
    being answered are never cut off; `pools.ROOMS` bounds their number.
    """

    def __init__(
        self,
        app: Wsgi,
        sock: socket.socket,
        knows: Callable[[str], bool],
        most: int = CONNECTIONS,
        stranger_seconds: float = STRANGER_SECONDS,
    ) -> None:
        self.knows = knows
        self._most = most
        self._stranger_seconds = stranger_seconds
        adjustments = Adjustments(
            sockets=[sock],
            connection_limit=most + CONNECTIONS,
            asyncore_use_poll=True,  # select() ends at file descriptor 1023
            backlog=_BACKLOG,
            cleanup_interval=1,
            recv_bytes=_RECEIVE_BYTES,
            inbuf_overflow=_IN_MEMORY_BYTES,
            max_request_header_size=MOST_HEAD_BYTES,
            max_request_body_size=_MOST_BODY_BYTES,
            ident="amlemu",
            clear_untrusted_proxy_headers=True,
        )
        address = (sock.family, sock.type, sock.proto, sock.getsockname())
        self.channel_class = _Channel
        super().__init__(app, {}, _sock=sock, dispatcher=Pools(), adj=adjustments, sockinfo=address, bind_socket=False)

    def handle_accept(self) -> None:
        """Accept waiting connections, and close idle ones to make room for them."""
        for _ in range(_ACCEPTED_AT_ONCE):
            before = len(self.active_channels)
            super().handle_accept()
            if len(self.active_channels) == before:
                break
        if len(self.active_channels) > self._most:
            self._make_room(len(self.active_channels) - self._most)

    def maintenance(self, now: float) -> None:
        """Close connections that have been idle for too long."""
        super().maintenance(now)
        for channel in tuple(self.active_channels.values()):
            if channel.is_overdue(now, self._stranger_seconds):
                channel.will_close = True

    def pull_trigger(self) -> None:
        """Wake the loop, unless the server was closed while a response was being sent."""
        with suppress(OSError):
            super().pull_trigger()

    def _make_room(self, count: int) -> None:
        """Close that many idle connections: unauthenticated ones first, but not the newest, which may send soon."""
        idle = [channel for channel in self.active_channels.values() if not channel.requests and not channel.will_close]
        idle.sort(key=lambda channel: channel.since)
        older = idle[: len(idle) - len(idle) // 4]
        older.sort(key=lambda channel: channel.is_known)
        for channel in older[: max(count, self._most // 20)]:
            channel.will_close = True


class _Channel(HTTPChannel):
    """A connection; `is_known` once a request on it had a valid token, `since` is when its last request ended."""

    def __init__(self, server: ControlServer, sock: Any, addr: Any, adj: Any, map: Any = None) -> None:
        self.parser_class = partial(_received, self)
        self.knows = server.knows
        self.is_known = False
        self.since = time.time()
        super().__init__(server, sock, addr, adj, map=map)

    def service(self) -> None:
        """Answer a request."""
        self.is_known = self.is_known or self.requests[0].is_known
        super().service()
        self.since = time.time()

    def is_overdue(self, now: float, stranger_seconds: float) -> bool:
        """Return whether the client has taken too long for a request."""
        if self.requests:
            return False
        is_known = self.is_known or (self.request is not None and self.request.is_known)
        if is_known and self.request is None:
            return False  # idle: waitress's own time holds
        return bool(now - self.since > (_SLOW_SECONDS if is_known else stranger_seconds))


def _received(channel: _Channel, adj: Any) -> ReceivedRequest:
    return ReceivedRequest(adj, channel.knows)
