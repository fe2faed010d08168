"""The OpenAPI document of the control API, made of its routes, their descriptions and the models of their bodies."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Flask
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from werkzeug.routing import Rule

from emulator.control_api.access import Needed, needed_role
from emulator.control_api.api_version import API_VERSION, API_VERSION_HEADER
from emulator.control_api.openapi_metadata import (
    ANSWER_HEADERS,
    HEADERS,
    PATH,
    QUERY,
    REQUIRED,
    Answer,
    Description,
    description_of,
)
from emulator.control_api.response_schemas import ErrorAnswer

Json = dict[str, Any]


@dataclass(frozen=True)
class Described:
    """A route: its rule, its method in lower case, its description, and the role that it needs."""

    rule: Rule
    method: str
    description: Description
    role: Needed


_Key = tuple[type[BaseModel], JsonSchemaMode]

_ANYWHERE = (400, 401, 403, 500)  # a stranger's host, no token, the wrong role, a bug
_OF_BODIES = (413, 415)
_OF_STREAMS = (507,)  # as many go on as may
_STREAMS = frozenset({"application/x-ndjson", "application/x-tar", "text/event-stream"})
_PART = re.compile(r"<(?:\w+:)?(\w+)>")


def openapi_document(flask: Flask) -> Json:
    """Return the document, the same for the same code."""
    routes = sorted(described_routes(flask), key=lambda route: (route.rule.rule, route.method))
    definitions = _Definitions([key for route in routes for key in _models(route.description)])
    paths: Json = {}
    for route in routes:
        name = _PART.sub(r"{\1}", route.rule.rule)
        path = paths.setdefault(name, {"parameters": [_ref("parameters", "api-version")]})
        path[route.method] = _operation(route, definitions)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "amlemu",
            "version": API_VERSION,
            "description": "The control API of amlemu, a local emulator of Azure ML real-time inference.",
        },
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": definitions.schemas,
            "parameters": {"api-version": _API_VERSION_PARAMETER},
            "responses": {str(status): _failure(status, definitions) for status in _failures(routes)},
            "headers": {"api-version": {"schema": {"type": "string"}, "description": "The version of this API."}},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


_API_VERSION_PARAMETER: Json = {
    "name": "api-version",
    "in": "query",
    "required": False,
    "schema": {"type": "string"},
    "description": "Taken from the stock SDKs, whatever its value.",
}


def described_routes(flask: Flask) -> Iterator[Described]:
    """Yield every route; raise LookupError for one without a description."""
    for rule in flask.url_map.iter_rules():
        view = flask.view_functions[rule.endpoint]
        description = description_of(view)
        if description is None:
            raise LookupError(f"{rule.rule} is not described")
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield Described(rule, method.lower(), description, needed_role(rule.rule, view, method))


class _Definitions:
    """The schemas of all models, and references to them."""

    def __init__(self, keys: Sequence[_Key]) -> None:
        error: _Key = (ErrorAnswer, "serialization")
        # Sorted, so that names that two models share are shared out alike each time.
        wanted = sorted({*keys, error}, key=lambda key: (key[0].__module__, key[0].__name__, key[1]))
        self._refs, found = models_json_schema(wanted, ref_template="#/components/schemas/{model}")
        self.schemas: Json = dict(sorted(found["$defs"].items()))

    def ref(self, model: type[BaseModel], mode: JsonSchemaMode = "serialization") -> Json:
        """Return a reference to the model's schema."""
        return dict(self._refs[model, mode])

    def of_body(self, description: Description) -> Json:
        """Return the schema of a body, in which fields of the path are optional."""
        assert description.body is not None
        reference = self.ref(description.body, "validation")
        schema = self.schemas[reference["$ref"].rpartition("/")[2]]
        required = [name for name in schema.get("required", []) if name not in description.path_fields]
        if required != schema.get("required", []):
            schema["required"] = required
        return reference


def _models(description: Description) -> Iterator[_Key]:
    if description.body is not None:
        yield description.body, "validation"
    for answer in description.answers.values():
        if answer.shape is not None:
            yield answer.shape, "serialization"


def _operation(route: Described, definitions: _Definitions) -> Json:
    rule, description = route.rule, route.description
    found: Json = {
        "operationId": rule.endpoint.replace(".", "_"),
        "tags": [rule.endpoint.partition(".")[0]],
        "summary": description.summary,
        "x-amlemu-role": route.role,
        "parameters": list(_parameters(rule, description)),
        "responses": _responses(description, definitions),
    }
    if route.role == "nobody":
        found["security"] = []
    if description.bytes_body:
        content: Json = {"application/octet-stream": {"schema": {}}}
        found["requestBody"] = {"required": True, "description": description.bytes_body, "content": content}
    if description.body is not None:
        schema = definitions.of_body(description)
        found["requestBody"] = {
            "required": not description.body_is_optional,
            "content": {"application/json": {"schema": schema}},
        }
    return found


def _parameters(rule: Rule, description: Description) -> Iterator[Json]:
    for name in _PART.findall(rule.rule):
        schema = {"type": "string", "minLength": 1}
        yield {"name": name, "in": "path", "required": True, "schema": schema, "description": PATH[name]}
    for place, names, table in (("query", description.query, QUERY), ("header", description.headers, HEADERS)):
        for name in names:
            schema, text = table[name]
            required = name in REQUIRED
            yield {"name": name, "in": place, "required": required, "schema": schema, "description": text}


def _responses(description: Description, definitions: _Definitions) -> Json:
    found = {str(status): _success(answer, definitions) for status, answer in description.answers.items()}
    return found | {str(status): _ref("responses", str(status)) for status in _statuses(description)}


def _statuses(description: Description) -> list[int]:
    """Return every status of a failure."""
    of_body = _OF_BODIES if description.body or description.bytes_body else ()
    is_stream = any(answer.media_type in _STREAMS for answer in description.answers.values())
    return sorted({*_ANYWHERE, *description.errors, *of_body, *(_OF_STREAMS if is_stream else ())})


def _failures(routes: Sequence[Described]) -> list[int]:
    return sorted({status for route in routes for status in _statuses(route.description)})


def _success(answer: Answer, definitions: _Definitions) -> Json:
    headers: Json = {API_VERSION_HEADER: _ref("headers", "api-version")}
    for name in answer.headers:
        schema, text = ANSWER_HEADERS[name]
        headers[name] = {"schema": schema, "description": text}
    found: Json = {"description": answer.text or _text_of(answer.shape), "headers": headers}
    if answer.media_type:
        found["content"] = {answer.media_type: {"schema": _schema(answer, definitions)}}
    return found


def _schema(answer: Answer, definitions: _Definitions) -> Json:
    if answer.shape is not None:
        return definitions.ref(answer.shape)
    return {"type": "object", "maxProperties": 0} if answer.media_type == "application/json" else {"type": "string"}


def _text_of(shape: type[BaseModel] | None) -> str:
    return ((shape and shape.__doc__) or "").strip().partition("\n")[0]


def _failure(status: int, definitions: _Definitions) -> Json:
    return {
        "description": HTTPStatus(status).phrase,
        "headers": {API_VERSION_HEADER: _ref("headers", "api-version")},
        "content": {"application/json": {"schema": definitions.ref(ErrorAnswer)}},
    }


def _ref(kind: str, name: str) -> Mapping[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}
