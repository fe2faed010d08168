"""Routes for operations: what a deployment or a build that goes on is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, jsonify

from emulator.control_api.requests import Services
from emulator.workspace.operations import Operation


def operation_routes(services: Services) -> Blueprint:
    """`{workspace}/mfeOperationsStatus…`."""
    routes = Blueprint("operations", __name__)

    @routes.get("/mfeOperationsStatus/<operation_id>")
    def status(operation_id: str) -> Response:
        return jsonify(_status(services.operations.get(operation_id)))

    @routes.delete("/mfeOperationsStatus/<operation_id>")
    def cancel(operation_id: str) -> tuple[Response, int]:
        services.operations.cancel(operation_id)
        return jsonify({}), 202

    @routes.get("/mfeOperationsStatus/<operation_id>/events")
    def events(operation_id: str) -> Response:
        operation = services.operations.get(operation_id)
        return Response(_event_lines(operation), mimetype="application/x-ndjson")

    return routes


def _status(operation: Operation) -> dict[str, Any]:
    document: dict[str, Any] = {"id": operation.id, "status": operation.status}
    if operation.error is not None:
        document["error"] = operation.error.to_dict()
    return document


def _event_lines(operation: Operation) -> Iterator[bytes]:
    """One JSON object a line; an empty line now and then, so that a client that went away is noticed."""
    for event in operation.follow():
        yield (json.dumps(event) if event else "").encode() + b"\n"
    yield json.dumps({"kind": "end", **_status(operation)}).encode() + b"\n"
