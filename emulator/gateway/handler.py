"""What happens to each request: find the endpoint, decide, relay or refuse, log."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from itertools import count

from emulator.gateway.conversation import Conversation
from emulator.gateway.front_door import Asked, Chosen, Refused, decide
from emulator.gateway.heads import Changes, line, request_head
from emulator.gateway.pool import Pool
from emulator.gateway.relay import Relay
from emulator.gateway.request import BrokenBody, Request
from emulator.gateway.traffic_log import FORM_WARNING, Exchange, TrafficLog, line_of
from emulator.gateway.upstream import UpstreamLost
from emulator.profiles import Answer, Profile, profile_of
from emulator.routes import EndpointRoute, Snapshot, split_prefix

_CLIENT_GONE = 499  # nobody gets it; it is what proxies write into their logs
_UNKNOWN_CODING = Answer(501, "Not Implemented")
_FORM = b"application/x-www-form-urlencoded"
_SCORE_PATH = "/score"


class Handler:
    """Answers the requests of all ports; `snapshot` gives the routes as they are now, one call for each request."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, pool: Pool, log: TrafficLog, snapshot: Callable[[], Snapshot]
    ) -> None:
        self._loop = loop
        self._pool = pool
        self._log = log
        self._snapshot = snapshot
        self._turns = count()

    async def own_port(self, port: int, conversation: Conversation, request: Request) -> bool:
        """A request on the port of one endpoint; whether another may follow on its connection."""
        route = self._snapshot().by_port.get(port)
        return await self._serve(route, _origin_form(request.target), conversation, request)

    async def shared_port(self, conversation: Conversation, request: Request) -> bool:
        """A request on the port that the endpoints with a path share; whether another may follow on its connection."""
        prefix, target = split_prefix(_origin_form(request.target))
        return await self._serve(self._snapshot().by_prefix.get(prefix), target, conversation, request)

    async def _serve(
        self, route: EndpointRoute | None, target: str, conversation: Conversation, request: Request
    ) -> bool:
        if route is None:
            missing = profile_of("kubernetes").no_such_endpoint
            return conversation.answer(request, missing.status, missing.body, Changes(), close=True)
        exchange = self._begin(route, target, request)
        try:
            return await self._decide(route, target, conversation, request, exchange)
        except (asyncio.CancelledError, ConnectionError):
            exchange.status, exchange.reason = _CLIENT_GONE, "client closed the connection"
            raise
        finally:
            self._finish(route, exchange, request)

    def _begin(self, route: EndpointRoute, target: str, request: Request) -> Exchange:
        path = target.partition("?")[0]
        replaced = route.profile.request_id_header is not None
        return Exchange(
            endpoint=route.name,
            method=request.method,
            path=path,
            protocol=f"HTTP/{request.version}",
            started=time.perf_counter(),
            request_id=str(uuid.uuid4()) if replaced else _text(request.header(b"x-request-id")),
            auth_type=route.access.auth_type_at(path),
        )

    def _finish(self, route: EndpointRoute, exchange: Exchange, request: Request) -> None:
        """Log the request; what only the log needs is read here, when the caller has its answer."""
        exchange.user_agent = _text(request.header(b"user-agent"))
        exchange.client_request_id = _text(request.header(b"x-ms-client-request-id"))
        scored = exchange.method == "POST" and exchange.path == _SCORE_PATH and exchange.model_status is not None
        if scored and request.header(b"content-type").startswith(_FORM):
            exchange.warning = FORM_WARNING
        self._log.add(route.name, line_of(exchange, time.perf_counter(), datetime.now(timezone.utc)))

    async def _decide(
        self, route: EndpointRoute, target: str, conversation: Conversation, request: Request, exchange: Exchange
    ) -> bool:
        asked = _asked(route.profile, exchange, request)
        decision = _refuse_coding(request) or decide(
            route, asked, self._pool.in_flight, random.random(), next(self._turns), time.time()
        )
        exchange.identity = decision.identity
        if isinstance(decision, Refused):
            return self._refuse(route, decision, conversation, request, exchange)
        exchange.deployment = decision.deployment
        self._pool.enter(decision.instance.id)
        try:
            return await self._relay(route, decision, target, conversation, request, exchange)
        except UpstreamLost:
            lost = Refused(route.profile.container_unreachable, "status.container_unreachable", decision.deployment)
            return self._refuse(route, lost, conversation, request, exchange)
        except BrokenBody:
            exchange.status = 400
            return conversation.answer(request, 400, "Bad Request", Changes(), close=True)
        finally:
            self._pool.leave(decision.instance.id)

    async def _relay(
        self,
        route: EndpointRoute,
        chosen: Chosen,
        target: str,
        conversation: Conversation,
        request: Request,
        exchange: Exchange,
    ) -> bool:
        host = f"{chosen.instance.host}:{chosen.instance.port}"
        changes = _request_changes(route, exchange)
        head = request_head(request.method, target, request.headers, changes, host, chunked=request.chunked)
        answers = _answer_changes(route, exchange, weighted=not chosen.by_header)
        relay = Relay(conversation, request, exchange, self._pool, chosen.instance, head, answers, self._loop)
        return await relay.run()

    def _refuse(
        self, route: EndpointRoute, refused: Refused, conversation: Conversation, request: Request, exchange: Exchange
    ) -> bool:
        exchange.status, exchange.reason = refused.answer.status, refused.reason
        exchange.deployment, exchange.warning = refused.deployment, refused.why
        exchange.response_size = len(refused.answer.body.encode())
        changes = _answer_changes(route, exchange, weighted=False)
        methods = route.profile.routed_methods
        if refused.reason == "routing.rejected_method" and methods:
            changes = changes._replace(last=changes.last + line("allow", ", ".join(sorted(methods))))
        # a caller that waits for 100 Continue may send its next request where its body should be
        close = not request.complete and request.has(b"expect")
        return conversation.answer(request, refused.answer.status, refused.answer.body, changes, close=close)


def _refuse_coding(request: Request) -> Refused | None:
    """Only the chunked coding can be taken off and put on again (RFC 9112 §6.1)."""
    if not request.chunked or request.header(b"transfer-encoding").lower() == b"chunked":
        return None
    return Refused(_UNKNOWN_CODING, "")


def _asked(profile: Profile, exchange: Exchange, request: Request) -> Asked:
    header = profile.deployment_header
    named = header is not None and request.has(header.encode())
    deployment = _text(request.header(header.encode())) if header and named else None
    return Asked(exchange.method, exchange.path, request.all(b"authorization"), deployment)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _request_changes(route: EndpointRoute, exchange: Exchange) -> Changes:
    return Changes(route.dropped_from_requests, last=_request_id_line(route.profile, exchange))


def _answer_changes(route: EndpointRoute, exchange: Exchange, *, weighted: bool) -> Changes:
    """What the front door puts into an answer, in the order of the captures (contract/managed §3.3)."""
    profile = route.profile
    first = line("server", profile.server) if profile.server else b""
    last = _request_id_line(route.profile, exchange)
    if exchange.deployment and profile.model_deployment_header:
        last += line(profile.model_deployment_header, exchange.deployment)
        if weighted and profile.model_session_header:
            last += line(profile.model_session_header, exchange.deployment)
    return Changes(route.dropped_from_answers, first, last)


def _request_id_line(profile: Profile, exchange: Exchange) -> bytes:
    return line(profile.request_id_header, exchange.request_id) if profile.request_id_header else b""


def _origin_form(raw: bytes) -> str:
    """The request target as a path: a proxy's absolute form loses its scheme and host (RFC 9112 §3.2.2)."""
    target = raw.decode("utf-8", "surrogateescape")
    if target.startswith("/") or "://" not in target:
        return target
    rest = target.partition("://")[2]
    cut = min((rest.find(mark) for mark in "/?" if mark in rest), default=len(rest))
    path = rest[cut:]
    return path if path.startswith("/") else f"/{path}"
