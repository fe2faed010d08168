"""Routes for operations: polled like Azure's, or followed as server-sent events."""

from __future__ import annotations

import json
from collections.abc import Iterator

from flask import Blueprint, Response, jsonify, request

from emulator.azure_paths import WORKSPACE_PATH
from emulator.control_api.openapi_metadata import NOTHING, POLLED, Answer, openapi
from emulator.control_api.request_parsing import Services
from emulator.control_api.resources import Json
from emulator.control_api.response_schemas import OperationResult, OperationStatus, ServerSentEvent
from emulator.errors import BadArgument
from emulator.workspace.operations import Operation

_POLL_SECONDS = "1"  # without it the SDKs wait 5 to 30 (azure-ai-ml 1.35.2)


def operation_routes(services: Services) -> Blueprint:
    """`{workspace}/mfeOperationsStatus…` and `{workspace}/mfeOperationResults…`."""
    routes = Blueprint("operations", __name__)
    _polling_routes(routes, services)
    _following_routes(routes, services)
    return routes


def _polling_routes(routes: Blueprint, services: Services) -> None:
    @routes.get("/mfeOperationsStatus/<operation_id>")
    @openapi("How an operation is doing.", {200: Answer(OperationStatus, headers=("Retry-After",))}, errors=(404,))
    def status(operation_id: str) -> tuple[Response, dict[str, str]]:
        operation = services.operations.get(operation_id)
        return jsonify(status_document(operation)), {"Retry-After": _POLL_SECONDS}

    @routes.delete("/mfeOperationsStatus/<operation_id>")
    @openapi("Ask an operation to stop, soon.", {202: NOTHING}, errors=(404,))
    def cancel(operation_id: str) -> tuple[Response, int]:
        services.operations.cancel(operation_id)
        return jsonify({}), 202

    @routes.get("/mfeOperationResults/<operation_id>")
    @openapi(
        "What an operation has made; an operation that failed answers with its error.",
        {200: Answer(OperationResult), 202: Answer(OperationResult, "It goes on.", headers=POLLED)},
        errors=(404, 409, 502, 503, 504, 507),
    )
    def result(operation_id: str) -> tuple[Response, int, dict[str, str]]:
        operation = services.operations.get(operation_id)
        if operation.status == "InProgress":
            return jsonify({}), 202, poll_headers(operation)
        if operation.error is not None:
            raise operation.error
        return jsonify(operation.result), 200, {}


def _following_routes(routes: Blueprint, services: Services) -> None:
    @routes.get("/mfeOperationsStatus/<operation_id>/events")
    @openapi(
        "Follow an operation to its end.",
        {
            200: Answer(ServerSentEvent, "Events, and at last how it ended.", media_type="text/event-stream"),
            204: Answer(text="The client has heard the end.", media_type=""),
        },
        headers=("Last-Event-ID",),
        errors=(404,),
    )
    def events(operation_id: str) -> Response:
        operation = services.operations.get(operation_id)
        after = _last_event_id(operation)
        if after > len(operation.events):  # it has heard the end: 204 is what keeps an EventSource from asking again
            return Response(status=204)
        stream = _server_sent_events(operation, after)
        return Response(stream, mimetype="text/event-stream", headers={"Cache-Control": "no-store"})


def poll_headers(operation: Operation) -> dict[str, str]:
    """Return the headers with the URLs of the operation's status and result, as Azure's operations have them."""
    base = request.host_url.rstrip("/") + WORKSPACE_PATH
    return {
        "Azure-AsyncOperation": f"{base}/mfeOperationsStatus/{operation.id}",
        "Location": f"{base}/mfeOperationResults/{operation.id}",
        "Retry-After": _POLL_SECONDS,
    }


def status_document(operation: Operation) -> Json:
    """Return an operation's status in the form of Azure's polling responses."""
    document: Json = {
        "id": f"{WORKSPACE_PATH}/mfeOperationsStatus/{operation.id}",
        "name": operation.id,
        "status": operation.status,
        "startTime": operation.started_at,
    }
    if operation.ended_at is not None:
        document["endTime"] = operation.ended_at
    if operation.error is not None:
        document["error"] = operation.error.to_dict()
    return document


def _last_event_id(operation: Operation) -> int:
    """Return how many events the client has received before it reconnected."""
    text = request.headers.get("Last-Event-ID", "0")
    events, ended = len(operation.events), operation.status != "InProgress"
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) <= events + ended):
        message = f"Last-Event-ID: {text} is not an event of this operation"
        raise BadArgument(message, target=f"operation {operation.id}")
    return int(text)


def _server_sent_events(operation: Operation, after: int) -> Iterator[bytes]:
    """Yield each event with its number, and at the end the operation's status; comments are heartbeats, which reveal a
    client that has gone."""
    number = after
    for event in operation.follow(after):
        if event is None:
            yield b":\n\n"
        else:
            number += 1
            yield _event(number, event)
    yield _event(number + 1, {"kind": "end", **status_document(operation)})


def _event(number: int, event: Json) -> bytes:
    return f"id: {number}\nevent: {event['kind']}\ndata: {json.dumps(event)}\n\n".encode()
