"""Connections to scoring containers, and the number of requests that each has in flight.

Used on the gateway's loop; only `in_flight` is read from other threads.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from emulator.gateway.container_connection import ContainerConnection, UpstreamLost
from emulator.routing.routes import Instance

# Below the shortest keep-alive of the usual servers (gunicorn's threads: 2 s), so that the gateway closes an idle
# connection before the container can close it under a request.
IDLE_SECONDS = 1.5
CONNECT_SECONDS = 5.0
# Saves a system call where the kernel can make the socket non-blocking; the loop sets TCP_NODELAY itself.
_NONBLOCK: int = getattr(socket, "SOCK_NONBLOCK", 0)


@dataclass(eq=False)
class _Idle:
    connection: ContainerConnection
    expiry: asyncio.TimerHandle = field(repr=False)


class ConnectionPool:
    """Idle keep-alive connections by instance, and counts of requests in flight."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._idle: dict[Instance, list[_Idle]] = {}
        self._known: frozenset[Instance] = frozenset()
        self._connections: set[ContainerConnection] = set()
        self._counts: dict[str, int] = {}
        self._empty: dict[str, list[asyncio.Future[None]]] = {}

    # connections

    def reuse(self, instance: Instance) -> ContainerConnection | None:
        """Return the most recently used idle connection that is still open, None without one."""
        idle = self._idle.get(instance)
        while idle:
            entry = idle.pop()
            entry.expiry.cancel()
            if not entry.connection.is_stale():
                return entry.connection
            entry.connection.abort()
        return None

    def connect(self, instance: Instance, method: str, data: bytes) -> ContainerConnection:
        """Return a new connection that sends `data` first; UpstreamLost when it is refused at once.

        A container on this machine receives `data` at once, and works on it while the loop adopts the socket.
        """
        if instance.family is None:
            sock, unsent, connected = None, data, False
        else:
            sock, unsent, connected = _dial(instance, instance.family, data)
        connection = ContainerConnection(self.loop, method, self._connections.discard, sock, unsent)
        self._connections.add(connection)
        connecting = self.loop.create_task(self._open(connection, instance, sock, connected=connected))
        connecting.add_done_callback(partial(self._drop_unreached, connection, sock))
        connection.set_connecting(connecting)
        return connection

    async def _open(
        self, connection: ContainerConnection, instance: Instance, sock: socket.socket | None, *, connected: bool
    ) -> None:
        address = instance.host, instance.port
        try:
            if sock is None:
                opening = self.loop.create_connection(lambda: connection, *address)
                await asyncio.wait_for(opening, CONNECT_SECONDS)
                return
            if not connected:
                await asyncio.wait_for(self.loop.sock_connect(sock, address), CONNECT_SECONDS)
            await self.loop.create_connection(lambda: connection, sock=sock)
        except BaseException as error:
            if sock is not None:
                sock.close()
            self._connections.discard(connection)
            if not isinstance(error, OSError | asyncio.TimeoutError):
                raise
            connection.fail(_lost(error))

    def release(self, instance: Instance, connection: ContainerConnection) -> None:
        """Keep a connection after its exchange when it can carry another one, else close it."""
        if not connection.finish() or instance not in self._known:
            connection.abort()
            return
        entries = self._idle.setdefault(instance, [])
        entries.append(_Idle(connection, self.loop.call_later(IDLE_SECONDS, self._expire, instance, connection)))

    def abandon(self, connection: ContainerConnection, ended: Callable[[], None]) -> bool:
        """Discard the response of a request that has ended; see `ContainerConnection.abandon`."""
        return connection.abandon(ended)

    def keep_only(self, instances: frozenset[Instance]) -> None:
        """Forget other instances: their idle connections close now, their busy ones after the request."""
        self._known = instances
        for instance in [known for known in self._idle if known not in instances]:
            _close(self._idle.pop(instance))

    @property
    def open_connections(self) -> int:
        """The number of connections: idle, busy, abandoned or connecting."""
        return len(self._connections)

    def close(self) -> None:
        """Begin to close every connection; they are closed in the loop's next turns."""
        self.keep_only(frozenset())
        for connection in tuple(self._connections):
            connection.abort()

    def _drop_unreached(
        self, connection: ContainerConnection, sock: socket.socket | None, connecting: asyncio.Task[None]
    ) -> None:
        """Forget a connection whose task was canceled, perhaps before it began."""
        if connecting.cancelled():
            self._connections.discard(connection)
            if sock is not None:
                sock.close()

    def _expire(self, instance: Instance, connection: ContainerConnection) -> None:
        entries = self._idle.get(instance, [])
        _close(entry for entry in entries if entry.connection is connection)
        entries[:] = [entry for entry in entries if entry.connection is not connection]

    # requests in flight

    @property
    def in_flight(self) -> Mapping[str, int]:
        """Requests in flight by instance id; an instance without any is absent."""
        return self._counts

    def enter(self, instance_id: str) -> None:
        """Count one request more."""
        self._counts[instance_id] = self._counts.get(instance_id, 0) + 1

    def leave(self, instance_id: str) -> None:
        """Count one request less, and wake `drained` after the last."""
        left = self._counts[instance_id] - 1
        if left:
            self._counts[instance_id] = left
            return
        del self._counts[instance_id]
        for waiter in self._empty.pop(instance_id, ()):
            if not waiter.done():
                waiter.set_result(None)

    async def drained(self, instance_id: str) -> None:
        """Wait until the instance has no request in flight."""
        while instance_id in self._counts:
            waiter = self.loop.create_future()
            self._empty.setdefault(instance_id, []).append(waiter)
            await waiter


def _dial(instance: Instance, family: socket.AddressFamily, data: bytes) -> tuple[socket.socket, bytes, bool]:
    """Return a socket that has begun to connect, the rest of `data` that is not sent, and whether it is connected."""
    sock = socket.socket(family, socket.SOCK_STREAM | _NONBLOCK)
    try:
        if not _NONBLOCK:
            sock.setblocking(False)
        failed = sock.connect_ex((instance.host, instance.port))
        if failed not in (0, errno.EINPROGRESS):
            raise OSError(failed, os.strerror(failed))
        return sock, data[sock.send(data) :], True
    except BlockingIOError:  # not connected yet
        return sock, data, False
    except OSError as error:
        sock.close()
        raise _lost(error) from error


def _lost(error: BaseException) -> UpstreamLost:
    return UpstreamLost(f"no connection to the container: {error}", answered=False)


def _close(entries: Iterable[_Idle]) -> None:
    for entry in entries:
        entry.expiry.cancel()
        entry.connection.abort()
