"""The decision about one request before any container sees it: rejected, or routed to a deployment.  Pure.

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


class RoutingInput(NamedTuple):
    """What of a request decides where it goes.

    `path` is without prefix and query, `authorization` holds the value of every such header, `deployment` is the value
    of the profile's deployment header, None without one.
    """

    method: str
    path: bytes
    authorization: tuple[bytes, ...]
    deployment: str | None


class Rejected(NamedTuple):
    """A request that the gateway answers itself.

    `reason` is the row id of the answer, `model_reason` the value of its reason header, `why` a sentence for the log,
    `identity` the caller's, where a token names it.
    """

    answer: Answer
    reason: str
    model_reason: str | None = None
    why: str = ""
    identity: str = ""


class Routed(NamedTuple):
    """A request for `deployment`, which the caller named if `by_header`; `identity` as for Rejected."""

    deployment: DeploymentRoute
    by_header: bool
    identity: str = ""


def decide(route: EndpointRoute, request: RoutingInput, draw: float, now: float) -> Rejected | Routed:
    """Check method, credential and path, then choose the deployment, in this order.

    `draw` is a random number in [0, 1) that chooses by weight, `now` is seconds since 1970.
    """
    rejected = reject_method(route, request.method)
    if rejected is not None:
        return rejected
    verdict = route.access.check(request.path, request.authorization, now)
    if verdict.answer is not None:
        return _unauthorized(route, request, verdict)
    decision = _choose(route, request, draw)
    return decision._replace(identity=verdict.identity) if verdict.identity else decision


def reject_method(route: EndpointRoute, method: str) -> Rejected | None:
    """Reject a method that the target does not route (row routing.methods)."""
    profile = route.profile
    if method == "CONNECT":  # asks for a tunnel, which neither a scoring server nor the gateway provides
        return Rejected(profile.rejected_method or _NOT_A_TUNNEL, "routing.rejected_method")
    if profile.rejected_method is None or profile.routed_methods is None or method in profile.routed_methods:
        return None
    return Rejected(profile.rejected_method, "routing.rejected_method")


def reject_version(route: EndpointRoute) -> Rejected | None:
    """Reject HTTP/1.0 (row routing.http_version)."""
    answer = route.profile.http_1_0
    return None if answer is None else Rejected(answer, "routing.http_version")


def _unauthorized(route: EndpointRoute, request: RoutingInput, verdict: Verdict) -> Rejected:
    """Reject a request for its credential, or first for its path or deployment (row auth.before_routing)."""
    led = None if route.profile.auth_before_routing else _choose(route, request, 0.0)
    if isinstance(led, Rejected):
        return led
    assert verdict.answer is not None, "it refuses"
    return Rejected(verdict.answer, verdict.reason, why=verdict.why)


def _choose(route: EndpointRoute, request: RoutingInput, draw: float) -> Rejected | Routed:
    profile, named = route.profile, request.deployment
    if profile.paths is not None and request.path not in route.paths:
        return Rejected(profile.paths.answer, "routing.paths")
    name = named if named is not None else route.sole or traffic.choose_deployment(route.weights, draw)
    if name is None:
        return Rejected(profile.no_valid_deployment, "traffic.no_valid_deployment")
    deployment = route.by_name.get(name)
    if deployment is None:
        return Rejected(profile.unknown_deployment or profile.no_valid_deployment, "traffic.unknown_deployment")
    return Routed(deployment, by_header=named is not None)


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
