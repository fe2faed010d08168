"""The handling of each request: find its endpoint, decide, admit or reject, relay, log."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from emulator.entities import Target
from emulator.gateway.caller import Caller, DiscardingCaller
from emulator.gateway.caller_connection import CallerConnection, PendingResponse
from emulator.gateway.collecting_relay import CollectingRelay
from emulator.gateway.connection_pool import ConnectionPool
from emulator.gateway.container_connection import UpstreamLost
from emulator.gateway.front_door import Rejected, RoutingInput, decide, free_instance, least_busy, reject_version
from emulator.gateway.payload_log import PayloadLog
from emulator.gateway.queued_request import DeploymentKey, QueuedRequest
from emulator.gateway.quotas import Quotas
from emulator.gateway.relay import Relay
from emulator.gateway.request import BrokenBody, Request, copy_of
from emulator.gateway.response_rewriting import legal_client_id, reason_lines, response_edits
from emulator.gateway.traffic_log import Exchange, TrafficLog
from emulator.profiles import Answer, profile_of
from emulator.routing import traffic
from emulator.routing.admission import InFlight, WaitQueue
from emulator.routing.http_heads import HeaderEdits, header_line, request_head
from emulator.routing.routes import DeploymentRoute, EndpointRoute, Instance, Snapshot, split_prefix

_CLIENT_GONE = 499  # never sent; proxies log it
_UNKNOWN_CODING = Answer(501, "Not Implemented")
_SERVICES = b"/api/v1/service/"
_NO_COUNTS: dict[str, int] = {}  # for targets that ignore load: every instance counts as idle
_WORKS_ON = "the container was not told, and goes on with this request until it is done"


class RequestHandler:
    """Handles the requests of all ports.

    `snapshot` returns the current routes and is called once for each request; `draw` returns random numbers in [0, 1).
    Everything that need not wait is done in the call itself, up to the first bytes for the container: a task for each
    request, and a turn of the loop to start it, would cost more than the decision.
    """

    def __init__(
        self,
        pool: ConnectionPool,
        log: TrafficLog,
        snapshot: Callable[[], Snapshot],
        draw: Callable[[], float],
        quotas: Quotas,
        payloads: PayloadLog,
    ) -> None:
        self._pool = pool
        self._log = log
        self._payloads = payloads
        self._snapshot = snapshot
        self._draw = draw
        self.quotas = quotas
        self._turns = count()
        self.in_flight: InFlight[DeploymentKey] = InFlight()
        self.abandoned: InFlight[DeploymentKey] = InFlight()
        self.queue: WaitQueue[DeploymentKey, QueuedRequest] = WaitQueue()

    def own_port(self, port: int, caller: CallerConnection, request: Request) -> bool | PendingResponse:
        """Handle a request on the port of one endpoint; see `HandleRequest`."""
        target = _origin_form(request.target)
        route = self._snapshot().by_port.get(port)
        return self._serve(route, target, caller, request) if route else _unknown_endpoint("managed", caller, request)

    def shared_port(self, caller: CallerConnection, request: Request) -> bool | PendingResponse:
        """Handle a request on the port that the endpoints with a path share; see `HandleRequest`."""
        prefix, target = split_prefix(_origin_form(request.target))
        route = self._snapshot().by_prefix.get(prefix)
        if route is None:
            return _unknown_endpoint("aks" if prefix.startswith(_SERVICES) else "kubernetes", caller, request)
        return self._serve(route, target, caller, request)

    def advance(self) -> None:
        """Send queued requests to the instances that are free now."""
        for route in self._snapshot().endpoints.values():
            if route.profile.scoring.queues:
                for deployment in route.deployments:
                    self._advance((route.name, deployment.name))

    def _serve(
        self, route: EndpointRoute, target: bytes, caller: CallerConnection, request: Request
    ) -> bool | PendingResponse:
        exchange = _new_exchange(route, target.partition(b"?")[0], request)
        rejected_form = None if request.is_usual else _reject_form(route, request)
        draw = self._draw() if route.chooses_anew else self._sticky_draw(route, caller)
        decision = rejected_form or decide(route, _routing_input(route, exchange, request), draw, time.time())
        exchange.identity = decision.identity
        if isinstance(decision, Rejected):
            return self._reject(route, decision, caller, exchange)
        deployment = decision.deployment
        exchange.deployment = deployment.name
        exchange.by_weight = not decision.by_header
        rejected = self.quotas.reject(route.profile.scoring, exchange, excess_connection=caller.is_excess)
        if rejected is not None:
            return self._reject(route, rejected, caller, exchange)
        if route.mirror and not decision.by_header:
            self._mirror(route, target, exchange)
        return self._admit(_Admitted(self, route, deployment, target, caller, exchange))

    def _sticky_draw(self, route: EndpointRoute, caller: CallerConnection) -> float:
        """The number that chooses by weight for a caller or a connection as a whole (row traffic.per_request)."""
        if route.profile.scoring.weights_choose_for == "caller":
            return traffic.draw_of(caller.address)
        if caller.draw is None:
            caller.draw = self._draw()
        return caller.draw

    # admission

    def _admit(self, admitted: _Admitted) -> bool | PendingResponse:
        """Send the request, queue it or reject it, as it arrives (rows concurrency.*)."""
        route, deployment, scoring = admitted.route, admitted.deployment, admitted.route.profile.scoring
        if not deployment.instances:
            rejected = Rejected(scoring.no_ready_instance, "status.no_ready_instance", scoring.not_ready_reason)
            return self._reject(route, rejected, admitted.caller, admitted.exchange)
        limit = scoring.admitted_at_most(deployment.max_concurrent, deployment.instance_count)
        if not self.in_flight.enter(admitted.key, limit) and scoring.too_many is not None:
            rejected = Rejected(scoring.too_many, "concurrency.too_many", scoring.too_many_reason)
            return self._reject(route, rejected, admitted.caller, admitted.exchange)
        if not scoring.queues:
            in_flight = self._pool.in_flight if scoring.least_busy else _NO_COUNTS
            return self._send(admitted, least_busy(deployment, in_flight, next(self._turns)))
        if self.queue.length(admitted.key) == 0:
            instance = free_instance(deployment, self._pool.in_flight, next(self._turns))
            if instance is not None:
                return self._send(admitted, instance)
        queued = QueuedRequest(self.queue, admitted.key, admitted)
        queued.begin(self._pool.loop, (deployment.queue_wait_ms or 0) / 1000)
        return queued

    def _send(self, admitted: _Admitted, instance: Instance | None) -> bool | PendingResponse:
        """Send the request to that instance; reject it where there is none."""
        scoring = admitted.route.profile.scoring
        if instance is None:
            self.in_flight.leave(admitted.key)
            rejected = Rejected(scoring.no_ready_instance, "status.no_ready_instance", scoring.not_ready_reason)
            return self._reject(admitted.route, rejected, admitted.caller, admitted.exchange)
        relay = self._relay(admitted, instance)
        self._pool.enter(instance.id)
        try:
            relay.begin()
        except UpstreamLost:
            self._leave(relay)
            return self._reject(admitted.route, _unreachable(admitted.route), admitted.caller, admitted.exchange)
        if admitted.deployment.timeout_ms is not None:
            spent = time.perf_counter() - admitted.exchange.started if scoring.timeout_includes_queue else 0.0
            relay.expires_in(max(0.0, admitted.deployment.timeout_ms / 1000 - spent))
        return relay

    def send_queued(self, admitted: _Admitted) -> None:
        """Send a request whose turn it is to an instance that is free now."""
        instance = self._free_now(admitted.key)
        answered = self._send(admitted, instance)
        if isinstance(answered, bool):
            admitted.caller.finish_request(admitted.exchange.request, answered)
        else:
            admitted.caller.set_pending(answered)

    def _free_now(self, key: DeploymentKey) -> Instance | None:
        route = self._snapshot().endpoints.get(key[0])
        deployment = route.by_name.get(key[1]) if route else None
        return free_instance(deployment, self._pool.in_flight, next(self._turns)) if deployment else None

    def overloaded(self, admitted: _Admitted) -> None:
        """A request has waited for too long."""
        self.in_flight.leave(admitted.key)
        scoring = admitted.route.profile.scoring
        answer = scoring.overloaded or scoring.no_ready_instance
        rejected = Rejected(answer, "concurrency.overloaded")
        keep_alive = self._reject(admitted.route, rejected, admitted.caller, admitted.exchange)
        admitted.caller.finish_request(admitted.exchange.request, keep_alive)

    def caller_gone(self, admitted: _Admitted) -> None:
        """The caller of a queued request is gone."""
        self.in_flight.leave(admitted.key)
        admitted.exchange.status, admitted.exchange.reason = _CLIENT_GONE, "client closed the connection"
        self._finish(admitted.exchange)

    def _advance(self, key: DeploymentKey) -> None:
        while (queued := self.queue.first(key)) is not None and self._free_now(key) is not None:
            queued.proceed()

    def _relay(self, admitted: _Admitted, instance: Instance) -> Relay:
        route, exchange = admitted.route, admitted.exchange
        request = exchange.request
        head = request_head(
            request.method,
            admitted.target,
            request.headers,
            HeaderEdits(route.dropped_from_requests, last=_request_lines(route, exchange)),
            instance.address,
            chunked=request.chunked,
            connection=request.header(b"connection"),
        )
        collector = admitted.deployment.collector
        if collector is not None:
            capture = self._payloads.capture(route, collector, exchange, admitted.target, instance.id)
            if capture is not None:
                return CollectingRelay(
                    self._pool, self, route, admitted.caller, capture, instance, head, self._payloads
                )
        return Relay(self._pool, self, route, admitted.caller, exchange, instance, head)

    def _mirror(self, route: EndpointRoute, target: bytes, exchange: Exchange) -> None:
        """Send copies whose responses are discarded (rows traffic.mirror_*)."""
        for name, percent in route.mirror:
            deployment = route.by_name.get(name)
            if deployment is None or self._draw() * 100 >= percent:
                continue
            copied = _new_exchange(route, exchange.path, copy_of(exchange.request))
            copied.deployment, copied.mirrored = name, True
            discarding = DiscardingCaller()
            answered = self._admit(_Admitted(self, route, deployment, target, discarding, copied))
            if not isinstance(answered, bool):
                discarding.set_pending(answered)

    # callbacks of a relay

    def answer_for_container(self, relay: Relay, error: UpstreamLost | BrokenBody) -> bool:
        """Answer a request that its container did not; return whether the connection can carry another."""
        if isinstance(error, BrokenBody):
            rejected = error.rejected
            if rejected is not None:
                self._write_rejection(relay.route, rejected, relay.caller, relay.exchange)
                return False
            relay.exchange.status = 400
            return relay.caller.answer(relay.request, 400, "Bad Request", HeaderEdits(), close=True)
        return self._write_rejection(relay.route, _unreachable(relay.route), relay.caller, relay.exchange)

    def answer_timeout(self, relay: Relay) -> bool:
        """Answer a request that has timed out; return whether the connection can carry another."""
        scoring = relay.route.profile.scoring
        relay.exchange.warning = _WORKS_ON if scoring.container_goes_on else ""
        answer = scoring.timed_out or scoring.container_unreachable
        return self._write_rejection(relay.route, Rejected(answer, "timeouts.answer"), relay.caller, relay.exchange)

    def on_finished(self, relay: Relay) -> None:
        """An admitted request has ended."""
        self._leave(relay)
        self._finish(relay.exchange)
        key = relay.key
        if self.queue.length(key):
            self._advance(key)

    def on_abandoned(self, relay: Relay) -> None:
        """The container still works on a request whose caller has a response, or is gone."""
        self.abandoned.enter(relay.key, None)

    def on_abandoned_done(self, relay: Relay) -> None:
        """The container has finished an abandoned request."""
        self.abandoned.leave(relay.key)

    def _leave(self, relay: Relay) -> None:
        self._pool.leave(relay.instance.id)
        self.in_flight.leave(relay.key)

    # the gateway's own responses

    def _reject(self, route: EndpointRoute, rejected: Rejected, caller: Caller, exchange: Exchange) -> bool:
        try:
            return self._write_rejection(route, rejected, caller, exchange)
        finally:
            self._finish(exchange)

    def _write_rejection(self, route: EndpointRoute, rejected: Rejected, caller: Caller, exchange: Exchange) -> bool:
        request, body = exchange.request, rejected.answer.body
        if "{endpoint}" in body:
            body = body.format(endpoint=route.name)
        exchange.status, exchange.reason = rejected.answer.status, rejected.reason
        exchange.response_size, exchange.warning = len(body.encode()), rejected.why or exchange.warning
        exchange.by_weight = False  # no deployment answered
        edits = response_edits(route, exchange)
        last = edits.last + reason_lines(route, exchange, rejected.model_reason)
        methods = route.profile.routed_methods
        if rejected.reason == "routing.rejected_method" and methods:
            last += header_line("allow", ", ".join(sorted(methods)))
        # A caller that waits for 100 Continue may send its next request in place of the body, and the rest of a body
        # that arrives after its time-out is not read.
        unread = request.has(b"expect") or rejected.reason == "timeouts.answer"
        close = unread and not request.complete
        return caller.answer(request, rejected.answer.status, body, edits._replace(last=last), close=close)

    def _finish(self, exchange: Exchange) -> None:
        exchange.ended = time.perf_counter()
        self._log.add(exchange)


@dataclass(eq=False)
class _Admitted:
    """A request that passed the front door, and the callbacks for when it has to be queued."""

    handler: RequestHandler
    route: EndpointRoute
    deployment: DeploymentRoute
    target: bytes
    caller: Caller
    exchange: Exchange
    key: DeploymentKey = field(init=False)

    def __post_init__(self) -> None:
        self.key = self.route.name, self.deployment.name

    def on_turn(self) -> None:
        self.handler.send_queued(self)

    def on_timeout(self) -> None:
        self.handler.overloaded(self)

    def on_caller_gone(self) -> None:
        self.handler.caller_gone(self)


def _unknown_endpoint(target: Target, caller: CallerConnection, request: Request) -> bool:
    """Answer a request to a path or a port without an endpoint (row routing.no_such_endpoint)."""
    missing = profile_of(target).no_such_endpoint
    return caller.answer(request, missing.status, missing.body, HeaderEdits(), close=True)


def _new_exchange(route: EndpointRoute, path: bytes, request: Request) -> Exchange:
    header = route.profile.request_id_header
    own_id = _new_guid() if header else request.header(b"x-request-id").decode("utf-8", "replace")
    auth_type = route.access.auth_type_at(path)
    exchange = Exchange(route.name, request, path, time.perf_counter(), own_id, auth_type, route.profile.logs)
    if header:
        exchange.id_line = header_line(header, own_id)
    return exchange


def _new_guid() -> str:
    """Return a random UUID (RFC 9562 §5.4), in a tenth of the time that the uuid module takes; not for secrets."""
    digits = f"{random.getrandbits(128):032x}"
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def _reject_form(route: EndpointRoute, request: Request) -> Rejected | None:
    """Reject HTTP/1.0 where the target does not speak it, and transfer codings other than chunked (RFC 9112 §6.1)."""
    if not request.is_1_1 and (rejected := reject_version(route)):
        return rejected
    if not request.chunked or request.header(b"transfer-encoding").lower() == b"chunked":
        return None
    return Rejected(_UNKNOWN_CODING, "")


def _routing_input(route: EndpointRoute, exchange: Exchange, request: Request) -> RoutingInput:
    header = route.deployment_header
    named = request.header(header).decode("utf-8", "replace") if header and request.has(header) else None
    return RoutingInput(request.method, exchange.path, request.all(b"authorization"), named)


def _unreachable(route: EndpointRoute) -> Rejected:
    scoring = route.profile.scoring
    return Rejected(scoring.container_unreachable, "status.container_unreachable", scoring.not_ready_reason)


def _request_lines(route: EndpointRoute, exchange: Exchange) -> bytes:
    """The headers that the front door sets for the container."""
    lines = exchange.id_line
    header = route.client_id_header
    if header and exchange.request.has(header) and (kept := legal_client_id(exchange.request.header(header))):
        lines += header_line(header.decode(), kept.decode())
    return lines


def _origin_form(target: bytes) -> bytes:
    """The request target as a path: a proxy's absolute form loses its scheme and host (RFC 9112 §3.2.2)."""
    if target.startswith(b"/") or b"://" not in target:
        return target
    rest = target.partition(b"://")[2]
    cut = min((rest.find(mark) for mark in (b"/", b"?") if mark in rest), default=len(rest))
    path = rest[cut:]
    return path if path.startswith(b"/") else b"/" + path
