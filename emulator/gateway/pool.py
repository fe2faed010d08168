"""Connections to scoring containers, and how many requests each container has in flight.

Lives on the gateway's loop; only `in_flight` is read from other threads.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

from emulator.gateway.upstream import Connection, UpstreamLost
from emulator.routes import Instance

# Below the shortest keep-alive of the usual servers (gunicorn's threads: 2 s), so that an idle connection is closed by
# us before the container closes it under a request.
IDLE_SECONDS = 1.5
CONNECT_SECONDS = 5.0


@dataclass(eq=False)
class _Idle:
    connection: Connection
    expiry: asyncio.TimerHandle = field(repr=False)


class Pool:
    """Idle keep-alive connections by instance; a container that closes after each answer simply never has one."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._idle: dict[Instance, list[_Idle]] = {}
        self._known: frozenset[Instance] = frozenset()
        self._counts: dict[str, int] = {}
        self._empty: dict[str, list[asyncio.Future[None]]] = {}

    # Connections.

    def reuse(self, instance: Instance) -> Connection | None:
        """An idle connection that is still good, the youngest first."""
        idle = self._idle.get(instance)
        while idle:
            entry = idle.pop()
            entry.expiry.cancel()
            if not entry.connection.is_stale():
                return entry.connection
            entry.connection.abort()
        return None

    async def connect(self, instance: Instance, method: str, data: bytes) -> Connection:
        """A new connection with a request's first bytes on their way.

        Raises UpstreamLost when the container refuses it or does not take it in time.
        """
        try:
            sock = _dial(instance)
            if sock is None:
                connection, sent = await self._by_name(instance, method), 0
            else:
                connection, sent = await self._adopt(sock, instance, method, data)
        except (OSError, asyncio.TimeoutError) as error:
            raise UpstreamLost(f"no connection to the container: {error}", answered=False) from error
        if sent < len(data):
            connection.send(method, data[sent:])
        return connection

    async def _by_name(self, instance: Instance, method: str) -> Connection:
        factory = partial(Connection, self._loop, method)
        opening = self._loop.create_connection(factory, instance.host, instance.port)
        _, connection = await asyncio.wait_for(opening, CONNECT_SECONDS)
        return connection

    async def _adopt(self, sock: socket.socket, instance: Instance, method: str, data: bytes) -> tuple[Connection, int]:
        """A connection on that new socket, and how much of `data` it took already.

        A container on this machine takes its first bytes at once, and works on them while the loop adopts the socket.
        """
        try:
            try:
                sent = sock.send(data)
            except BlockingIOError:  # not so near
                await asyncio.wait_for(self._loop.sock_connect(sock, (instance.host, instance.port)), CONNECT_SECONDS)
                sent = 0
            _, connection = await self._loop.create_connection(partial(Connection, self._loop, method), sock=sock)
        except BaseException:
            sock.close()
            raise
        return connection, sent

    def release(self, instance: Instance, connection: Connection) -> None:
        """Take a connection back after its exchange: keep it when it can carry another one, else close it."""
        if not connection.finish() or instance not in self._known:
            connection.abort()
            return
        entries = self._idle.setdefault(instance, [])
        entries.append(_Idle(connection, self._loop.call_later(IDLE_SECONDS, self._expire, instance, connection)))

    def keep_only(self, instances: frozenset[Instance]) -> None:
        """Forget every other instance: its idle connections close now, its busy ones after their request."""
        self._known = instances
        for instance in [known for known in self._idle if known not in instances]:
            _close(self._idle.pop(instance))

    def close(self) -> None:
        """Close every idle connection."""
        self.keep_only(frozenset())

    def _expire(self, instance: Instance, connection: Connection) -> None:
        entries = self._idle.get(instance, [])
        _close(entry for entry in entries if entry.connection is connection)
        entries[:] = [entry for entry in entries if entry.connection is not connection]

    # Requests in flight.

    @property
    def in_flight(self) -> Mapping[str, int]:
        """Requests in flight by instance id; an instance without any is absent."""
        return MappingProxyType(self._counts)

    def enter(self, instance_id: str) -> None:
        """Count one request more."""
        self._counts[instance_id] = self._counts.get(instance_id, 0) + 1

    def leave(self, instance_id: str) -> None:
        """Count one request less, and tell who waits when it was the last."""
        left = self._counts[instance_id] - 1
        if left:
            self._counts[instance_id] = left
            return
        del self._counts[instance_id]
        for waiter in self._empty.pop(instance_id, ()):
            if not waiter.done():
                waiter.set_result(None)

    async def drained(self, instance_id: str) -> None:
        """Return when nothing is in flight there."""
        while instance_id in self._counts:
            waiter = self._loop.create_future()
            self._empty.setdefault(instance_id, []).append(waiter)
            await waiter


def _dial(instance: Instance) -> socket.socket | None:
    """A socket that has begun to connect; None when the host is a name, which takes time to resolve."""
    if instance.family is None:
        return None
    sock = socket.socket(instance.family, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    failed = sock.connect_ex((instance.host, instance.port))
    if failed not in (0, errno.EINPROGRESS):
        sock.close()
        raise OSError(failed, os.strerror(failed))
    return sock


def _close(entries: Iterable[_Idle]) -> None:
    for entry in entries:
        entry.expiry.cancel()
        entry.connection.abort()
