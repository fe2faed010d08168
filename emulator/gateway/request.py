"""A request as it arrives: its head whole, its body piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from emulator.gateway.front_door import Rejected
from emulator.routing.http_heads import Headers

# Bytes of a body that may be buffered for a slow container before reading from the caller pauses.
_HIGH_WATER = 256 * 1024
# Bytes of a body that a mirrored copy may lag behind before the copy is given up.
_COPY_BEHIND = 16 * 1024 * 1024


class BrokenBody(Exception):
    """The body breaks HTTP's framing, ends before its length, or is `rejected` as it arrives."""

    def __init__(self, rejected: Rejected | None = None) -> None:
        super().__init__("the rest of the body is not read")
        self.rejected = rejected


class Request:
    """A request: `target` and `headers` as the bytes that arrived, `chunked` for the framing of its body.

    `take` and `read` return what has arrived of the body, which has ended once `complete` is set.  The callback of
    `on_pause` is called when too much of it is buffered, and again when no longer.
    """

    __slots__ = (
        "_broken",
        "_chunks",
        "_copies",
        "_first",
        "_hold",
        "_paused",
        "_waiter",
        "_waiting_bytes",
        "chunked",
        "complete",
        "discarded",
        "headers",
        "is_usual",
        "keep_alive",
        "method",
        "target",
        "version",
    )

    def __init__(self, method: str, target: bytes, version: str, headers: Headers, *, keep_alive: bool) -> None:
        self.method = method
        self.target = target
        self.version = version
        self.headers = headers
        self.keep_alive = keep_alive
        first: dict[bytes, bytes] = {}
        for key, _, value in headers:
            if key not in first:
                first[key] = value
        self._first = first
        self.chunked = b"transfer-encoding" in first
        # HTTP/1.1 with a body of known length: no rule about the form can reject it
        self.is_usual = version == "1.1" and not self.chunked
        self.complete = False
        self.discarded = False
        self._chunks: list[bytes] = []
        self._copies: list[Request] = []
        self._waiting_bytes = 0
        self._broken = False
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._hold: Callable[[bool], None] | None = None

    # called by handlers

    def header(self, name: bytes) -> bytes:
        """The first header of that lower-case name, empty without one."""
        return self._first.get(name, b"")

    def has(self, name: bytes) -> bool:
        """Whether a header of that lower-case name is there."""
        return name in self._first

    def all(self, name: bytes) -> tuple[bytes, ...]:
        """Every header of that lower-case name."""
        if name not in self._first:
            return ()
        return tuple(value for key, _, value in self.headers if key == name)

    @property
    def is_1_1(self) -> bool:
        """Whether the caller speaks HTTP/1.1: chunked and interim responses, persistent connections."""
        return self.version != "1.0"

    def take(self) -> bytes:
        """Return the bytes of the body that have arrived since the last call."""
        chunks = self._chunks
        if not chunks:
            return b""
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self._waiting_bytes = 0
        self._pause(False)
        return data

    def peek(self) -> bytes:
        """Return what `take` would, and keep it."""
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)

    async def read(self) -> bytes:
        """Wait for more of the body; b"" at its end.  Raises BrokenBody."""
        while not self._chunks and not self.complete:
            if self._broken:
                raise BrokenBody
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self.take()

    def discard(self) -> None:
        """Drop the rest of the body, arrived or not."""
        self.discarded = True
        self.take()

    def copy_to(self, copy: Request) -> None:
        """Feed `copy` the body, what is buffered and what arrives."""
        for data in self._chunks:
            copy.feed(data)
        if self.complete:
            copy.end()
        else:
            self._copies.append(copy)

    # called by the connection

    def on_pause(self, hold: Callable[[bool], None]) -> None:
        """Call `hold` with True when too much of the body is buffered, with False when reading may go on."""
        self._hold = hold

    def feed(self, data: bytes) -> None:
        """Add a piece of the body."""
        for copy in self._copies:
            copy.feed_copy(data)
        if self.discarded:
            return
        self._chunks.append(data)
        self._waiting_bytes += len(data)
        if self._waiting_bytes > _HIGH_WATER:
            self._pause(True)
        if self._waiter is not None:
            self._wake()

    def feed_copy(self, data: bytes) -> None:
        """Add a piece of the body of the request that this is a copy of."""
        if self._waiting_bytes + len(data) > _COPY_BEHIND:
            self.fail()
        elif not self._broken:
            self.feed(data)

    def end(self) -> None:
        """The body is complete."""
        self.complete = True
        for copy in self._copies:
            copy.end_copy()
        if self._waiter is not None:
            self._wake()

    def end_copy(self) -> None:
        """The body of the request that this is a copy of is complete."""
        if not self._broken:
            self.end()

    def fail(self) -> None:
        """The rest of the body will not arrive."""
        for copy in self._copies:
            copy.fail()
        if not self.complete:
            self._broken = True
            self._wake()

    def _pause(self, wanted: bool) -> None:
        if wanted is not self._paused and self._hold is not None:
            self._paused = wanted
            self._hold(wanted)

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


def copy_of(request: Request) -> Request:
    """Return a request that receives the same body as it arrives, including what has arrived."""
    copy = Request(request.method, request.target, request.version, request.headers, keep_alive=False)
    request.copy_to(copy)
    return copy
