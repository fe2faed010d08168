"""Descriptions of routes for the OpenAPI document, declared beside each route."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel

Json = dict[str, Any]
View = TypeVar("View", bound=Callable[..., Any])

_ATTRIBUTE = "amlemu_description"


@dataclass(frozen=True)
class Answer:
    """A successful response: a JSON object of that model, or, with another media type, bytes that `text` describes."""

    shape: type[BaseModel] | None = None
    text: str = ""
    media_type: str = "application/json"
    headers: tuple[str, ...] = ()


NOTHING = Answer(text="An empty object.")


@dataclass(frozen=True)
class Description:
    """A route in the OpenAPI document.

    `answers` are its successes by status, `errors` the statuses of its own failures, without those of every route.
    `path_fields` are fields of `body` that the path gives, `bytes_body` describes a body that is not JSON.
    """

    summary: str
    answers: Mapping[int, Answer]
    body: type[BaseModel] | None = None
    body_is_optional: bool = False
    bytes_body: str = ""
    path_fields: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    errors: tuple[int, ...] = ()


def openapi(summary: str, answers: Mapping[int, Answer] | type[BaseModel], **more: Any) -> Callable[[View], View]:
    """Describe the route below; `answers` may be the model of its only response, with status 200."""
    found = answers if isinstance(answers, Mapping) else {200: Answer(answers)}

    def decorate(view: View) -> View:
        setattr(view, _ATTRIBUTE, Description(summary, found, **more))
        return view

    return decorate


def description_of(view: Callable[..., Any]) -> Description | None:
    """Return the route's description."""
    found: Description | None = getattr(view, _ATTRIBUTE, None)
    return found


LARGEST_NUMBER = 2**31 - 1
LARGEST_OFFSET = 2**53 - 1  # which every program can read
_BOOLEAN: Json = {"type": "boolean", "default": False}
_NUMBER: Json = {"type": "integer", "minimum": 0, "maximum": LARGEST_NUMBER}
_POSITION: Json = {"type": "integer", "minimum": 0, "maximum": LARGEST_OFFSET}
_TEXT: Json = {"type": "string"}

QUERY: Mapping[str, tuple[Json, str]] = {
    "includeArchived": (_BOOLEAN, "Archived versions too."),
    "curated": (_BOOLEAN, "The curated environments, not the registered ones."),
    "includeValues": (
        _BOOLEAN,
        "The values of variables, and credentials in URLs, which are masked without it; no viewer's.",
    ),
    "deployment": (_TEXT, "Which deployment; the only one, where there is one."),
    "collection": (_TEXT, "Which collection of data; all of them without it."),
    "instance": (_NUMBER, "Which instance, counted from 0."),
    "tail": (_NUMBER, "The last lines only."),
    "offset": (_POSITION, "Where the piece begins."),
    "restart": (_BOOLEAN, "Throw away what was sent before."),
    "follow": (_BOOLEAN, "Go on with lines as they come, and an empty line now and then."),
}
"""The query parameters by name: schema and meaning."""

REQUIRED = frozenset({"offset"})
"""The required ones."""

PATH: Mapping[str, str] = {
    "name": "The resource's name.",
    "version": "A version, or `latest`.",
    "deployment": "The deployment's name.",
    "key": "What a caller sends a file under, 64 hexadecimal digits: its sha256, where that is known; nobody else's "
    "key is the same one.",
    "operation_id": "The operation's id.",
}
"""The meaning of path parameters."""

HEADERS: Mapping[str, tuple[Json, str]] = {
    "Last-Event-ID": (
        {"type": "string", "pattern": "^[0-9]{1,9}$"},
        "The id of the last event that the client has heard; the answer goes on after it.",
    ),
}
"""The request headers by name: schema and meaning."""

ANSWER_HEADERS: Mapping[str, tuple[Json, str]] = {
    "Azure-AsyncOperation": (_TEXT, "The URL that tells how the operation is doing."),
    "Location": (_TEXT, "The URL of the operation's result."),
    "Retry-After": (_TEXT, "After how many seconds to ask again."),
}
"""The response headers by name: schema and meaning."""

POLLED: tuple[str, ...] = tuple(ANSWER_HEADERS)
