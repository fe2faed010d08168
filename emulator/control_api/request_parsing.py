"""What the routes share: the services behind them, and validated bodies and query parameters."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Blueprint, request
from werkzeug.exceptions import UnsupportedMediaType

from emulator.control_api.openapi_metadata import LARGEST_NUMBER
from emulator.control_api.readiness import Condition
from emulator.control_api.resources import Addresses
from emulator.documents.yaml_document import whole_number
from emulator.entities import Entity
from emulator.errors import BadArgument
from emulator.names import in_small_letters
from emulator.routing.metrics import EndpointMetrics
from emulator.secret import MASK, masked_places
from emulator.workspace import Workspace
from emulator.workspace.operations import Operations

E = TypeVar("E", bound=Entity)

_LARGEST_BODY = 8 << 20  # of JSON, which holds words; contents come by other ways
LARGEST_LIST = 31 << 20  # the list of an upload may have 200,000 files
_MOST_DIGITS = 16
_FAULTS_TOLD = 5


@dataclass(frozen=True)
class Services:
    """The core and the server that the routes call.

    `public_host` is the host of scoring URIs, '' for the host of the request.  `describe` describes this server,
    `shutdown` ends it, with a flag to keep the containers.  `metrics` returns the endpoints' metrics, `abandoned` how
    many requests a deployment's containers work on whose clients have gone.  `report` writes an unexpected error to the
    server log.  `conditions` are those of readiness.  `is_loopback` tells whether only this machine reaches the server.
    """

    workspace: Workspace
    operations: Operations
    public_host: str
    shared_port: int
    describe: Callable[[], dict[str, Any]]
    shutdown: Callable[[bool], None]
    metrics: Callable[[], Sequence[EndpointMetrics]]
    abandoned: Callable[[str, str], int]
    report: Callable[[BaseException], None]
    is_loopback: bool = True
    conditions: Sequence[Condition] = ()

    def addresses(self) -> Addresses:
        """Return the host for scoring URIs in the response to this request."""
        host = self.public_host or request.host.rsplit(":", 1)[0]
        return Addresses(host, self.shared_port)


def match_names_ignoring_case(routes: Blueprint, services: Services) -> None:
    """Replace endpoint and deployment names in the path by the stored spelling (row names.case).

    Runs after authentication, so that an unauthenticated request reads nothing from the store.
    """

    def match() -> None:
        values = request.view_args
        if values and "name" in values:
            endpoints = services.workspace.endpoints
            values["name"] = endpoints.known_name(values["name"])
            if "deployment" in values:
                values["deployment"] = endpoints.known_name(values["name"], values["deployment"])

    routes.before_request(match)


def body_of(
    shape: type[E],
    *,
    target: str = "",
    optional: bool = False,
    most_bytes: int = _LARGEST_BODY,
    located: Callable[[dict[str, Any]], dict[str, Any]] = dict,
    ignore_case: bool = False,
    **of_path: str,
) -> E:
    """Parse the request's JSON object as that entity, with the fields of the path, and its file paths `located`.

    Raises BadArgument with all faults at once.  A missing `optional` body is an empty object.  `ignore_case` lets the
    body spell the path's fields in another case.
    """
    document = {} if optional and not _data(most_bytes) else _json_object(most_bytes)
    for name, value in of_path.items():
        given = document.get(name, value)
        if ignore_case and isinstance(given, str) and in_small_letters(given) == in_small_letters(value):
            given = value
        document[name] = given
        if given != value:
            raise BadArgument(f"{name} is '{value}' in the path and another in the body", target=target)
    _refuse_masked(document, target)
    return shape.parse(located(document), target=target, strict=True)


def _refuse_masked(document: dict[str, Any], target: str) -> None:
    """Refuse masked values that were read here and are sent back: the asterisks would replace the secret."""
    # Not in the JSON text, in which an asterisk may be escaped.
    if places := list(itertools.islice(masked_places(document), _FAULTS_TOLD)):
        message = f"{', '.join(places)}: {MASK} stands for a secret that amlemu has masked, and is not a value"
        hint = "send the value itself, or leave the field out; a deployer reads it with ?includeValues=true"
        raise BadArgument(message, target=target, hint=hint)


def _data(most_bytes: int) -> bytes:
    request.max_content_length = most_bytes
    return request.get_data()


def _json_object(most_bytes: int) -> dict[str, Any]:
    data = _data(most_bytes)  # also of a body that is refused: unread bytes would be taken for the next request
    if not request.is_json:
        raise UnsupportedMediaType("the body must be a JSON object, sent with Content-Type: application/json")
    try:
        body = json.loads(data, parse_constant=_no_number, parse_float=_finite, parse_int=whole_number)
    except RecursionError:
        raise BadArgument("the body is nested too deeply") from None
    except ValueError as error:
        raise BadArgument(f"the body must be a JSON object: {error}") from error
    if not isinstance(body, dict):
        raise BadArgument("the body must be a JSON object")
    return body


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def query_bool(name: str) -> bool:
    """Return a query parameter that is `true` or `false`, False by default."""
    text = request.args.get(name, "false").lower()
    if text not in ("true", "false"):
        raise BadArgument(f"{name}={text} is neither true nor false")
    return text == "true"


def query_int(name: str, most: int = LARGEST_NUMBER) -> int | None:
    """Return a query parameter that is a whole number from 0 to `most`, None by default."""
    text = request.args.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS and int(text) <= most):
        raise BadArgument(f"{name}={text} is not a whole number from 0 to {most}")
    return int(text)
