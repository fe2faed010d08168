"""Responses of the server itself to requests that reach no view."""

from __future__ import annotations

import json
from http import HTTPStatus

from emulator.control_api.api_version import API_VERSION, API_VERSION_HEADER
from emulator.errors import EmulatorError


class Refusal:
    """An error for waitress, printed like all errors of the control API."""

    def __init__(self, status: int, error: EmulatorError, *, retry: bool = False) -> None:
        self.code = status
        self.reason = HTTPStatus(status).phrase
        self.body = error.message
        self._error = error
        self._retry = retry

    def to_response(self, ident: str | None = None) -> tuple[str, list[tuple[str, str]], bytes]:
        """Return status line, headers and body; `ident` names the server."""
        headers = [("Content-Type", "application/json"), (API_VERSION_HEADER, API_VERSION)]
        if self._retry:
            headers.append(("Retry-After", "1"))
        return f"{self.code} {self.reason}", headers, json.dumps({"error": self._error.to_dict()}).encode()
