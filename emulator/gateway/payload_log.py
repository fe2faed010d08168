"""The collection of request and response bodies for a deployment's data_collector (rows collection.*).

The event loop only keeps the bodies as they pass; events are made of them on a thread of its own.
"""

from __future__ import annotations

import logging
import random
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from emulator.containers.cloud_events import Collected, attribute_name, content_range
from emulator.gateway.traffic_log import Exchange
from emulator.profiles import CollectionProfile
from emulator.routing.http_heads import ResponseHead
from emulator.routing.routes import EndpointRoute, PayloadCollection
from emulator.secret import mask_credentials

TakeMany = Callable[[Sequence[Collected]], None]
"""Receives the events that were collected."""
Drop = Callable[[str, str, str, str, int], None]
"""Receives endpoint, deployment, collection, reason and number of events that were dropped."""

# The most bytes of bodies in memory, of requests under way and of those that wait for the writer.
_MOST_BYTES = 64 << 20
_GATHER_SECONDS = 0.05
_INSTANCE_CHARACTERS = 12  # of a container's id, as the container's own HOSTNAME has them

# Attributes that a captured header must not replace, and headers that must not be written.
_NOT_CAPTURED = frozenset({"path", "method", "contentrange", "correlationid", "xrequestid", "authorization"})

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Body:
    """A body as far as it was collected; `pieces` is None once it was given up."""

    collection: str
    pieces: list[bytes] | None = field(default_factory=list)
    size: int = 0
    reason: str = ""
    complete: bool = False


@dataclass(slots=True)
class Capture:
    """What is collected of one request; a body that is not collected is None.  `target` is path and query."""

    exchange: Exchange
    target: bytes
    collector: PayloadCollection
    profile: CollectionProfile
    instance: str
    request: Body | None
    response: Body | None
    head: ResponseHead | None = None

    @property
    def bodies(self) -> list[Body]:
        """The bodies that are collected."""
        return [body for body in (self.request, self.response) if body is not None]


class PayloadLog:
    """Keeps bodies in bounded memory until the writer's thread has made events of them; never blocks.

    `take` is called on that thread only, `drop` on any.  `draw` returns random numbers in [0, 1) for the sampling.
    """

    def __init__(self, take: TakeMany, drop: Drop, draw: Callable[[], float] = random.random) -> None:
        self._take = take
        self._drop = drop
        self._draw = draw
        # Each counter is increased by one thread only; their difference is what is in memory.
        self._kept_bytes = 0
        self._handed_bytes = 0
        self._captures: deque[Capture] = deque()
        self._waiting = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="amlemu-payload-log", daemon=True)

    def start(self) -> None:
        """Start the writer."""
        self._thread.start()

    def close(self) -> None:
        """Hand on what was collected and end the writer."""
        self._closed.set()
        self._waiting.set()
        self._thread.join()

    # on the loop

    def capture(
        self, route: EndpointRoute, collector: PayloadCollection, exchange: Exchange, target: bytes, instance: str
    ) -> Capture | None:
        """Begin to collect a request; None when its path or the sampling leaves it out."""
        profile = route.profile.collection
        if exchange.path.decode("latin-1") in profile.paths_left_out:
            return None
        rate = collector.sampling_rate
        drawn = rate >= 1 or self._draw() < rate
        both = drawn if profile.one_draw or rate >= 1 else self._draw() < rate
        request = Body("request") if collector.request and drawn else None
        response = Body("response") if collector.response and both else None
        if request is None and response is None:
            return None
        return Capture(exchange, target, collector, profile, instance[:_INSTANCE_CHARACTERS], request, response)

    def keep(self, capture: Capture, body: Body | None, data: bytes) -> None:
        """Keep a piece of a body, or give the body up beyond the bounds."""
        if body is None or body.pieces is None:
            return
        body.size += len(data)
        if body.size > capture.profile.longest_bytes:
            self._give_up(body, "PayloadTooLarge")
        elif self._kept_bytes - self._handed_bytes + len(data) > _MOST_BYTES:
            self._give_up(body, "QueueFull")
        else:
            body.pieces.append(data)
            self._kept_bytes += len(data)

    def _give_up(self, body: Body, reason: str) -> None:
        self._kept_bytes -= sum(map(len, body.pieces or ()))
        body.pieces, body.reason = None, reason

    def add(self, capture: Capture) -> None:
        """Queue a finished request; bodies that are incomplete are dropped."""
        for body in capture.bodies:
            if not body.complete:
                self._give_up(body, body.reason)
        if any(body.complete or body.reason for body in capture.bodies):
            self._captures.append(capture)
            if not self._waiting.is_set():
                self._waiting.set()

    # on the writer's thread

    def _run(self) -> None:
        while not self._closed.is_set():
            self._waiting.wait()
            self._closed.wait(_GATHER_SECONDS)
            if not self._hand_on():
                self._waiting.clear()
                self._hand_on()  # a request added before clear() has not woken this thread
        self._hand_on()

    def _hand_on(self) -> int:
        """Hand on the queued requests; return their number."""
        since = time.time() - time.perf_counter()
        many = [self._captures.popleft() for _ in range(len(self._captures))]
        try:
            self._take([one for capture in many for one in collected_of(capture, since)])
        except Exception:  # the writer must survive any error
            _log.exception("collected data was not written")
        for capture in many:
            self._end(capture)
        return len(many)

    def _end(self, capture: Capture) -> None:
        for body in capture.bodies:
            self._handed_bytes += sum(map(len, body.pieces or ()))
            if body.reason:
                exchange = capture.exchange
                self._drop(exchange.endpoint, exchange.deployment, body.collection, body.reason, 1)


def collected_of(capture: Capture, since: float) -> list[Collected]:
    """Return the complete bodies of a finished request as events; `since` makes its times seconds since 1970."""
    found = []
    exchange, request = capture.exchange, capture.exchange.request
    ids = {"correlationid": exchange.request_id, "xrequestid": exchange.request_id}
    if (body := capture.request) and body.complete and body.pieces is not None:
        asked = {"path": mask_credentials(capture.target.decode("utf-8", "replace")), "method": request.method}
        unknown = request.chunked and body.size > 0
        told = capture.profile.unknown_length.format(last=body.size - 1) if unknown else content_range(body.size)
        length = {"contentrange": told}
        fields = asked | length | ids | _captured_headers(capture)
        kind, coding = request.header(b"content-type"), request.header(b"content-encoding")
        found.append(_event(capture, body, since + exchange.started, kind, coding, fields))
    if (body := capture.response) and body.complete and body.pieces is not None and capture.head:
        kind, coding = (_header(capture.head, name) for name in (b"content-type", b"content-encoding"))
        fields = {"contentrange": content_range(body.size)} | ids
        found.append(_event(capture, body, since + exchange.response_began, kind, coding, fields))
    return found


def _event(
    capture: Capture, body: Body, moment: float, content_type: bytes, coding: bytes, attributes: dict[str, str]
) -> Collected:
    encoding = coding.decode("latin-1").strip().lower()
    return Collected(
        id=str(uuid.uuid4()),
        endpoint=capture.exchange.endpoint,
        deployment=capture.exchange.deployment,
        instance=capture.instance,
        collection=body.collection,
        profile=capture.profile,
        rolling_rate=capture.collector.rolling_rate,
        time=moment,
        content_type=content_type.decode("latin-1"),
        body=b"".join(body.pieces or ()),
        content_encoding="" if encoding == "identity" else encoding,
        attributes=attributes,
    )


def _captured_headers(capture: Capture) -> dict[str, str]:
    """The headers of capture_headers that the request has (row collection.headers)."""
    request = capture.exchange.request
    plain = capture.profile.header_attribute == "plain"
    names = [name.lower() for name in capture.collector.capture_headers]
    wanted = {name.encode("latin-1", "replace"): attribute_name(name) if plain else name for name in names}
    return {
        attribute: request.header(name).decode("utf-8", "replace")
        for name, attribute in wanted.items()
        if attribute and attribute not in _NOT_CAPTURED and request.has(name)
    }


def _header(head: ResponseHead, name: bytes) -> bytes:
    return next((value for key, _, value in head.headers if key == name), b"")
