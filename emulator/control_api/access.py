"""Access control of the control API: host names, tokens, and the role that each route needs."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, g, jsonify, request

from emulator.azure_paths import OWN_PATH
from emulator.control_api.json_text import revealed
from emulator.control_api.openapi_metadata import NOTHING, Answer, openapi
from emulator.control_api.request_parsing import Services, body_of, query_bool
from emulator.control_api.request_schemas import TokenRequest
from emulator.control_api.response_schemas import NewTokenOfAccess, TokensOfAccess
from emulator.entities import AccessToken, Caller, Role
from emulator.errors import AuthenticationFailed, AuthorizationFailed, BadArgument

_OWN_HOSTS = ("127.0.0.1", "localhost", "[::1]")
_READS = ("GET", "HEAD", "OPTIONS")
_ATTRIBUTE = "amlemu_role"

OPEN_ROUTES = frozenset({f"{OWN_PATH}/health", f"{OWN_PATH}/ready"})
"""The routes that need no token; their responses tell nothing of the machine or of what is deployed."""

Needed = Role | Literal["nobody"]
"""`nobody`: no token is needed."""
V = TypeVar("V", bound=Callable[..., Any])


def needs(role: Role) -> Callable[[V], V]:
    """Set the role that a view needs; by default a viewer may read, and a deployer may do everything else."""

    def mark(view: V) -> V:
        setattr(view, _ATTRIBUTE, role)
        return view

    return mark


def needed_role(rule: str | None, view: Callable[..., Any] | None, method: str) -> Needed:
    """Return the role that a request to the view needs, by its rule of the URL map."""
    if rule in OPEN_ROUTES:
        return "nobody"
    role: Role | None = getattr(view, _ATTRIBUTE, None)
    return role or ("viewer" if method in _READS else "deployer")


def guard(flask: Flask, services: Services) -> None:
    """Admit requests by host, origin and token before any view sees them."""

    def admit() -> None:
        _refuse_strangers(services)
        view = flask.view_functions.get(request.endpoint or "")
        role = needed_role(request.url_rule.rule if request.url_rule else None, view, request.method)
        if role != "nobody":
            g.caller = services.workspace.access.caller(_presented())
            check_role(role)

    flask.before_request(admit)


def knows(services: Services, authorization: str) -> bool:
    """Return whether the Authorization header is valid, for the server below the views."""
    try:
        services.workspace.access.caller(_token_of(authorization))
    except AuthenticationFailed:
        return False
    return True


def caller() -> Caller:
    """Return the caller of the current request."""
    found: Caller = g.caller
    return found


def takes_paths(services: Services) -> bool:
    """Return whether the caller may name files of the emulator's machine: only its own user may.

    That is a caller with the token of its home, on an emulator that only this machine reaches.
    """
    return services.is_loopback and caller().is_owner


def check_role(role: Role) -> None:
    """Raise AuthorizationFailed unless the caller has that role."""
    if not caller().may(role):
        message = f"the token '{caller().name}' is of a {caller().role}: {request.method} {request.path} needs {role}"
        raise AuthorizationFailed(message, hint="an admin makes others: amlemu token create NAME --role ROLE")


def values_are_asked_for() -> bool:
    """Return whether secret values are asked for (`includeValues=true`); raise AuthorizationFailed for a viewer."""
    asked = query_bool("includeValues")
    if asked:
        check_role("deployer")
    return asked


def _presented() -> str:
    return _token_of(request.headers.get("Authorization", ""))


def _token_of(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _refuse_strangers(services: Services) -> None:
    """Refuse requests of web pages, sent directly or through DNS rebinding.

    An address in place of a name cannot be rebound.
    """
    host = request.host.rsplit(":", 1)[0] if not request.host.endswith("]") else request.host
    origin = request.headers.get("Origin")
    known = host in {*_OWN_HOSTS, services.public_host} or _is_address(host)
    if not known or (origin and urlsplit(origin).netloc != request.host):
        raise BadArgument(
            f"the control API does not answer to {origin or host}",
            hint="call it as 127.0.0.1 or localhost; AMLEMU_PUBLIC_HOST allows one more name",
        )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def token_routes(services: Services) -> Blueprint:
    """Return the routes of `/tokens`."""
    routes = Blueprint("tokens", __name__)
    access = services.workspace.access

    @routes.get("/tokens")
    @needs("admin")
    @openapi("The tokens that were handed out.", TokensOfAccess)
    def list_tokens() -> Response:
        return jsonify({"value": [_shown(token) for token in access.list()]})

    @routes.post("/tokens")
    @needs("admin")
    @openapi("Make a token.", {201: Answer(NewTokenOfAccess)}, body=TokenRequest, errors=(507,))
    def create() -> Response:
        body = body_of(TokenRequest)
        made, token = access.create(body.name, body.role)
        answer = revealed({**_shown(made), "token": token})
        answer.status_code = 201
        return answer

    @routes.delete("/tokens/<name>")
    @needs("admin")
    @openapi("Withdraw a token.", {200: NOTHING}, errors=(404,))
    def delete(name: str) -> Response:
        access.delete(name)
        return jsonify({})

    return routes


def _shown(token: AccessToken) -> dict[str, str]:
    return {"name": token.name, "role": token.role, "created_at": token.created_at}
