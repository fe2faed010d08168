"""Copies of requests: sent like any other, their answers heard by nobody (row traffic.mirror_unseen)."""

from __future__ import annotations

from emulator.gateway.caller_connection import Answering
from emulator.gateway.request import Request
from emulator.routing.http_heads import Changes


class Silence:
    """A caller that takes every answer and passes none on."""

    written = False
    congested = False

    def __init__(self) -> None:
        self._answering: Answering | None = None

    def is_answered_by(self, answering: Answering) -> None:
        """Keep what answers alive until it has."""
        self._answering = answering

    def write(self, data: bytes) -> None:
        """Nobody reads it."""

    async def drain(self) -> None:
        """Nobody is slow."""

    def answer(self, request: Request, status: int, text: str, changes: Changes, *, close: bool = False) -> bool:
        """Nobody reads it."""
        return False

    def settle(self, request: Request, keep_alive: bool) -> None:
        """The copy is over."""
        self._answering = None

    def excuse(self, request: Request, error: Exception) -> bool:
        """A bug of ours must not go unheard with the copy."""
        raise error

    def abort(self) -> None:
        """There is no connection."""


def copy_of(request: Request) -> Request:
    """A request that gets the same body as it comes, what is there of it included."""
    copy = Request(request.method, request.target, request.version, request.headers, keep_alive=False)
    request.copy_to(copy)
    return copy
