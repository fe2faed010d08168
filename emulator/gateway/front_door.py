"""What the front door decides about one request before any container sees it.  Pure.

Source of each rule: the row that the profile's field names (emulator/profiles/front_door_rows.py).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import NamedTuple

from emulator import traffic
from emulator.profiles import Answer
from emulator.routes import DeploymentRoute, EndpointRoute, Instance

SWAGGER_PATH = b"/swagger.json"
_SCHEME = b"bearer "
_NOT_A_TUNNEL = Answer(405, "Method not allowed")


class Asked(NamedTuple):
    """A request as far as the decision needs it: `path` is without prefix and query, `authorization` holds every such
    header, `deployment` is the value of the profile's deployment header, None without one."""

    method: str
    path: bytes
    authorization: tuple[bytes, ...]
    deployment: str | None


class Refused(NamedTuple):
    """The request stops here: `reason` is the row id of the answer, `model_reason` what its header gives as reason."""

    answer: Answer
    reason: str
    model_reason: str | None = None


class Chosen(NamedTuple):
    """The request goes to that deployment; `by_header` tells that the caller named it."""

    deployment: DeploymentRoute
    by_header: bool


def decide(route: EndpointRoute, asked: Asked, draw: float) -> Refused | Chosen:
    """Method, key and deployment, in this order (design: a refused request reaches no container).

    `draw` is a new random number in [0, 1).
    """
    refused = refuse_method(route, asked.method) or refuse_key(route, asked.path, asked.authorization)
    return refused or _choose(route, asked.deployment, draw)


def refuse_method(route: EndpointRoute, method: str) -> Refused | None:
    """The refusal of a method that the target does not route (row routing.methods)."""
    profile = route.profile
    if method == "CONNECT":  # asks for a tunnel, which no scoring server and no front door gives
        return Refused(profile.rejected_method or _NOT_A_TUNNEL, "routing.rejected_method")
    if profile.rejected_method is None or profile.routed_methods is None or method in profile.routed_methods:
        return None
    return Refused(profile.rejected_method, "routing.rejected_method")


def refuse_key(route: EndpointRoute, path: bytes, authorization: tuple[bytes, ...]) -> Refused | None:
    """The refusal of a request that shows no valid key (rows auth.*)."""
    profile = route.profile
    if not asks_for_key(route, path):
        return None
    if profile.no_auth_header is not None and not authorization:
        return Refused(profile.no_auth_header, "auth.no_header")
    key = _bearer(authorization)
    if profile.malformed_auth_header is not None and key is None:
        return Refused(profile.malformed_auth_header, "auth.malformed_header")
    if profile.wrong_key is not None and not _is_valid(key or b"", route.key_bytes):
        return Refused(profile.wrong_key, "auth.wrong_key")
    return None


def asks_for_key(route: EndpointRoute, path: bytes) -> bool:
    """Whether that path of the endpoint needs a key; one without keys that may not be open refuses all of them."""
    profile = route.profile
    if not profile.front_door or (not route.keys and profile.key_optional):
        return False
    return path != SWAGGER_PATH or profile.swagger_requires_key


def _bearer(authorization: tuple[bytes, ...]) -> bytes | None:
    if len(authorization) != 1 or authorization[0][: len(_SCHEME)].lower() != _SCHEME:
        return None
    return authorization[0][len(_SCHEME) :].strip() or None


def _is_valid(key: bytes, keys: tuple[bytes, ...]) -> bool:
    # every key is compared, so that the time taken does not tell which one is near
    return sum(hmac.compare_digest(key, valid) for valid in keys) > 0


def _choose(route: EndpointRoute, named: str | None, draw: float) -> Refused | Chosen:
    profile = route.profile
    name = named if named is not None else traffic.choose_deployment(route.weights, draw)
    if name is None:
        return Refused(profile.no_valid_deployment, "traffic.no_valid_deployment")
    deployment = route.by_name.get(name)
    if deployment is None:
        return Refused(profile.unknown_deployment or profile.no_valid_deployment, "traffic.unknown_deployment")
    return Chosen(deployment, by_header=named is not None)


def least_busy(deployment: DeploymentRoute, in_flight: Mapping[str, int], turn: int) -> Instance | None:
    """The instance that a request goes to (row concurrency.least_busy); None when none is ready.

    `in_flight` counts requests by instance id, `turn` goes up by one with each request.
    """
    instances = deployment.instances
    if len(instances) == 1:
        return instances[0]
    index = traffic.least_busy([in_flight.get(instance.id, 0) for instance in instances], turn)
    return None if index is None else instances[index]


def free_instance(deployment: DeploymentRoute, in_flight: Mapping[str, int], turn: int) -> Instance | None:
    """The least busy instance that may get one more (row concurrency.queues); None when all have enough."""
    instance = least_busy(deployment, in_flight, turn)
    if instance is None or in_flight.get(instance.id, 0) >= deployment.max_concurrent:
        return None
    return instance
