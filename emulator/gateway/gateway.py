"""The gateway for the rest of the program: thread-safe, with an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import partial
from typing import Any, TypeVar

from emulator.gateway.caller_connection import HandleRequest
from emulator.gateway.connection_pool import ConnectionPool
from emulator.gateway.handler import RequestHandler
from emulator.gateway.listener import Listener
from emulator.gateway.listening import bind, is_free
from emulator.gateway.payload_log import PayloadLog
from emulator.gateway.quotas import Quotas
from emulator.gateway.traffic_log import RecentRequests, TrafficLog, WriteLine
from emulator.profiles import ScoringProfile
from emulator.routing.metrics import EndpointMetrics
from emulator.routing.routes import EndpointRoute, Snapshot, longest_shared_head

T = TypeVar("T")

_OTHER_GATEWAY_PORT = "stop what listens there, or choose another port: AMLEMU_GATEWAY_PORT"

# The threshold of the youngest generation of Python's garbage collector, whose default of 700 is reached every few
# requests.
_COLLECT_AFTER = 20_000

# How long requests of a removed endpoint may still run.
_REMOVAL_GRACE_SECONDS = 5.0


def _new_event_loop() -> asyncio.AbstractEventLoop:
    # libuv may submit its epoll changes through io_uring, which slows containers that need a new connection for each
    # request: throughput kept with 8 connections was 0.59 with it and 0.84 without (benchmarks/gateway.py).
    os.environ.setdefault("UV_USE_IO_URING", "0")
    try:
        import uvloop
    except ImportError:  # not available for Windows and PyPy
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def _collect_seldom() -> None:
    """Collect less often, and exempt everything loaded at the start, which never becomes garbage."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, *gc.get_threshold()[1:])


class Gateway:
    """Serves scoring requests on the ports of the endpoints.

    `bind_host` is the address that every port listens on, `shared_port` the port of the endpoints with a path (0: any
    free one).  `write_line` receives each request's line on a thread of its own; `draw` returns random numbers in
    [0, 1) that choose deployments and the requests to mirror; `enforce_limits` enforces the quotas; `payloads` collects
    for deployments with a data_collector.  Methods may be called from any thread but the gateway's own.
    """

    def __init__(
        self,
        bind_host: str,
        shared_port: int,
        write_line: WriteLine,
        draw: Callable[[], float] = random.random,
        *,
        enforce_limits: bool = False,
        payloads: PayloadLog | None = None,
    ) -> None:
        self._bind_host = bind_host
        self._wanted_shared_port = shared_port
        self._loop = _new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="amlemu-gateway", daemon=True)
        self._recent = RecentRequests()
        self._log = TrafficLog(write_line, self._recent.add)
        self._payloads = payloads or PayloadLog(lambda _: None, lambda *_: None)
        self._pool = ConnectionPool(self._loop)
        self._snapshot = Snapshot.of(())
        self._quotas = Quotas(enforced=enforce_limits)
        self._handler = RequestHandler(
            self._pool, self._log, lambda: self._snapshot, draw, self._quotas, self._payloads
        )
        self._shared: Listener | None = None
        self._listeners: dict[str, Listener] = {}
        self._changing = threading.Lock()

    def start(self) -> None:
        """Open the shared port and serve; BadArgument when that port is taken."""
        try:
            sock = bind(self._bind_host, self._wanted_shared_port, "gateway", _OTHER_GATEWAY_PORT)
        except BaseException:
            self._loop.close()
            raise
        self._thread.start()
        self._log.start()
        self._payloads.start()
        self._shared = self._call(self._open(self._handler.shared_port, sock))
        _collect_seldom()

    def stop(self, grace_seconds: float) -> None:
        """Stop accepting, wait at most that long for running requests to end, and stop."""
        if not self._thread.is_alive():
            self._loop.close()
            return
        with self._changing:
            self._call(self._end(grace_seconds))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._log.close()
        self._payloads.close()

    @property
    def shared_port(self) -> int:
        """The port of the endpoints with a path."""
        return self._shared.port if self._shared else self._wanted_shared_port

    @property
    def dropped_lines(self) -> int:
        """The number of lines of the traffic log that were not written."""
        return self._log.dropped

    def put(self, route: EndpointRoute) -> None:
        """Add or replace an endpoint; requests in flight keep the route that they began with.

        Opens the port of a new endpoint; raises BadArgument, and changes nothing, when the port cannot be used.
        """
        with self._changing:
            listener = self._listeners.get(route.name)
            wanted = None if route.path_prefix else route.port
            if wanted is not None and (listener is None or listener.port != wanted):
                sock = bind(self._bind_host, wanted, f"endpoint {route.name}")
                opening = self._open(partial(self._handler.own_port, wanted), sock, route.profile.scoring)
                self._listeners[route.name] = self._call(opening)
            elif wanted is None:
                self._listeners.pop(route.name, None)
            self._take(self._snapshot.with_route(route))
            if listener is not None and self._listeners.get(route.name) is not listener:
                self._call(self._close([listener], _REMOVAL_GRACE_SECONDS))

    def remove(self, name: str) -> None:
        """Remove an endpoint and close its port; running requests get a moment to end."""
        with self._changing:
            self._take(self._snapshot.without(name))
            listener = self._listeners.pop(name, None)
            if listener is not None:
                self._call(self._close([listener], _REMOVAL_GRACE_SECONDS))

    def check_port(self, port: int) -> None:
        """Raise BadArgument unless an endpoint could listen on the port now."""
        bind(self._bind_host, port, f"port {port}").close()

    def is_free(self, port: int) -> bool:
        """Whether an endpoint could listen on the port now."""
        return is_free(self._bind_host, port)

    def in_flight(self, instance_id: str) -> int:
        """The number of requests that the instance is answering."""
        return self._pool.in_flight.get(instance_id, 0)

    def admitted(self, endpoint: str, deployment: str) -> int:
        """The number of requests to the deployment that are admitted and not answered yet."""
        return self._handler.in_flight.counts.get((endpoint, deployment), 0)

    def waiting(self, endpoint: str, deployment: str) -> int:
        """The number of those that are queued for an instance."""
        return self._handler.queue.length((endpoint, deployment))

    def abandoned(self, endpoint: str, deployment: str) -> int:
        """The number of requests that the deployment's containers still work on after their callers were answered."""
        return self._handler.abandoned.counts.get((endpoint, deployment), 0)

    def metrics(self) -> list[EndpointMetrics]:
        """Return the metrics of every endpoint."""
        now = time.perf_counter()
        return [self._metrics_of(route, now) for route in self._snapshot.endpoints.values()]

    def _metrics_of(self, route: EndpointRoute, now: float) -> EndpointMetrics:
        names = [deployment.name for deployment in route.deployments]
        listener = self._listeners.get(route.name)
        return EndpointMetrics(
            endpoint=route.name,
            names=frozenset(route.profile.logs.metrics),
            minute=self._recent.minute(route.name, now),
            connections_active=listener.open_connections if listener else 0,
            new_connections_per_second=listener.new_per_second() if listener else 0.0,
            in_flight={name: self.admitted(route.name, name) for name in names},
            abandoned={name: self.abandoned(route.name, name) for name in names},
        )

    def drain(self, instance_id: str, timeout_seconds: float) -> bool:
        """Wait until the instance has no request in flight; return False after `timeout_seconds`.

        An instance that a route still names may never be without one.
        """
        waiting = asyncio.run_coroutine_threadsafe(self._pool.drained(instance_id), self._loop)
        try:
            waiting.result(timeout_seconds)
        except FutureTimeoutError:
            waiting.cancel()
            return False
        return True

    def _take(self, snapshot: Snapshot) -> None:
        # one assignment: a request sees either all of the old routes or all of the new ones
        self._snapshot = snapshot
        self._loop.call_soon_threadsafe(self._pool.keep_only, snapshot.instances)
        self._loop.call_soon_threadsafe(self._handler.advance)
        self._loop.call_soon_threadsafe(self._quotas.keep_only, frozenset(snapshot.endpoints))
        self._recent.keep_only(frozenset(snapshot.endpoints))

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _open(
        self, handler: HandleRequest, sock: socket.socket, scoring: ScoringProfile | None = None
    ) -> Listener:
        at_most, new_at_most = (scoring.connections, scoring.new_connections_per_second) if scoring else (None, None)
        longest_head = scoring.head_bytes if scoring else longest_shared_head()
        listener = Listener(handler, self._loop, longest_head, at_most, new_at_most, enforced=self._quotas.enforced)
        await listener.open(sock)
        return listener

    async def _end(self, grace_seconds: float) -> None:
        await self._close([*self._listeners.values(), *([self._shared] if self._shared else [])], grace_seconds)
        self._listeners.clear()
        await asyncio.sleep(0)  # connections that were cut report it in the loop's next turn
        # a request that loses its container may be retried, and a mirrored copy has no connection to cut
        while self._pool.open_connections or len(asyncio.all_tasks()) > 1:
            self._pool.close()
            await asyncio.sleep(0)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
        await self._loop.shutdown_default_executor()

    async def _close(self, listeners: list[Listener], grace_seconds: float) -> None:
        await asyncio.gather(*(listener.close(grace_seconds) for listener in listeners))
