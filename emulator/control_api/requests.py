"""What the routes of the control API share: the services behind them, and bodies read with care."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import request

from emulator.control_api.readiness import Condition
from emulator.control_api.resources import Addresses
from emulator.errors import BadArgument
from emulator.metrics import EndpointMetrics
from emulator.workspace import Workspace
from emulator.workspace.operations import Operations


@dataclass(frozen=True)
class Services:
    """The core and the server that the routes speak to.

    `public_host` is the host of scoring URIs, '' for the one by which the caller came; `describe` says who this server
    is; `shutdown` ends it, keeping the containers when told so; `metrics` says how the endpoints
    are doing; `report` writes an unexpected error to the server log; `conditions` are those under which it is ready,
    `is_loopback` tells whether only this machine reaches it.
    """

    workspace: Workspace
    operations: Operations
    public_host: str
    shared_port: int
    describe: Callable[[], dict[str, Any]]
    shutdown: Callable[[bool], None]
    metrics: Callable[[], Sequence[EndpointMetrics]]
    report: Callable[[BaseException], None]
    is_loopback: bool = True
    conditions: Sequence[Condition] = ()

    def addresses(self) -> Addresses:
        """The host for scoring URIs in the answer to this request."""
        host = self.public_host or request.host.rsplit(":", 1)[0]
        return Addresses(host, self.shared_port)


def json_body(*, optional: bool = False) -> dict[str, Any]:
    """The request's JSON object; BadArgument when it is none."""
    if optional and not request.content_length:
        return {}
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise BadArgument("the body must be a JSON object, sent with Content-Type: application/json")
    return body


def flag(name: str) -> bool:
    """A query parameter that is `true`."""
    return request.args.get(name, "").lower() == "true"


def number(name: str) -> int | None:
    """A query parameter that is a whole number from 0 up, None when absent."""
    text = request.args.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise BadArgument(f"{name}={text} is not a whole number from 0 up")
    return int(text)
