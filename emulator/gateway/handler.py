"""What happens to each request: find the endpoint, decide, relay or refuse, log."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from itertools import count

from aiohttp import web

from emulator.gateway.front_door import Asked, Chosen, Refused, asks_for_key, decide
from emulator.gateway.heads import Changes, line, request_head
from emulator.gateway.listener import CLOSES, answer
from emulator.gateway.pool import Pool
from emulator.gateway.relay import BrokenBody, Relay
from emulator.gateway.traffic_log import FORM_WARNING, Exchange, TrafficLog, line_of
from emulator.gateway.upstream import UpstreamLost
from emulator.profiles import Answer, Profile, profile_of
from emulator.routes import EndpointRoute, Snapshot, split_prefix

_CLIENT_GONE = 499  # nobody gets it; it is what proxies write into their logs
_UNKNOWN_CODING = Answer(501, "Not Implemented")
_FORM = "application/x-www-form-urlencoded"
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

    async def own_port(self, port: int, request: web.BaseRequest) -> web.StreamResponse:
        """A request on the port of one endpoint."""
        return await self._serve(self._snapshot().by_port.get(port), _origin_form(request.raw_path), request)

    async def shared_port(self, request: web.BaseRequest) -> web.StreamResponse:
        """A request on the port that the endpoints with a path share."""
        prefix, target = split_prefix(_origin_form(request.raw_path))
        return await self._serve(self._snapshot().by_prefix.get(prefix), target, request)

    async def _serve(self, route: EndpointRoute | None, target: str, request: web.BaseRequest) -> web.StreamResponse:
        if route is None:
            missing = profile_of("kubernetes").no_such_endpoint
            return await answer(request, missing.status, missing.body, close=True)
        exchange = self._begin(route, target, request)
        try:
            return await self._decide(route, target, request, exchange)
        except asyncio.CancelledError:
            exchange.status, exchange.reason = _CLIENT_GONE, "client closed the connection"
            raise
        except ConnectionError:
            exchange.status, exchange.reason = _CLIENT_GONE, "client closed the connection"
            return CLOSES
        finally:
            self._finish(route, exchange, request)

    def _begin(self, route: EndpointRoute, target: str, request: web.BaseRequest) -> Exchange:
        path = target.partition("?")[0]
        replaced = route.profile.request_id_header is not None
        return Exchange(
            endpoint=route.name,
            method=request.method,
            path=path,
            protocol=f"HTTP/{request.version.major}.{request.version.minor}",
            started=time.perf_counter(),
            request_id=str(uuid.uuid4()) if replaced else request.headers.get("x-request-id", ""),
            auth_type="Key" if asks_for_key(route, path) else "",
        )

    def _finish(self, route: EndpointRoute, exchange: Exchange, request: web.BaseRequest) -> None:
        """Log the request; what only the log needs is read here, when the caller has its answer."""
        headers = request.headers
        exchange.user_agent = headers.get("User-Agent", "")
        exchange.client_request_id = headers.get("x-ms-client-request-id", "")
        scored = exchange.method == "POST" and exchange.path == _SCORE_PATH and exchange.model_status is not None
        if scored and headers.get("Content-Type", "").startswith(_FORM):
            exchange.warning = FORM_WARNING
        self._log.add(route.name, line_of(exchange, time.perf_counter(), datetime.now(timezone.utc)))

    async def _decide(
        self, route: EndpointRoute, target: str, request: web.BaseRequest, exchange: Exchange
    ) -> web.StreamResponse:
        asked = _asked(route.profile, exchange, request)
        decision = _refuse_coding(request) or decide(
            route, asked, self._pool.in_flight, random.random(), next(self._turns)
        )
        if isinstance(decision, Refused):
            return await self._refuse(route, decision, request, exchange)
        exchange.deployment = decision.deployment
        self._pool.enter(decision.instance.id)
        try:
            return await self._relay(route, decision, target, request, exchange)
        except UpstreamLost:
            lost = Refused(route.profile.container_unreachable, "status.container_unreachable", decision.deployment)
            return await self._refuse(route, lost, request, exchange)
        except BrokenBody:
            exchange.status = 400
            return await answer(request, 400, "Bad Request", close=True)
        finally:
            self._pool.leave(decision.instance.id)

    async def _relay(
        self, route: EndpointRoute, chosen: Chosen, target: str, request: web.BaseRequest, exchange: Exchange
    ) -> web.StreamResponse:
        chunked = "Transfer-Encoding" in request.headers
        host = f"{chosen.instance.host}:{chosen.instance.port}"
        changes = _request_changes(route, exchange)
        head = request_head(request.method, target, request.raw_headers, changes, host, chunked=chunked)
        answers = _answer_changes(route, exchange, weighted=not chosen.by_header)
        return await Relay(request, exchange, self._pool, chosen.instance, head, chunked, answers, self._loop).run()

    async def _refuse(
        self, route: EndpointRoute, refused: Refused, request: web.BaseRequest, exchange: Exchange
    ) -> web.StreamResponse:
        exchange.status, exchange.reason = refused.answer.status, refused.reason
        exchange.deployment = refused.deployment
        exchange.response_size = len(refused.answer.body.encode())
        changes = _answer_changes(route, exchange, weighted=False)
        methods = route.profile.routed_methods
        if refused.reason == "routing.rejected_method" and methods:
            changes = changes._replace(last=changes.last + line("allow", ", ".join(sorted(methods))))
        # a caller that waits for 100 Continue may send its next request where its body should be
        close = not request.content.is_eof() and "Expect" in request.headers
        return await answer(request, refused.answer.status, refused.answer.body, changes, close=close)


def _refuse_coding(request: web.BaseRequest) -> Refused | None:
    """Only the chunked coding can be taken off and put on again (RFC 9112 §6.1)."""
    coding = request.headers.get("Transfer-Encoding")
    return None if coding is None or coding.lower() == "chunked" else Refused(_UNKNOWN_CODING, "")


def _asked(profile: Profile, exchange: Exchange, request: web.BaseRequest) -> Asked:
    headers = request.headers
    authorization = (value.encode("utf-8", "surrogateescape") for value in headers.getall("Authorization", ()))
    deployment = headers.get(profile.deployment_header) if profile.deployment_header else None
    return Asked(exchange.method, exchange.path, tuple(authorization), deployment)


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


def _origin_form(target: str) -> str:
    """The request target as a path: a proxy's absolute form loses its scheme and host (RFC 9112 §3.2.2)."""
    if target.startswith("/") or "://" not in target:
        return target
    rest = target.partition("://")[2]
    cut = min((rest.find(mark) for mark in "/?" if mark in rest), default=len(rest))
    path = rest[cut:]
    return path if path.startswith("/") else f"/{path}"
