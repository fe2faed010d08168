"""What the front door decides about one request before any container sees it.  Pure.

Source of each rule: the row that the profile's field names (emulator/profiles/table/front_door.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from emulator.profiles import Answer
from emulator.routing import traffic
from emulator.routing.credentials import Verdict
from emulator.routing.routes import DeploymentRoute, EndpointRoute, Instance

_NOT_A_TUNNEL = Answer(405, "Method not allowed")


class Asked(NamedTuple):
    """A request as far as the decision needs it: `path` is without prefix and query, `authorization` holds every such
    header, `deployment` is the value of the profile's deployment header, None without one."""

    method: str
    path: bytes
    authorization: tuple[bytes, ...]
    deployment: str | None


class Refused(NamedTuple):
    """The request stops here: `reason` is the row id of the answer, `model_reason` what its header gives as reason,
    `why` a sentence for the log, `identity` who the caller is, where a token says that."""

    answer: Answer
    reason: str
    model_reason: str | None = None
    why: str = ""
    identity: str = ""


class Chosen(NamedTuple):
    """The request goes to that deployment; `by_header` tells that the caller named it, `identity` who the caller is,
    where a token says that."""

    deployment: DeploymentRoute
    by_header: bool
    identity: str = ""


def decide(route: EndpointRoute, asked: Asked, draw: float, now: float) -> Refused | Chosen:
    """Method, credential, path and deployment, in this order (design: a refused request reaches no container).

    `draw` is a random number in [0, 1) that chooses by weight, `now` is seconds since 1970.
    """
    refused = refuse_method(route, asked.method)
    if refused is not None:
        return refused
    verdict = route.access.check(asked.path, asked.authorization, now)
    if verdict.answer is not None:
        return _unauthorized(route, asked, verdict)
    decision = _choose(route, asked, draw)
    return decision._replace(identity=verdict.identity) if verdict.identity else decision


def refuse_method(route: EndpointRoute, method: str) -> Refused | None:
    """The refusal of a method that the target does not route (row routing.methods)."""
    profile = route.profile
    if method == "CONNECT":  # asks for a tunnel, which no scoring server and no front door gives
        return Refused(profile.rejected_method or _NOT_A_TUNNEL, "routing.rejected_method")
    if profile.rejected_method is None or profile.routed_methods is None or method in profile.routed_methods:
        return None
    return Refused(profile.rejected_method, "routing.rejected_method")


def refuse_version(route: EndpointRoute) -> Refused | None:
    """The refusal of HTTP/1.0 (row routing.http_version)."""
    answer = route.profile.http_1_0
    return None if answer is None else Refused(answer, "routing.http_version")


def _unauthorized(route: EndpointRoute, asked: Asked, verdict: Verdict) -> Refused:
    """The refusal of a request that may not enter, or of one that leads nowhere (row auth.before_routing)."""
    led = None if route.profile.auth_before_routing else _choose(route, asked, 0.0)
    if isinstance(led, Refused):
        return led
    assert verdict.answer is not None, "it refuses"
    return Refused(verdict.answer, verdict.reason, why=verdict.why)


def _choose(route: EndpointRoute, asked: Asked, draw: float) -> Refused | Chosen:
    profile, named = route.profile, asked.deployment
    if profile.paths is not None and asked.path not in route.paths:
        return Refused(profile.paths.answer, "routing.paths")
    name = named if named is not None else route.sole or traffic.choose_deployment(route.weights, draw)
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
