"""The HTTP API for management: it turns requests into verbs of the core, and results into resources."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from emulator.azure_paths import OWN_PATH, WORKSPACE_PATH
from emulator.control_api.access import guard, knows, token_routes
from emulator.control_api.api_version import API_VERSION, API_VERSION_HEADER
from emulator.control_api.bounded_streams import STREAMS, bounded_streams
from emulator.control_api.http_server import CONNECTIONS, ControlServer
from emulator.control_api.json_text import QuickJson
from emulator.control_api.readiness import Condition, all_restored, engine_answers
from emulator.control_api.request_parsing import Services
from emulator.control_api.routes.endpoints import endpoint_routes
from emulator.control_api.routes.exports import export_routes
from emulator.control_api.routes.models import model_routes
from emulator.control_api.routes.operations import operation_routes
from emulator.control_api.routes.system import system_routes
from emulator.control_api.routes.uploads import upload_routes
from emulator.control_api.statuses import STATUSES
from emulator.errors import AuthenticationFailed, BadArgument, EmulatorError, ResourceNotFound

__all__ = ["Condition", "Services", "all_restored", "control_server", "create_control_api", "engine_answers"]


def control_server(
    services: Services, sock: socket.socket, most_streams: int = STREAMS, most_connections: int = CONNECTIONS
) -> ControlServer:
    """Return the control API's server on a listening socket; `run` serves, `close` ends it."""
    app = bounded_streams(create_control_api(services), most_streams)
    return ControlServer(app, sock, partial(knows, services), most_connections)


def create_control_api(services: Services) -> Flask:
    """Return the control API as a WSGI application."""
    flask = Flask("amlemu", static_folder=None)
    flask.json = QuickJson(flask)
    for make_routes in (system_routes, token_routes, upload_routes):
        flask.register_blueprint(make_routes(services), url_prefix=OWN_PATH)
    for make_routes in (model_routes, endpoint_routes, export_routes, operation_routes):
        flask.register_blueprint(make_routes(services), url_prefix=WORKSPACE_PATH)
    guard(flask, services)
    flask.after_request(_with_version)
    flask.register_error_handler(EmulatorError, _answer_error)
    flask.register_error_handler(HTTPException, _answer_http)
    flask.register_error_handler(Exception, lambda error: _answer_bug(error, services.report))
    return flask


def _with_version(response: Response) -> Response:
    response.headers[API_VERSION_HEADER] = API_VERSION
    return response


def _answer_error(error: EmulatorError) -> tuple[Response, int]:
    answer = jsonify({"error": error.to_dict()})
    if isinstance(error, AuthenticationFailed):
        answer.headers["WWW-Authenticate"] = 'Bearer realm="amlemu"'
    return answer, STATUSES[type(error)]


def _answer_http(error: HTTPException) -> tuple[Response, int]:
    status = error.code or 500
    kind = ResourceNotFound if status == 404 else BadArgument if status < 500 else EmulatorError
    told = kind(f"{request.method} {request.path}: {error.description}")
    answer = jsonify({"error": told.to_dict()})
    answer.headers.extend({name: value for name, value in error.get_headers() if name == "Allow"})
    return answer, status


def _answer_bug(error: Exception, report: Callable[[BaseException], None]) -> tuple[Response, int]:
    report(error)
    told = EmulatorError(f"{type(error).__name__}: {error}", hint="this is a bug of amlemu; see server.log")
    return _answer_error(told)
