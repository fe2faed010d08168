"""The HTTP door for management: paths and bodies in, the core's verbs, resources out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from emulator.control_api.access import caller, guard, needs, takes_paths, token_routes
from emulator.control_api.endpoints import endpoint_routes
from emulator.control_api.exports import export_routes
from emulator.control_api.metrics import metrics_text
from emulator.control_api.models import model_routes
from emulator.control_api.requests import Services, json_body
from emulator.control_api.resources import WORKSPACE_PATH
from emulator.control_api.statuses import STATUSES
from emulator.errors import AuthenticationFailed, EmulatorError
from emulator.workspace.operations import Operation

SERVER_PATH = "/_amlemu"
"""Below it are the routes of the emulator itself."""

__all__ = ["SERVER_PATH", "Services", "create_control_api"]


def create_control_api(services: Services) -> Flask:
    """The control API as a WSGI callable."""
    flask = Flask("amlemu", static_folder=None)
    flask.json.sort_keys = False  # type: ignore[attr-defined]
    flask.register_blueprint(_server_routes(services))
    flask.register_blueprint(token_routes(services), url_prefix=SERVER_PATH)
    for make_routes in (model_routes, endpoint_routes, export_routes, _operation_routes):
        flask.register_blueprint(make_routes(services), url_prefix=WORKSPACE_PATH)
    guard(flask, services)
    flask.register_error_handler(EmulatorError, _answer_error)
    flask.register_error_handler(HTTPException, _answer_http)
    flask.register_error_handler(Exception, lambda error: _answer_bug(error, services.report))
    return flask


def _answer_error(error: EmulatorError) -> tuple[Response, int]:
    answer = jsonify({"error": error.to_dict()})
    if isinstance(error, AuthenticationFailed):
        answer.headers["WWW-Authenticate"] = 'Bearer realm="amlemu"'
    return answer, STATUSES[type(error)]


def _answer_http(error: HTTPException) -> tuple[Response, int]:
    code = {404: "ResourceNotFound", 405: "BadArgument", 400: "BadArgument"}.get(
        error.code or 500, "InternalServerError"
    )
    told = {"code": code, "message": f"{request.method} {request.path}: {error.description}"}
    return jsonify({"error": told}), error.code or 500


def _answer_bug(error: Exception, report: Callable[[BaseException], None]) -> tuple[Response, int]:
    report(error)
    told = EmulatorError(f"{type(error).__name__}: {error}", hint="this is a bug of amlemu; see server.log")
    return _answer_error(told)


def _server_routes(services: Services) -> Blueprint:
    routes = Blueprint("server", __name__)

    @routes.get("/healthz")
    def health() -> Response:
        who = {"caller": caller().name, "role": caller().role, "takes_paths": takes_paths(services)}
        return jsonify(services.describe() | who)

    @routes.get("/metrics")
    def metrics() -> Response:
        workspace = services.workspace
        capacity = {
            (name, deployment.name): workspace.health.instances(name, deployment.name)
            for name in workspace.endpoints.list_names()
            for deployment in workspace.deployments.list_of(name)
        }
        collected = workspace.collecting.counts.minute()
        text = metrics_text(services.metrics(), capacity, workspace.uses.measure(), collected)
        return Response(text, content_type="text/plain; version=0.0.4; charset=utf-8")

    @routes.post("/shutdown")
    @needs("admin")
    def shutdown() -> Response:
        keep = bool(json_body(optional=True).get("keep_containers"))
        services.shutdown(keep)
        return jsonify({"status": "stopping"})

    @routes.post("/prune")
    @needs("admin")
    def prune() -> Response:
        dry_run = bool(json_body(optional=True).get("dry_run"))
        return jsonify({"removed": services.workspace.prune(dry_run=dry_run)})

    return routes


def _operation_routes(services: Services) -> Blueprint:
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
