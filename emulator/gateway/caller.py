"""The receiver of a response: a caller's connection, or none for a mirrored request (row traffic.mirror_unseen)."""

from __future__ import annotations

from typing import Protocol

from emulator.gateway.caller_connection import PendingResponse
from emulator.gateway.request import Request
from emulator.routing.http_heads import HeaderEdits


class Caller(Protocol):
    """The receiver of a response: CallerConnection or DiscardingCaller."""

    @property
    def written(self) -> bool:
        """Whether a part of the response has been written."""

    @property
    def congested(self) -> bool:
        """Whether the caller reads too slowly."""

    def write(self, data: bytes) -> None:
        """Send `data`; ConnectionError when the caller is gone."""

    async def drain(self) -> None:
        """Wait until the caller has read enough."""

    def answer(self, request: Request, status: int, text: str, edits: HeaderEdits, *, close: bool = False) -> bool:
        """Write a response of the gateway's own; return whether the connection can carry another request."""

    def finish_request(self, request: Request, keep_alive: bool) -> None:
        """The response is complete."""

    def set_pending(self, pending: PendingResponse) -> None:
        """Replace what is canceled when the caller goes away."""

    def answer_error(self, request: Request, error: Exception) -> bool:
        """Answer a request that met a bug of the gateway."""

    def abort(self) -> None:
        """Cut the connection."""


class DiscardingCaller:
    """Discards the response to a mirrored request."""

    written = False
    congested = False

    def __init__(self) -> None:
        self._pending: PendingResponse | None = None

    def set_pending(self, pending: PendingResponse) -> None:
        """Keep what relays the copy alive until it has ended."""
        self._pending = pending

    def write(self, data: bytes) -> None:
        """Discard `data`."""

    async def drain(self) -> None:
        """Return at once."""

    def answer(self, request: Request, status: int, text: str, edits: HeaderEdits, *, close: bool = False) -> bool:
        """Discard the response."""
        return False

    def finish_request(self, request: Request, keep_alive: bool) -> None:
        """The copy has ended."""
        self._pending = None

    def answer_error(self, request: Request, error: Exception) -> bool:
        """Raise the error: there is no response in which it would be noticed."""
        raise error

    def abort(self) -> None:
        """Do nothing: there is no connection."""
