"""What happens to each request: find the endpoint, decide, relay or refuse, log."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from itertools import count

from emulator.gateway.conversation import Answering, Conversation
from emulator.gateway.front_door import Asked, Chosen, Refused, asks_for_key, decide
from emulator.gateway.pool import Pool
from emulator.gateway.relay import Relay
from emulator.gateway.request import BrokenBody, Request
from emulator.gateway.traffic_log import Exchange, TrafficLog
from emulator.gateway.upstream import UpstreamLost
from emulator.heads import Changes, line, request_head
from emulator.profiles import Answer, profile_of
from emulator.routes import EndpointRoute, Snapshot, split_prefix

_UNKNOWN_CODING = Answer(501, "Not Implemented")


class Handler:
    """Answers the requests of all ports; `snapshot` gives the routes as they are now, one call for each request.

    Whatever can be done at once is done in the call itself, the container's first bytes included: a task for each
    request, and a turn of the loop to begin it, cost more than the decision.
    """

    def __init__(self, pool: Pool, log: TrafficLog, snapshot: Callable[[], Snapshot]) -> None:
        self._pool = pool
        self._log = log
        self._snapshot = snapshot
        self._turns = count()

    def own_port(self, port: int, conversation: Conversation, request: Request) -> bool | Answering:
        """A request on the port of one endpoint; whether another may follow on its connection."""
        target = _origin_form(request.target)
        return self._serve(self._snapshot().by_port.get(port), target, conversation, request)

    def shared_port(self, conversation: Conversation, request: Request) -> bool | Answering:
        """A request on the port that the endpoints with a path share; whether another may follow on its connection."""
        prefix, target = split_prefix(_origin_form(request.target))
        return self._serve(self._snapshot().by_prefix.get(prefix), target, conversation, request)

    def _serve(
        self, route: EndpointRoute | None, target: bytes, conversation: Conversation, request: Request
    ) -> bool | Answering:
        if route is None:
            missing = profile_of("kubernetes").no_such_endpoint
            return conversation.answer(request, missing.status, missing.body, Changes(), close=True)
        exchange = _begin(route, target.partition(b"?")[0], request)
        decision = _refuse_coding(request) or decide(
            route, _asked(route, exchange, request), self._pool.in_flight, random.random(), next(self._turns)
        )
        if isinstance(decision, Refused):
            return self._turn_away(route, decision, conversation, exchange)
        exchange.deployment = decision.deployment
        self._pool.enter(decision.instance.id)
        relay = self._relay(route, decision, target, conversation, exchange)
        try:
            relay.begin()
        except UpstreamLost:
            self._pool.leave(decision.instance.id)
            return self._turn_away(route, _unreachable(route, exchange), conversation, exchange)
        return relay

    def _relay(
        self, route: EndpointRoute, chosen: Chosen, target: bytes, conversation: Conversation, exchange: Exchange
    ) -> Relay:
        request, instance = exchange.request, chosen.instance
        head = request_head(
            request.method,
            target,
            request.headers,
            Changes(route.dropped_from_requests, last=_request_id_line(route, exchange)),
            instance.address,
            chunked=request.chunked,
            connection=request.header(b"connection"),
        )
        changes = _answer_changes(route, exchange, weighted=not chosen.by_header)
        return Relay(self._pool, self, route, conversation, exchange, instance, head, changes)

    # What a relay calls.

    def stand_in(self, relay: Relay, error: UpstreamLost | BrokenBody) -> bool:
        """The answer where the container gave none; whether another request may follow."""
        conversation, exchange = relay.conversation, relay.exchange
        if isinstance(error, BrokenBody):
            exchange.status = 400
            return conversation.answer(relay.request, 400, "Bad Request", Changes(), close=True)
        return self._refuse(relay.route, _unreachable(relay.route, exchange), conversation, exchange)

    def over(self, relay: Relay) -> None:
        """A request has ended that was let in."""
        self._pool.leave(relay.instance.id)
        self._finish(relay.exchange)

    # What it does itself.

    def _turn_away(
        self, route: EndpointRoute, refused: Refused, conversation: Conversation, exchange: Exchange
    ) -> bool:
        try:
            return self._refuse(route, refused, conversation, exchange)
        finally:
            self._finish(exchange)

    def _refuse(self, route: EndpointRoute, refused: Refused, conversation: Conversation, exchange: Exchange) -> bool:
        request = exchange.request
        exchange.status, exchange.reason = refused.answer.status, refused.reason
        exchange.deployment = refused.deployment
        exchange.response_size = len(refused.answer.body.encode())
        changes = _answer_changes(route, exchange, weighted=False)
        methods = route.profile.routed_methods
        if refused.reason == "routing.rejected_method" and methods:
            changes = changes._replace(last=changes.last + line("allow", ", ".join(sorted(methods))))
        # a caller that waits for 100 Continue may send its next request where its body should be
        close = not request.complete and request.has(b"expect")
        return conversation.answer(request, refused.answer.status, refused.answer.body, changes, close=close)

    def _finish(self, exchange: Exchange) -> None:
        exchange.ended = time.perf_counter()
        self._log.add(exchange)


def _begin(route: EndpointRoute, path: bytes, request: Request) -> Exchange:
    own_id = route.profile.request_id_header is not None
    return Exchange(
        route.name,
        request,
        path,
        time.perf_counter(),
        _new_guid() if own_id else request.header(b"x-request-id").decode("utf-8", "replace"),
        "Key" if asks_for_key(route, path) else "",
    )


def _new_guid() -> str:
    """A random UUID (RFC 9562 §5.4), made in a tenth of the time that the uuid module takes; no secret."""
    digits = f"{random.getrandbits(128):032x}"
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def _refuse_coding(request: Request) -> Refused | None:
    """Only the chunked coding can be taken off and put on again (RFC 9112 §6.1)."""
    if not request.chunked or request.header(b"transfer-encoding").lower() == b"chunked":
        return None
    return Refused(_UNKNOWN_CODING, "")


def _asked(route: EndpointRoute, exchange: Exchange, request: Request) -> Asked:
    header = route.deployment_header
    named = request.header(header).decode("utf-8", "replace") if header and request.has(header) else None
    return Asked(request.method, exchange.path, request.all(b"authorization"), named)


def _unreachable(route: EndpointRoute, exchange: Exchange) -> Refused:
    return Refused(route.profile.container_unreachable, "status.container_unreachable", exchange.deployment)


def _answer_changes(route: EndpointRoute, exchange: Exchange, *, weighted: bool) -> Changes:
    """What the front door puts into an answer, in the order of the captures (contract/managed §3.3)."""
    last = _request_id_line(route, exchange)
    if exchange.deployment:
        last += route.deployment_lines(exchange.deployment, weighted)
    return Changes(route.dropped_from_answers, route.server_line, last)


def _request_id_line(route: EndpointRoute, exchange: Exchange) -> bytes:
    header = route.profile.request_id_header
    return line(header, exchange.request_id) if header else b""


def _origin_form(target: bytes) -> bytes:
    """The request target as a path: a proxy's absolute form loses its scheme and host (RFC 9112 §3.2.2)."""
    if target.startswith(b"/") or b"://" not in target:
        return target
    rest = target.partition(b"://")[2]
    cut = min((rest.find(mark) for mark in (b"/", b"?") if mark in rest), default=len(rest))
    path = rest[cut:]
    return path if path.startswith(b"/") else b"/" + path
