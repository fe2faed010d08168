"""What happens to each request: find the endpoint, decide, let in or refuse, relay, log."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from emulator.entities import Target
from emulator.gateway.caller import Caller
from emulator.gateway.caller_connection import Answering, Conversation
from emulator.gateway.collecting_relay import CollectingRelay
from emulator.gateway.connection_pool import Pool
from emulator.gateway.container_connection import UpstreamLost
from emulator.gateway.front_door import Asked, Refused, decide, free_instance, least_busy, refuse_version
from emulator.gateway.mirror import Silence, copy_of
from emulator.gateway.payload_log import PayloadLog
from emulator.gateway.quotas import Limits
from emulator.gateway.relay import Relay
from emulator.gateway.request import BrokenBody, Request
from emulator.gateway.response_rewriting import answer_changes, legal_client_id, own_lines
from emulator.gateway.traffic_log import Exchange, TrafficLog
from emulator.gateway.waiting import DeploymentKey, Waiting
from emulator.profiles import Answer, profile_of
from emulator.routing import traffic
from emulator.routing.admission import InFlight, Line
from emulator.routing.http_heads import Changes, line, request_head
from emulator.routing.routes import DeploymentRoute, EndpointRoute, Instance, Snapshot, split_prefix

_CLIENT_GONE = 499  # nobody gets it; it is what proxies write into their logs
_UNKNOWN_CODING = Answer(501, "Not Implemented")
_SERVICES = b"/api/v1/service/"
_NOTHING: dict[str, int] = {}  # to whoever does not look how busy instances are, all are alike
_WORKS_ON = "the container was not told, and goes on with this request until it is done"


class Handler:
    """Answers the requests of all ports; `snapshot` gives the routes as they are now, one call for each request;
    `draw` gives random numbers in [0, 1).

    Whatever can be done at once is done in the call itself, the container's first bytes included: a task for each
    request, and a turn of the loop to begin it, cost more than the decision.
    """

    def __init__(
        self,
        pool: Pool,
        log: TrafficLog,
        snapshot: Callable[[], Snapshot],
        draw: Callable[[], float],
        limits: Limits,
        payloads: PayloadLog,
    ) -> None:
        self._pool = pool
        self._log = log
        self._payloads = payloads
        self._snapshot = snapshot
        self._draw = draw
        self.limits = limits
        self._turns = count()
        self.flight: InFlight[DeploymentKey] = InFlight()
        self.abandoned: InFlight[DeploymentKey] = InFlight()
        self.line: Line[DeploymentKey, Waiting] = Line()

    def own_port(self, port: int, conversation: Conversation, request: Request) -> bool | Answering:
        """A request on the port of one endpoint; whether another may follow on its connection."""
        target = _origin_form(request.target)
        route = self._snapshot().by_port.get(port)
        return self._serve(route, target, conversation, request) if route else _nobody("managed", conversation, request)

    def shared_port(self, conversation: Conversation, request: Request) -> bool | Answering:
        """A request on the port that the endpoints with a path share; whether another may follow on its connection."""
        prefix, target = split_prefix(_origin_form(request.target))
        route = self._snapshot().by_prefix.get(prefix)
        if route is None:
            return _nobody("aks" if prefix.startswith(_SERVICES) else "kubernetes", conversation, request)
        return self._serve(route, target, conversation, request)

    def advance(self) -> None:
        """Let those go who wait for an instance, as far as there are free ones now."""
        for route in self._snapshot().endpoints.values():
            if route.profile.scoring.queues:
                for deployment in route.deployments:
                    self._advance((route.name, deployment.name))

    def _serve(
        self, route: EndpointRoute, target: bytes, conversation: Conversation, request: Request
    ) -> bool | Answering:
        exchange = _begin(route, target.partition(b"?")[0], request)
        refused_form = None if request.is_usual else _refuse_form(route, request)
        draw = self._draw() if route.chooses_anew else self._sticky_draw(route, conversation)
        decision = refused_form or decide(route, _asked(route, exchange, request), draw, time.time())
        exchange.identity = decision.identity
        if isinstance(decision, Refused):
            return self._turn_away(route, decision, conversation, exchange)
        deployment = decision.deployment
        exchange.deployment = deployment.name
        exchange.by_weight = not decision.by_header
        refused = self.limits.refuse(route.profile.scoring, exchange, excess_connection=conversation.is_excess)
        if refused is not None:
            return self._turn_away(route, refused, conversation, exchange)
        if route.mirror and not decision.by_header:
            self._mirror(route, target, exchange)
        return self._admit(_Admitted(self, route, deployment, target, conversation, exchange))

    def _sticky_draw(self, route: EndpointRoute, conversation: Conversation) -> float:
        """The number that chooses by weight where the choice is not for each request (row traffic.per_request)."""
        if route.profile.scoring.weights_choose_for == "caller":
            return traffic.draw_of(conversation.address)
        if conversation.draw is None:
            conversation.draw = self._draw()
        return conversation.draw

    # Letting in.

    def _admit(self, asked: _Admitted) -> bool | Answering:
        """Decided as the request arrives, never after waiting for a worker (rows concurrency.*)."""
        route, deployment, scoring = asked.route, asked.deployment, asked.route.profile.scoring
        if not deployment.instances:
            refused = Refused(scoring.no_ready_instance, "status.no_ready_instance", scoring.not_ready_reason)
            return self._turn_away(route, refused, asked.caller, asked.exchange)
        limit = scoring.admitted_at_most(deployment.max_concurrent, deployment.instance_count)
        if not self.flight.enter(asked.key, limit) and scoring.too_many is not None:
            refused = Refused(scoring.too_many, "concurrency.too_many", scoring.too_many_reason)
            return self._turn_away(route, refused, asked.caller, asked.exchange)
        if not scoring.queues:
            in_flight = self._pool.in_flight if scoring.least_busy else _NOTHING
            return self._send(asked, least_busy(deployment, in_flight, next(self._turns)))
        if self.line.length(asked.key) == 0:
            instance = free_instance(deployment, self._pool.in_flight, next(self._turns))
            if instance is not None:
                return self._send(asked, instance)
        waiting = Waiting(self.line, asked.key, asked)
        waiting.begin(self._pool.loop, (deployment.queue_wait_ms or 0) / 1000)
        return waiting

    def _send(self, asked: _Admitted, instance: Instance | None) -> bool | Answering:
        """Give the request to that instance."""
        scoring = asked.route.profile.scoring
        if instance is None:
            self.flight.leave(asked.key)
            refused = Refused(scoring.no_ready_instance, "status.no_ready_instance", scoring.not_ready_reason)
            return self._turn_away(asked.route, refused, asked.caller, asked.exchange)
        relay = self._relay(asked, instance)
        self._pool.enter(instance.id)
        try:
            relay.begin()
        except UpstreamLost:
            self._leave(relay)
            return self._turn_away(asked.route, _unreachable(asked.route), asked.caller, asked.exchange)
        if asked.deployment.timeout_ms is not None:
            spent = time.perf_counter() - asked.exchange.started if scoring.timeout_includes_queue else 0.0
            relay.expires_in(max(0.0, asked.deployment.timeout_ms / 1000 - spent))
        return relay

    def send_waiting(self, asked: _Admitted) -> None:
        """The turn of a request that has waited: it goes to a free instance of the routes as they are now."""
        instance = self._free_now(asked.key)
        answered = self._send(asked, instance)
        if isinstance(answered, bool):
            asked.caller.settle(asked.exchange.request, answered)
        else:
            asked.caller.is_answered_by(answered)

    def _free_now(self, key: DeploymentKey) -> Instance | None:
        route = self._snapshot().endpoints.get(key[0])
        deployment = route.by_name.get(key[1]) if route else None
        return free_instance(deployment, self._pool.in_flight, next(self._turns)) if deployment else None

    def overloaded(self, asked: _Admitted) -> None:
        """A request has waited for too long."""
        self.flight.leave(asked.key)
        scoring = asked.route.profile.scoring
        answer = scoring.overloaded or scoring.no_ready_instance
        refused = Refused(answer, "concurrency.overloaded")
        keep_alive = self._turn_away(asked.route, refused, asked.caller, asked.exchange)
        asked.caller.settle(asked.exchange.request, keep_alive)

    def left(self, asked: _Admitted) -> None:
        """A caller has left while it waited."""
        self.flight.leave(asked.key)
        asked.exchange.status, asked.exchange.reason = _CLIENT_GONE, "client closed the connection"
        self._finish(asked.exchange)

    def _advance(self, key: DeploymentKey) -> None:
        while (waiting := self.line.first(key)) is not None and self._free_now(key) is not None:
            waiting.go()

    def _relay(self, asked: _Admitted, instance: Instance) -> Relay:
        route, exchange = asked.route, asked.exchange
        request = exchange.request
        head = request_head(
            request.method,
            asked.target,
            request.headers,
            Changes(route.dropped_from_requests, last=_request_lines(route, exchange)),
            instance.address,
            chunked=request.chunked,
            connection=request.header(b"connection"),
        )
        collector = asked.deployment.collector
        if collector is not None:
            capture = self._payloads.capture(route, collector, exchange, asked.target, instance.id)
            if capture is not None:
                return CollectingRelay(self._pool, self, route, asked.caller, capture, instance, head, self._payloads)
        return Relay(self._pool, self, route, asked.caller, exchange, instance, head)

    def _mirror(self, route: EndpointRoute, target: bytes, exchange: Exchange) -> None:
        """Send copies, whose answers nobody sees (rows traffic.mirror_*)."""
        for name, percent in route.mirror:
            deployment = route.by_name.get(name)
            if deployment is None or self._draw() * 100 >= percent:
                continue
            copied = _begin(route, exchange.path, copy_of(exchange.request))
            copied.deployment, copied.mirrored = name, True
            silence = Silence()
            answered = self._admit(_Admitted(self, route, deployment, target, silence, copied))
            if not isinstance(answered, bool):
                silence.is_answered_by(answered)

    # What a relay calls.

    def stand_in(self, relay: Relay, error: UpstreamLost | BrokenBody) -> bool:
        """The answer where the container gave none; whether another request may follow."""
        if isinstance(error, BrokenBody):
            refused = error.refused
            if refused is not None:
                self._refuse(relay.route, refused, relay.caller, relay.exchange)
                return False
            relay.exchange.status = 400
            return relay.caller.answer(relay.request, 400, "Bad Request", Changes(), close=True)
        return self._refuse(relay.route, _unreachable(relay.route), relay.caller, relay.exchange)

    def timed_out(self, relay: Relay) -> bool:
        """The answer when the container took too long."""
        scoring = relay.route.profile.scoring
        relay.exchange.warning = _WORKS_ON if scoring.container_goes_on else ""
        answer = scoring.timed_out or scoring.container_unreachable
        return self._refuse(relay.route, Refused(answer, "timeouts.answer"), relay.caller, relay.exchange)

    def over(self, relay: Relay) -> None:
        """A request has ended that was let in."""
        self._leave(relay)
        self._finish(relay.exchange)
        key = relay.key
        if self.line.length(key):
            self._advance(key)

    def abandon(self, relay: Relay) -> None:
        """The container goes on with a request whose caller has its answer, or is gone."""
        self.abandoned.enter(relay.key, None)

    def abandoned_ended(self, relay: Relay) -> None:
        """It is done with it."""
        self.abandoned.leave(relay.key)

    def _leave(self, relay: Relay) -> None:
        self._pool.leave(relay.instance.id)
        self.flight.leave(relay.key)

    # What it does itself.

    def _turn_away(self, route: EndpointRoute, refused: Refused, caller: Caller, exchange: Exchange) -> bool:
        try:
            return self._refuse(route, refused, caller, exchange)
        finally:
            self._finish(exchange)

    def _refuse(self, route: EndpointRoute, refused: Refused, caller: Caller, exchange: Exchange) -> bool:
        request, body = exchange.request, refused.answer.body
        if "{endpoint}" in body:
            body = body.format(endpoint=route.name)
        exchange.status, exchange.reason = refused.answer.status, refused.reason
        exchange.response_size, exchange.warning = len(body.encode()), refused.why or exchange.warning
        exchange.by_weight = False  # no deployment answered
        changes = answer_changes(route, exchange)
        last = changes.last + own_lines(route, exchange, refused.model_reason)
        methods = route.profile.routed_methods
        if refused.reason == "routing.rejected_method" and methods:
            last += line("allow", ", ".join(sorted(methods)))
        # a caller that waits for 100 Continue may send its next request where its body should be, and what still comes
        # of a body after its time is read by nobody
        unread = request.has(b"expect") or refused.reason == "timeouts.answer"
        close = unread and not request.complete
        return caller.answer(request, refused.answer.status, body, changes._replace(last=last), close=close)

    def _finish(self, exchange: Exchange) -> None:
        exchange.ended = time.perf_counter()
        self._log.add(exchange)


@dataclass(eq=False)
class _Admitted:
    """A request that may pass, with all that it needs on its way; what becomes of it where it has to wait."""

    handler: Handler
    route: EndpointRoute
    deployment: DeploymentRoute
    target: bytes
    caller: Caller
    exchange: Exchange
    key: DeploymentKey = field(init=False)

    def __post_init__(self) -> None:
        self.key = self.route.name, self.deployment.name

    def go(self) -> None:
        self.handler.send_waiting(self)

    def give_up(self) -> None:
        self.handler.overloaded(self)

    def left(self) -> None:
        self.handler.left(self)


def _nobody(target: Target, conversation: Conversation, request: Request) -> bool:
    """The answer where no endpoint of that target is (row routing.no_such_endpoint)."""
    missing = profile_of(target).no_such_endpoint
    return conversation.answer(request, missing.status, missing.body, Changes(), close=True)


def _begin(route: EndpointRoute, path: bytes, request: Request) -> Exchange:
    header = route.profile.request_id_header
    own_id = _new_guid() if header else request.header(b"x-request-id").decode("utf-8", "replace")
    auth_type = route.access.auth_type_at(path)
    exchange = Exchange(route.name, request, path, time.perf_counter(), own_id, auth_type, route.profile.logs)
    if header:
        exchange.id_line = line(header, own_id)
    return exchange


def _new_guid() -> str:
    """A random UUID (RFC 9562 §5.4), made in a tenth of the time that the uuid module takes; no secret."""
    digits = f"{random.getrandbits(128):032x}"
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def _refuse_form(route: EndpointRoute, request: Request) -> Refused | None:
    """The refusal of HTTP/1.0 where it is not spoken, and of codings.

    Only the chunked coding can be taken off and put on again (RFC 9112 §6.1).
    """
    if not request.is_1_1 and (refused := refuse_version(route)):
        return refused
    if not request.chunked or request.header(b"transfer-encoding").lower() == b"chunked":
        return None
    return Refused(_UNKNOWN_CODING, "")


def _asked(route: EndpointRoute, exchange: Exchange, request: Request) -> Asked:
    header = route.deployment_header
    named = request.header(header).decode("utf-8", "replace") if header and request.has(header) else None
    return Asked(request.method, exchange.path, request.all(b"authorization"), named)


def _unreachable(route: EndpointRoute) -> Refused:
    scoring = route.profile.scoring
    return Refused(scoring.container_unreachable, "status.container_unreachable", scoring.not_ready_reason)


def _request_lines(route: EndpointRoute, exchange: Exchange) -> bytes:
    """The headers that the front door sets for the container."""
    lines = exchange.id_line
    header = route.client_id_header
    if header and exchange.request.has(header) and (kept := legal_client_id(exchange.request.header(header))):
        lines += line(header.decode(), kept.decode())
    return lines


def _origin_form(target: bytes) -> bytes:
    """The request target as a path: a proxy's absolute form loses its scheme and host (RFC 9112 §3.2.2)."""
    if target.startswith(b"/") or b"://" not in target:
        return target
    rest = target.partition(b"://")[2]
    cut = min((rest.find(mark) for mark in (b"/", b"?") if mark in rest), default=len(rest))
    path = rest[cut:]
    return path if path.startswith(b"/") else b"/" + path
