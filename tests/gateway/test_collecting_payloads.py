"""The bodies of requests and answers on their way to a deployment's data_collector, over the wire."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from gateway_support import (
    AUTHORIZED,
    PLENTY,
    Conversation,
    Door,
    Received,
    answering,
    ask,
    caller,
    container,
    eventually,
    free_port,
    get,
    post,
)

from emulator.containers.cloud_events import Collected, written
from emulator.gateway import Gateway, PayloadLog
from emulator.gateway.collecting_relay import CollectingRelay
from emulator.gateway.payload_log import Body, Capture
from emulator.gateway.relay import Relay
from emulator.profiles import overridden, profile_of, rows
from emulator.routing.routes import DeploymentRoute, EndpointRoute, Instance, PayloadCollection

BOTH = PayloadCollection(request=True, response=True)
JSON = b"Content-Type: application/json\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n[1.5,2.5]"


def value(row_id: str) -> Any:
    (row,) = (row for row in rows() if row.id == row_id)
    return row.facts["managed"].value


class CollectingDoor(Door):
    """A gateway with a data collector; `taken` and `dropped` are what came of it."""

    def __init__(self, draw: Callable[[], float]) -> None:
        self.taken: list[Collected] = []
        self.dropped: list[tuple[str, str, str, str, int]] = []
        log = PayloadLog(self.taken.extend, lambda *what: self.dropped.append(what), draw)
        super().__init__(Gateway("127.0.0.1", 0, lambda name, line: self.lines.append((name, line)), payloads=log))

    def collect(self, port: int, collector: PayloadCollection | None = BOTH, **more: Any) -> EndpointRoute:
        instance = Instance("0123456789abcdef", "127.0.0.1", port)
        return self.put(DeploymentRoute("blue", 100, (instance,), max_concurrent=PLENTY, collector=collector), **more)

    def events(self, count: int) -> list[dict[str, Any]]:
        """The lines of what was collected, once there are so many."""
        eventually(lambda: len(self.taken) + len(self.dropped) >= count)
        return [json.loads(written(one).line) for one in self.taken]


@contextmanager
def collecting(draw: Callable[[], float] = lambda: 0.5) -> Iterator[CollectingDoor]:
    one = CollectingDoor(draw)
    one.gateway.start()
    try:
        yield one
    finally:
        one.gateway.stop(2.0)


@pytest.fixture
def door() -> Iterator[CollectingDoor]:
    with collecting() as one:
        yield one


@pytest.mark.row("collection.request_attributes", "collection.response_attributes", "collection.correlation")
@pytest.mark.row("collection.headers")
def test_a_scored_request_and_its_answer(door: CollectingDoor) -> None:
    collector = replace(BOTH, capture_headers=("X-Tenant-Id", "Authorization", "x-absent", "Path"))
    with container(answering(ANSWER)) as upstream:
        headers = JSON + b"x-tenant-id: me\r\nPath: forged\r\n"
        answer = ask(
            door.collect(upstream.port, collector).port, post(b'{"a":\n 1}', target=b"/score?size=1", headers=headers)
        )
    asked, told = door.events(2)
    assert tuple(asked) == (*value("collection.request_attributes"), "xtenantid")
    assert tuple(told) == value("collection.response_attributes")
    id = answer.all("x-request-id")[0]
    expected = {
        "specversion": "1.0",
        "type": "azureml.inference.request",
        "datacontenttype": "application/json",
        "data": {"a": 1},
        "path": "/score?size=1",
        "method": "POST",
        "contentrange": "bytes 0-8/9",
        "correlationid": id,
        "xrequestid": id,
        "xtenantid": "me",
    }
    assert {name: asked[name] for name in expected} == expected
    assert asked["source"].endswith("/onlineEndpoints/iris/deployments/blue")
    assert (told["type"], told["data"], told["contentrange"]) == (
        "azureml.inference.response", [1.5, 2.5], "bytes 0-8/9"
    )  # fmt: skip
    assert (told["correlationid"], told["xrequestid"]) == (id, id)
    assert told["id"] != asked["id"]
    assert "primary-key" not in repr(asked)
    assert {one.instance for one in door.taken} == {"0123456789ab"}
    assert abs(door.taken[0].time - time.time()) < 60


@pytest.mark.parametrize(
    ("collector", "kinds"),
    [
        (PayloadCollection(request=True, response=False), ["request"]),
        (PayloadCollection(request=False, response=True), ["response"]),
    ],
)
def test_one_of_both(door: CollectingDoor, collector: PayloadCollection, kinds: list[str]) -> None:
    with container() as upstream:
        ask(door.collect(upstream.port, collector).port, post())
    door.events(1)
    door.gateway.stop(2.0)
    assert [one.collection for one in door.taken] == kinds


@pytest.mark.row("collection.paths_left_out")
def test_what_is_not_scored_or_does_not_reach_the_container_is_left_out(door: CollectingDoor) -> None:
    with container() as upstream:
        route = door.collect(upstream.port)
        for target in (*map(str.encode, value("collection.paths_left_out")), b"/?probe"):
            assert ask(route.port, get(target)).status == 200
        assert ask(route.port, get(headers=b"")).status == 401
        assert ask(route.port, get(method=b"DELETE")).status == 405
        ask(route.port, post(target=b"/score"))
    door.events(2)
    door.gateway.stop(2.0)
    assert [json.loads(written(one).line).get("path") for one in door.taken] == ["/score", None]


def test_the_paths_left_out_may_be_chosen() -> None:
    chosen = {"managed": {"collection.paths_left_out": ("/score",)}}
    with overridden(chosen), collecting() as door, container() as upstream:
        route = door.collect(upstream.port)
        ask(route.port, post())
        ask(route.port, get(b"/"))
        assert [event.get("path") for event in door.events(2)] == ["/", None]


@pytest.mark.row("collection.containers_answer")
def test_the_answer_is_the_containers_own(door: CollectingDoor) -> None:
    failed = b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nboom"
    with container(answering(failed)) as upstream:
        assert ask(door.collect(upstream.port).port, post()).status == 424
    _, told = door.events(2)
    assert (told["data"], told["datacontenttype"]) == ("boom", "text/plain")


def test_nothing_of_an_unreachable_container(door: CollectingDoor) -> None:
    assert ask(door.collect(free_port()).port, post()).status == 424
    door.line()
    door.gateway.stop(2.0)
    assert [one.collection for one in door.taken if one.collection == "response"] == []


@pytest.mark.row("collection.unknown_length")
def test_bodies_that_stream(door: CollectingDoor) -> None:
    def script(conversation: Conversation, received: Received) -> bool:
        conversation.read_body(received)
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in (b"[1", b",2]"):
            conversation.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            time.sleep(0.02)
        conversation.send(b"0\r\n\r\n")
        return True

    with container(script) as upstream, caller(door.collect(upstream.port).port) as one:
        one.send(b"POST /score HTTP/1.1\r\nHost: a\r\n" + AUTHORIZED + JSON + b"Transfer-Encoding: chunked\r\n\r\n")
        for piece in (b'{"long": ', b'"' + b"x" * 300_000 + b'"', b"}"):
            one.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            time.sleep(0.02)
        one.send(b"0\r\n\r\n")
        assert one.answer().body == b"[1,2]"
    asked, told = door.events(2)
    assert asked["data"] == {"long": "x" * 300_000}
    assert asked["contentrange"] == value("collection.unknown_length").format(last=300_011)
    assert told["data"] == [1, 2]


def test_a_chunked_body_that_comes_whole(door: CollectingDoor) -> None:
    with container() as upstream:
        raw = b"POST /score HTTP/1.1\r\nHost: a\r\n" + AUTHORIZED + b"Transfer-Encoding: chunked\r\n\r\n"
        answer = ask(door.collect(upstream.port).port, raw + b"2\r\n{}\r\n0\r\n\r\n")
        assert answer.json()["body"] == "{}"
    asked, _ = door.events(2)
    assert (asked["data"], asked["contentrange"]) == ({}, "bytes 0-1/*")


def test_halves_of_bodies_are_not_collected(door: CollectingDoor) -> None:
    def script(conversation: Conversation, received: Received) -> bool:
        conversation.read_body(received)
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 70_000)
        return False

    with container(script) as upstream:
        route = door.collect(upstream.port)
        with caller(route.port) as one:
            one.send(post())
            one.read_until(b"\r\n\r\n")
            one.file.read(70_000)
            assert one.is_closed()
        with caller(route.port) as one:
            one.send(b"POST /score HTTP/1.1\r\nHost: a\r\n" + AUTHORIZED + b"Content-Length: 10\r\n\r\n12345")
            eventually(lambda: len(upstream.received) == 2)
        door.line(2)
    door.gateway.stop(2.0)
    assert [one.collection for one in door.taken] == ["request"], "only the first request was whole"
    assert door.dropped == []


@pytest.mark.row("collection.longest_bytes")
def test_a_body_that_is_too_long_is_counted() -> None:
    with (
        overridden({"managed": {"collection.longest_bytes": 10}}),
        collecting() as door,
        container(answering(ANSWER)) as upstream,
    ):
        ask(door.collect(upstream.port).port, post(b"[" + b"1" * 20 + b"]"))
        (told,) = door.events(2)
        eventually(lambda: bool(door.dropped))
    assert told["data"] == [1.5, 2.5]
    assert door.dropped == [("iris", "blue", "request", "PayloadTooLarge", 1)]


@pytest.mark.row("collection.sampling", "collection.one_draw")
def test_one_draw_decides_on_a_request_and_its_answer() -> None:
    draws = itertools.cycle([0.2, 0.3, 0.9])
    with collecting(lambda: next(draws)) as door, container() as upstream:
        port = door.collect(upstream.port, replace(BOTH, sampling_rate=0.25)).port
        for number in range(6):
            ask(port, post(b"%d" % number))
        events = door.events(4)
        door.line(6)
        door.gateway.stop(2.0)
    assert [event["data"] for event in events if "path" in event] == [0, 3]
    assert len(door.taken) == 4
    assert events[0]["correlationid"] == events[1]["correlationid"]


def test_other_choices_of_assumed_rows() -> None:
    chosen = {"collection.headers": "dashed", "collection.unknown_length": "bytes 0-{last}", "collection.text": False}
    with overridden({"managed": chosen}), collecting() as door, container() as upstream:
        raw = b"POST /score HTTP/1.1\r\nHost: a\r\n" + AUTHORIZED + b"X-Tenant-Id: me\r\nContent-Type: text/csv\r\n"
        route = door.collect(upstream.port, replace(BOTH, response=False, capture_headers=("X-Tenant-Id",)))
        ask(route.port, raw + b"Transfer-Encoding: chunked\r\n\r\n2\r\na,\r\n0\r\n\r\n")
        (asked,) = door.events(1)
    assert (asked["x-tenant-id"], asked["contentrange"], asked["datainblob"]) == ("me", "bytes 0-1", "true")


@pytest.mark.parametrize(("containers", "expected"), [(True, "boom"), (False, "")])
def test_which_body_of_a_mapped_response_is_collected(containers: bool, expected: str) -> None:
    chosen = {"collection.containers_answer": containers, "status.mapped_body": False}
    failed = b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nboom"
    with overridden({"managed": chosen}), collecting() as door, container(answering(failed)) as upstream:
        assert ask(door.collect(upstream.port).port, post()).body == b""
        _, told = door.events(2)
    assert told["data"] == expected


def test_two_draws_where_the_settings_say_so() -> None:
    draws = iter([0.2, 0.3])
    with (
        overridden({"managed": {"collection.one_draw": False}}),
        collecting(lambda: next(draws)) as door,
        container() as upstream,
    ):
        ask(door.collect(upstream.port, replace(BOTH, sampling_rate=0.25)).port, post())
        door.line()
        door.gateway.stop(2.0)
    assert [one.collection for one in door.taken] == ["request"]


def test_mirrored_requests_are_collected_by_their_own_deployment(door: CollectingDoor) -> None:
    with container() as upstream, container() as other:
        blue = DeploymentRoute("blue", 100, (Instance("b", "127.0.0.1", upstream.port),), max_concurrent=PLENTY)
        green = replace(
            blue, name="green", weight=0, instances=(Instance("g", "127.0.0.1", other.port),), collector=BOTH
        )
        keys = ("primary-key", "secondary-key")
        route = EndpointRoute("iris", free_port(), profile_of("managed"), keys, (blue, green), (("green", 100),))
        door.gateway.put(route)
        ask(route.port, post(b"[7]"))
        events = door.events(2)
    assert {one.deployment for one in door.taken} == {"green"}
    assert events[0]["data"] == [7]


def test_a_route_without_a_collector_has_a_plain_relay(door: CollectingDoor) -> None:
    seen: list[type[Relay]] = []
    handler = door.gateway._handler
    making = handler._relay

    def look(asked: Any, instance: Instance) -> Relay:
        relay = making(asked, instance)
        seen.append(type(relay))
        return relay

    handler._relay = look  # type: ignore[method-assign]
    with container() as upstream:
        ask(door.collect(upstream.port, None).port, post())
        ask(door.collect(upstream.port, name="other").port, post())
    assert seen == [Relay, CollectingRelay]


# The log itself, without a gateway.


def capture_of(log: PayloadLog, request: Any) -> Capture:
    route = EndpointRoute("iris", 1, profile_of("managed"), (), ())
    capture = log.capture(route, BOTH, request, b"/score", "i")
    assert capture is not None
    return capture


class AnExchange:
    """As much of an exchange as the log looks at."""

    endpoint, deployment, path, request_id, started, response_began = "iris", "blue", b"/score", "id", 1.0, 2.0

    class request:
        method, chunked = "POST", False

        @staticmethod
        def header(_name: bytes) -> bytes:
            return b""


def test_memory_is_bounded_while_the_writer_hangs() -> None:
    going_on, dropped, taken = threading.Event(), [], []

    def take(many: Sequence[Collected]) -> None:
        going_on.wait(20)
        taken.extend(many)

    log = PayloadLog(take, lambda *what: dropped.append(what))
    log.start()
    body = b"x" * (8 << 20)
    for _ in range(20):
        capture = capture_of(log, AnExchange())
        log.keep(capture, capture.request, body)
        assert isinstance(capture.request, Body)
        capture.request.complete = True
        log.add(capture)
    going_on.set()
    log.close()
    assert len(taken) == 8, "64 MiB"
    assert dropped == [("iris", "blue", "request", "QueueFull", 1)] * 12
    capture = capture_of(log, AnExchange())
    log.keep(capture, capture.request, body)
    assert capture.request is not None and capture.request.pieces == [body], "there is room again"


def test_the_writer_outlives_a_take_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    taken: list[Collected] = []
    failures = iter([OSError("no disk")])

    def take(many: Sequence[Collected]) -> None:
        for failure in failures:
            raise failure
        taken.extend(many)

    log = PayloadLog(take, lambda *_: None)
    log.start()
    for expected in (0, 1):
        capture = capture_of(log, AnExchange())
        log.keep(capture, capture.request, b"1")
        assert capture.request is not None
        capture.request.complete = True
        log.add(capture)
        eventually(lambda: not log._captures and len(taken) == expected)  # noqa: B023 - called at once
        eventually(lambda: log._kept_bytes == log._handed_bytes)
    log.close()
    assert "was not written" in caplog.text
