"""Who gets an answer: a conversation, or nobody (of a mirrored request)."""

from __future__ import annotations

from typing import Protocol

from emulator.gateway.caller_connection import Answering
from emulator.gateway.request import Request
from emulator.routing.http_heads import Changes


class Caller(Protocol):
    """Who gets the answer: a conversation, or nobody."""

    @property
    def written(self) -> bool:
        """Whether something of the answer is on its way."""

    @property
    def congested(self) -> bool:
        """Whether the caller reads too slowly."""

    def write(self, data: bytes) -> None:
        """Send that; ConnectionError when the caller is gone."""

    async def drain(self) -> None:
        """Wait until the caller has read enough."""

    def answer(self, request: Request, status: int, text: str, changes: Changes, *, close: bool = False) -> bool:
        """Write an answer of the gateway's own; whether another request may follow."""

    def settle(self, request: Request, keep_alive: bool) -> None:
        """The request is answered."""

    def is_answered_by(self, answering: Answering) -> None:
        """Who answers now."""

    def excuse(self, request: Request, error: Exception) -> bool:
        """Answer a request that met a bug."""

    def abort(self) -> None:
        """Cut the connection."""
