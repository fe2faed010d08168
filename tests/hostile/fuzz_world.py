"""The world outside the gateway, in a process of its own: hostile callers on one side, containers on the other.

Says `{"honest": port, "liar": port}`, then answers each line of its input, `{"hostile": …, "seed": …, "first": …,
"requests": …, "rate": …, "doors": [[kind, port, prefix], …]}`, with what it found.  Ends with its input.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any

from fuzz_attempts import ABORT_ANSWER, CLOSE, HALF_CLOSE, RESET, Attempt, attempt
from fuzz_containers import Ledger, honest, liar, serve
from fuzz_reference import Answered, Asked, Faulty, answers_in, requests_in

_TOGETHER = 64
_QUIET_SECONDS = 0.04
_HONEST_SECONDS = 20.0
_CLOSED_SECONDS = 5.0
_LIAR = "liar"
_GATEWAYS_OWN = (400, 401, 404, 405, 431, 501, 505)


@dataclass
class Phase:
    """One run of attempts and what came of it."""

    order: dict[str, Any]
    ledger: Ledger
    requests: int = 0
    attempts: int = 0
    statuses: Counter[int] = field(default_factory=Counter)

    async def run(self) -> dict[str, Any]:
        began = time.monotonic()
        numbers = self._numbers()
        await asyncio.gather(*(self._worker(numbers, began) for _ in range(_TOGETHER)))
        return {
            "requests": self.requests,
            "attempts": self.attempts,
            "received": self.ledger.received,
            "statuses": dict(self.statuses),
            "faults": self.ledger.faults,
            "seconds": round(time.monotonic() - began, 2),
        }

    def _numbers(self) -> Iterator[int]:
        while self.requests < self.order["requests"]:
            self.attempts += 1
            yield self.order["first"] + self.attempts

    async def _worker(self, numbers: Iterator[int], began: float) -> None:
        for number in numbers:
            kind, port, prefix = self.order["doors"][number % len(self.order["doors"])]
            one = attempt(self.order["seed"], number, prefix.encode(), hostile=self.order["hostile"])
            self.requests += one.asked
            await asyncio.sleep(began + self.attempts / self.order["rate"] - time.monotonic())
            try:
                await _Connection(self, one, kind, port, prefix.encode()).run()
            except Faulty as fault:
                self.ledger.fault(f"attempt {number} ({kind}, {one.ending}): {fault}; sent {one.raw[:300]!r}"[:1500])


@dataclass
class _Connection:
    """One attempt on its connection."""

    phase: Phase
    attempt: Attempt
    kind: str
    port: int
    prefix: bytes

    async def run(self) -> None:
        asked = requests_in(self.attempt.raw)
        targets = [self._forwarded(one.target) for one in asked]
        for one, target in zip(asked, targets, strict=True):
            if target is not None:
                self.phase.ledger.allow(one, target)
        with closing(socket.socket()) as sock:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
            sent = await self._send(sock)
            data, ended = await self._read(sock, asked)
        self._check(asked, targets, data, ended=ended, sent=sent)

    def _forwarded(self, target: bytes) -> bytes | None:
        """The target as the container must get it; None when it may not get it."""
        if not target.startswith(b"/") and b"://" in target:
            rest = target.partition(b"://")[2]
            cut = min((rest.find(mark) for mark in (b"/", b"?") if mark in rest), default=len(rest))
            target = rest[cut:] if rest[cut:].startswith(b"/") else b"/" + rest[cut:]
        if not self.prefix:
            return target
        path, mark, query = target.partition(b"?")
        if path == self.prefix:
            return b"/" + mark + query
        return target[len(self.prefix) :] if target.startswith(self.prefix + b"/") else None

    async def _send(self, sock: socket.socket) -> bool:
        """Whether all of it was taken."""
        try:
            for piece in self.attempt.pieces:
                sending = asyncio.get_running_loop().sock_sendall(sock, piece)
                await asyncio.wait_for(sending, _HONEST_SECONDS)
                await asyncio.sleep(0.001 if len(self.attempt.pieces) > 1 else 0)
        except ConnectionError:
            return False
        except asyncio.TimeoutError:
            raise Faulty("the gateway did not take what was sent") from None
        return True

    async def _read(self, sock: socket.socket, asked: list[Asked]) -> tuple[bytes, bool]:
        """All that came back, and whether the gateway ended the connection."""
        ending = self.attempt.ending
        if ending in (RESET, CLOSE):
            self._leave(sock, reset=ending == RESET)
            return b"", False
        if ending == HALF_CLOSE:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_WR)
        wanted = self.attempt.asked if self.attempt.honest else None
        quiet = _HONEST_SECONDS if wanted else _CLOSED_SECONDS if ending == HALF_CLOSE else _QUIET_SECONDS
        data = b""
        while True:
            more = await self._receive(sock, quiet)
            if not more:
                break
            data += more
            if ending == ABORT_ANSWER:
                self._leave(sock, reset=True)
                return b"", False
            if wanted and self._are_whole(data, asked, wanted):
                break
        if more is None and (wanted or ending == HALF_CLOSE):
            raise Faulty(f"neither answered nor closed; so far {data[:300]!r}")
        return data, more == b""

    async def _receive(self, sock: socket.socket, quiet_seconds: float) -> bytes | None:
        """What comes, nothing at the end, None when nothing comes."""
        try:
            return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 1 << 18), quiet_seconds)
        except asyncio.TimeoutError:
            return None
        except ConnectionError:
            return b""

    def _are_whole(self, data: bytes, asked: list[Asked], wanted: int) -> bool:
        found = answers_in(data, [one.method for one in asked], ended=False)
        return len(found) == wanted and found[-1].whole

    def _leave(self, sock: socket.socket, *, reset: bool) -> None:
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _check(self, asked: list[Asked], targets: list[bytes | None], data: bytes, *, ended: bool, sent: bool) -> None:
        found = answers_in(data, [one.method for one in asked], ended=ended)
        self.phase.statuses.update(answer.status for answer in found)
        for index, answer in enumerate(found):
            self._check_answer(answer, targets[index] if index < len(asked) else None, ended=ended)
        if self.attempt.honest and self.kind != _LIAR:
            statuses = [answer.status for answer in found]
            if statuses != [200] * self.attempt.asked or not found[-1].whole or not sent:
                raise Faulty(f"an honest caller got {statuses}, {found[-1:]!r}")

    def _check_answer(self, answer: Answered, target: bytes | None, *, ended: bool) -> None:
        told = answer.header(b"x-answer")
        if told is not None and (target is None or told != target.hex().encode()):
            raise Faulty(f"another one's answer: {told!r} for {target!r}")
        if answer.header(b"x-forged") is not None or b"forged" in answer.body:
            raise Faulty("an answer that was to no request")
        if answer.status == 500 or (self.kind != _LIAR and told is None and answer.status not in _GATEWAYS_OWN):
            raise Faulty(f"status {answer.status}: {answer.body[:200]!r}")
        refused = target is None and not answer.body  # perhaps of HEAD: nobody can tell what the request was
        left = self.attempt.ending == HALF_CLOSE  # whoever ends its side counts as gone
        if not answer.whole and self.kind != _LIAR and ended and not refused and not left:
            raise Faulty(f"an answer that breaks off after {len(answer.body)} bytes")


async def main(seed: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
    ledger = Ledger()
    ports = {"honest": await serve(honest(ledger)), "liar": await serve(liar(seed))}
    print(json.dumps(ports), flush=True)
    while order := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await Phase(json.loads(order), ledger).run()), flush=True)
    os._exit(0)  # connections that the gateway still keeps need not be waited for


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
