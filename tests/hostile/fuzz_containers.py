"""Two scoring containers: one that answers as it should and notes what it got, and one that breaks every rule."""

from __future__ import annotations

import asyncio
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

from fuzz_reference import Asked, Faulty, framing_of, read_head

_LIMIT = 4 * 1024 * 1024
_MOST_FAULTS = 20


@dataclass
class Ledger:
    """What may reach the container, each as often as it was sent, and every fault that was found.

    `begun` counts heads by method and target, `whole` whole requests with their body.
    """

    begun: Counter[tuple[str, bytes]] = field(default_factory=Counter)
    whole: Counter[tuple[str, bytes, bytes]] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    received: int = 0

    def allow(self, asked: Asked, target: bytes) -> None:
        """A request that is about to be sent."""
        self.begun[asked.method, target] += 1
        if asked.whole:
            self.whole[asked.method, target, asked.body] += 1

    def begin(self, method: str, target: bytes) -> None:
        """A head that a container got."""
        self._spend(self.begun, (method, target), "a request that nobody sent")

    def complete(self, method: str, target: bytes, body: bytes) -> None:
        """A whole request that a container got."""
        self.received += 1
        self._spend(self.whole, (method, target, body), "a body that nobody sent")

    def _spend(self, counter: Counter[Any], key: tuple[Any, ...], what: str) -> None:
        if counter[key] > 0:
            counter[key] -= 1
        else:
            self.fault(f"the container got {what}: {key!r}"[:600])

    def fault(self, text: str) -> None:
        if len(self.faults) < _MOST_FAULTS:
            self.faults.append(text)


Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def serve(connected: Connected) -> int:
    """The port of a server that handles each connection so, as long as the loop runs."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await connected(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, limit=_LIMIT, backlog=1024)
    return int(server.sockets[0].getsockname()[1])


def honest(ledger: Ledger) -> Connected:
    """Reads strictly, answers with the target that it was asked for in X-Answer."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        goes_on = True
        while goes_on:
            head = await reader.readuntil(b"\r\n\r\n")
            try:
                method, target, headers = read_head(head)
                length, chunked = framing_of(headers)
            except Faulty as fault:
                ledger.fault(f"the container got what is no HTTP: {fault}, in {head!r}"[:600])
                return
            ledger.begin(method, target)
            body = await _chunks(reader) if chunked else await reader.readexactly(length or 0)
            ledger.complete(method, target, body)
            goes_on = await _answer(writer, method, target)

    return connected


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
        body += await reader.readexactly(size)
        assert await reader.readexactly(2) == b"\r\n"
    assert await reader.readexactly(2) == b"\r\n"
    return body


async def _answer(writer: asyncio.StreamWriter, method: str, target: bytes) -> bool:
    kind = zlib.crc32(target) % 16
    start = b"HTTP/1.1 200 OK\r\nX-Answer: %s\r\n" % target.hex().encode()
    body = target * (20_000 if kind == 3 else 1)
    coded = b"" if method == "HEAD" else body
    if kind == 1:
        await asyncio.sleep(0.005)
    if kind == 5:
        start = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + start
    if kind == 4:
        writer.write(start + b"Connection: close\r\n\r\n" + coded)
    elif kind in (0, 3):
        chunks = b"" if method == "HEAD" else b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        writer.write(start + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
    else:
        close = b"Connection: close\r\n" if kind == 2 else b""
        writer.write(start + close + b"Content-Length: %d\r\n\r\n%s" % (len(body), coded))
    await writer.drain()
    return kind not in (2, 4)


_START = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
_LIES: tuple[bytes, ...] = (
    *(b"", b"\0", b"\r\n\r\n", b"garbage\r\n\r\n", b"SSH-2.0-x\r\n", b"HTTP/1.1", b"HTTP/1.1 200 OK\r\nContent-Le"),
    *(b"HTTP/1.1 abc OK\r\n\r\n", b"HTTP/1.1 20 OK\r\n\r\n", b"HTTP/1.1 2000 OK\r\n\r\n", b"HTTP/1.1 000 x\r\n\r\n"),
    *(b"HTTP/1.1 999 \xff\xfe\r\nContent-Length: 0\r\n\r\n", b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
    *(b"HTTP/1.0 200 OK\r\n\r\nto the end", b"HTTP/0.9 200 OK\r\n\r\n", b"ICY 200 OK\r\n\r\n", b"HTTP/1.1 200\r\n\r\n"),
    *(_START + b"Content-Length: 50\r\n\r\nshort", _START + b"Content-Length: 2\r\n\r\nfar too long"),
    *(_START + b"Content-Length: -5\r\n\r\nhello", _START + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
    *(_START + b"Content-Length: 5, 5\r\n\r\nhello", _START + b"Content-Length: 99999999999999999999\r\n\r\nx"),
    *(_START + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",),
    *(_START + _CHUNKED + b"zz\r\n", _START + _CHUNKED + b"5\r\nab"),
    *(_START + _CHUNKED + b"3\r\nabcdef\r\n0\r\n\r\n",),
    *(
        _START + b"Transfer-Encoding: gzip\r\n\r\nabc",
        _START + b"Transfer-Encoding: gzip, chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    ),
    *(
        _START + _CHUNKED + b"ffffffffffffffff1\r\n",
        _START + b"X: a\rb\r\nContent-Length: 0\r\n\r\n",
    ),
    *(_START + b"X: a\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n", _START + b"X: a\0b\r\nContent-Length: 0\r\n\r\n"),
    *(_START + b"X : a\r\nContent-Length: 0\r\n\r\n", _START + b"no colon\r\nContent-Length: 0\r\n\r\n"),
    *(_START + b"X: a\r\n folded\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nab"),
    *(b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc", b"HTTP/1.1 304 x\r\n\r\nabc"),
    *(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nraw",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ),
    *(b"HTTP/1.1 100 Continue\r\n\r\n" * 500 + _START + b"Content-Length: 0\r\n\r\n",),
    *(_START + b"Content-Length: 2\r\n\r\n{}" + _START + b"X-Forged: 1\r\nContent-Length: 6\r\n\r\nforged",),
    *(_START + b"X: y\r\n" * 100_000, _START + b"X: " + b"z" * 600_000, b"HTTP/1.1 200 " + b"r" * 600_000),
    *(_START + _CHUNKED + b"1\r\na\r\n0\r\nX: " + b"t" * 600_000,),
    *(_START + b"Connection: x-own, close\r\nX-Own: 1\r\nServer: forged\r\nContent-Length: 0\r\n\r\n",),
    *(_START + b"azureml-model-deployment: forged\r\nx-request-id: forged\r\n\r\nuntil the end",),
)


def liar(seed: int) -> Connected:
    """Answers in every way that is none, at any time, and ends its connections in every way."""
    random = Random(f"containers-{seed}")

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        when = random.choice(("whole", "whole", "head", "at once", "never"))
        if when != "at once":
            await reader.readuntil(b"\r\n\r\n")
        if when == "whole":
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(reader.read(_LIMIT), 0.005)
        if when != "never":
            await _lie(writer, random)
        if random.random() < 0.5:
            await asyncio.sleep(random.choice((0, 0.01, 0.1)))
        if random.random() < 0.3:
            writer.transport.abort()

    return connected


async def _lie(writer: asyncio.StreamWriter, random: Random) -> None:
    lie = random.choice(_LIES)
    if random.random() < 0.3:
        lie = lie[: random.randrange(len(lie) + 1)]
    cut = random.randrange(len(lie) + 1) if random.random() < 0.3 else len(lie)
    writer.write(lie[:cut])
    await writer.drain()
    if cut < len(lie):
        await asyncio.sleep(0.002)
        writer.write(lie[cut:])
        await writer.drain()
