"""What the settings may choose instead of what is assumed: the other behaviour, over the wire."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from gateway_support import (
    AUTHORIZED,
    KEYS,
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
    running_door,
)

from emulator.entities import Target
from emulator.profiles import Answer, RoutedPaths, overridden, profile_of
from emulator.routing.routes import DeploymentRoute, EndpointRoute, Instance

FAILED = b"HTTP/1.1 500 Oops\r\nContent-Type: text/x\r\nX-Own: 1\r\nContent-Length: 4\r\n\r\nbody"
STREAMED = b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\nX-Own: 1\r\n\r\n4\r\nbody\r\n0\r\n\r\n"


@contextmanager
def chosen(target: Target, row: str, value: Any) -> Iterator[None]:
    with overridden({target: {row: value}}):
        yield


def serve(
    door: Door, *upstreams: int, target: Target = "managed", timeout_ms: int | None = None, queue_wait_ms: int = 5000
) -> tuple[int, bytes]:
    instances = tuple(Instance(f"one-{port}", "127.0.0.1", port) for port in upstreams)
    concurrent = 1 if profile_of(target).scoring.queues else PLENTY
    blue = DeploymentRoute(
        "blue",
        100,
        instances,
        instance_count=max(1, len(instances)),
        max_concurrent=concurrent,
        timeout_ms=timeout_ms,
        queue_wait_ms=queue_wait_ms,
    )
    return door.base(door.put(blue, target=target))


@pytest.mark.parametrize("raw", [FAILED, STREAMED])
def test_the_body_of_a_mapped_status(door: Door, raw: bytes) -> None:
    with chosen("kubernetes", "status.mapped_body", False), container(answering(raw, keep=True)) as upstream:
        port, prefix = serve(door, upstream.port, target="kubernetes")
        with caller(port) as one:
            for _ in range(2):
                one.send(post(target=prefix + b"/score"))
                answer = one.answer()
                assert (answer.status, answer.body, answer.all("X-Own")) == (502, b"", ["1"])


def test_the_headers_of_a_mapped_status(door: Door) -> None:
    with chosen("managed", "status.mapped_headers", False), container(answering(FAILED)) as upstream:
        port, _ = serve(door, upstream.port)
        answer = ask(port, post())
        assert (answer.status, answer.body, answer.all("X-Own")) == (424, b"body", [])
        assert answer.all("content-type") == ["text/x"]
        assert answer.all("ms-azureml-model-error-statuscode") == ["500"]


def test_the_models_time(door: Door) -> None:
    def script(conversation: Conversation, received: Received) -> bool:
        conversation.read_body(received)
        time.sleep(0.1)
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nms-azureml-model-time: 1\r\n\r\n{}")
        return False

    with chosen("managed", "headers.model_time", "ms-azureml-model-time"), container(script) as upstream:
        port, _ = serve(door, upstream.port)
        (spent_ms,) = ask(port, post()).all("ms-azureml-model-time")
        assert 100 <= int(spent_ms) < 2000


def test_the_authorization_header(door: Door) -> None:
    with chosen("managed", "headers.authorization", False), container() as upstream:
        port, _ = serve(door, upstream.port)
        assert ask(port, post()).status == 200
        assert upstream.received[0].all("Authorization") == []


def test_a_deployment_without_an_instance_leaves_its_share_to_others(door: Door) -> None:
    with chosen("managed", "traffic.failed_keeps_weight", False), container() as upstream:
        green = DeploymentRoute("green", 10, (Instance("g", "127.0.0.1", upstream.port),), max_concurrent=PLENTY)
        deployments = (DeploymentRoute("blue", 90, ()), green)
        route = EndpointRoute("iris", free_port(), profile_of("managed"), KEYS, deployments)
        door.gateway.put(route)
        assert {ask(route.port, post()).status for _ in range(20)} == {200}


def test_a_stream_may_go_on_when_its_time_is_over(door: Door) -> None:
    def script(conversation: Conversation, received: Received) -> bool:
        conversation.read_body(received)
        conversation.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        time.sleep(0.4)
        conversation.send(b"1\r\nb\r\n0\r\n\r\n")
        return False

    with chosen("managed", "timeouts.cuts_streams", False), container(script) as upstream:
        port, _ = serve(door, upstream.port, timeout_ms=200)
        answer = ask(port, post())
        assert (answer.status, answer.body) == (200, b"ab")


def test_a_container_may_be_told_that_the_time_is_over(door: Door) -> None:
    told = threading.Event()

    def script(conversation: Conversation, received: Received) -> bool:
        conversation.read_body(received)
        try:
            if conversation.sock.recv(1) == b"":
                told.set()
        except ConnectionResetError:
            told.set()
        return False

    with chosen("kubernetes", "timeouts.container_goes_on", False), container(script) as upstream:
        port, prefix = serve(door, upstream.port, target="kubernetes", timeout_ms=100)
        assert ask(port, post(target=prefix + b"/score")).status == 504
        assert told.wait(5)
        assert door.gateway.abandoned("iris", "blue") == 0
        assert "Warning" not in door.line()


def test_the_time_in_the_queue_may_not_count(door: Door) -> None:
    def script(conversation: Conversation, received: Received) -> bool:
        conversation.read_body(received)
        time.sleep(0.3)
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        return True

    with chosen("aks", "timeouts.includes_queue", False), container(script) as upstream:
        port, prefix = serve(door, upstream.port, target="aks", timeout_ms=450)
        with caller(port) as first, caller(port) as second:
            for one in (first, second):
                one.send(post(target=prefix + b"/score"))
            assert [first.answer().status, second.answer().status] == [200, 200]


def test_instances_may_take_turns(door: Door) -> None:
    """However busy the first is."""
    release = threading.Event()

    def slow(conversation: Conversation, received: Received) -> bool:
        conversation.read_body(received)
        release.wait(10)
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        return True

    with chosen("managed", "concurrency.least_busy", False), container(slow) as one, container() as two:
        port, _ = serve(door, one.port, two.port)
        with caller(port) as first, caller(port) as second:
            waiting = [first, second]
            for who in waiting:
                who.send(post())
            eventually(lambda: len(one.received) == len(two.received) == 1)
            with caller(port) as third:
                third.send(post())
                eventually(lambda: len(one.received) == 2)
                release.set()
                assert third.answer().status == 200


# before any container


@pytest.mark.parametrize("raw", [b"", b"Authorization: Bearer nope\r\n"])
def test_where_a_request_leads_may_be_told_without_a_credential(door: Door, raw: bytes) -> None:
    with chosen("managed", "auth.before_routing", False), container() as upstream:
        port, _ = serve(door, upstream.port)
        named = raw + b"azureml-model-deployment: "
        assert ask(port, get(headers=named + b"red\r\n")).status == 404
        assert door.line()["ResponseCodeReason"] == "traffic.unknown_deployment"
        assert [ask(port, get(headers=named + b"blue\r\n")).status, ask(port, get(headers=raw)).status] == [401, 401]
        assert upstream.received == []


def test_a_path_may_be_told_without_a_credential(door: Door) -> None:
    only = {"routing.paths": RoutedPaths(("/score",)), "auth.before_routing": False}
    with overridden({"aci": only}), container() as upstream:
        port, _ = serve(door, upstream.port, target="aci")
        assert [ask(port, get(path, headers=b"")).status for path in (b"/other", b"/score")] == [404, 401]


def test_other_paths_may_be_refused(door: Door) -> None:
    rule = RoutedPaths(("/", "/score", "/swagger.json"), Answer(404, "no such path"))
    with chosen("kubernetes", "routing.paths", rule), container() as upstream:
        port, prefix = serve(door, upstream.port, target="kubernetes")
        asked = (b"", b"/", b"/score?a=1", b"/swagger.json", b"/score/", b"/v2/models", b"/%73core")
        answers = [ask(port, get(prefix + path)) for path in asked]
        assert [answer.status for answer in answers] == [200, 200, 200, 200, 404, 404, 404]
        assert answers[-1].body == b"no such path"
        assert door.line(len(asked))["ResponseCodeReason"] == "routing.paths"
        assert ask(port, get(prefix + b"/other", headers=b"")).status == 401, "the credential comes first"
        assert len(upstream.received) == 4


@pytest.mark.parametrize("target", ["managed", "kubernetes"])
def test_http_1_0_may_be_refused(door: Door, target: Target) -> None:
    with chosen(target, "routing.http_version", Answer(426, "Upgrade Required")), container() as upstream:
        port, prefix = serve(door, upstream.port, target=target)
        raw = get(prefix + b"/score")
        old = raw.replace(b"HTTP/1.1\r\n", b"HTTP/1.0\r\nConnection: keep-alive\r\n")
        with caller(port) as one:
            for asked, status in ((old, 426), (raw, 200)):
                one.send(asked)
                assert one.answer("GET").status == status
        door.line(2)
        assert door.lines[0][1]["ResponseCodeReason"] == "routing.http_version"
        assert len(upstream.received) == 1


def test_a_head_may_be_as_long_as_the_target_says() -> None:
    def statuses(port: int, prefix: bytes) -> list[int]:
        heads = [
            post(target=prefix + b"/score", headers=b"X: %s\r\n" % (b"a" * length)) for length in (900, 5000, 70_000)
        ]
        return [ask(port, head).status for head in heads]

    lengths: dict[Target, int] = {"managed": 2000, "kubernetes": 1000, "aks": 100_000}
    with (
        overridden({target: {"limits.head_bytes": length} for target, length in lengths.items()}),
        running_door() as door,
        container() as upstream,
    ):
        assert statuses(*serve(door, upstream.port)) == [200, 431, 431]
        assert statuses(*serve(door, upstream.port, target="kubernetes")) == [200, 200, 200], "as long as for aks"


def test_a_short_head_bounds_no_body() -> None:
    with (
        chosen("managed", "limits.head_bytes", 300),
        running_door() as door,
        container() as upstream,
    ):
        port, _ = serve(door, upstream.port)
        chunked = b"Transfer-Encoding: chunked\r\n\r\n%s0\r\n%s\r\n" % (
            b"1\r\na\r\n" * 500,
            b"T: %s\r\n" % (b"t" * 400),
        )
        with caller(port) as one:
            for raw in (post(b"b" * 5000), post().replace(b"Content-Length: 2\r\n\r\n{}", chunked), post()):
                one.send(raw)
                assert one.answer().status == 200


def test_what_the_weights_choose_may_stick_to_a_connection(door: Door) -> None:
    with chosen("managed", "traffic.per_request", "connection"), container() as blue, container() as green:
        port = split(door, blue.port, green.port)
        for _ in range(20):
            before = len(blue.received), len(green.received)
            with caller(port) as one:
                for _ in range(5):
                    one.send(post())
                    assert one.answer().status == 200
            grown = len(blue.received) - before[0], len(green.received) - before[1]
            assert sorted(grown) == [0, 5]
        assert min(len(blue.received), len(green.received)) > 0, "another connection, another choice"


def test_what_the_weights_choose_may_stick_to_a_caller(door: Door) -> None:
    with chosen("managed", "traffic.per_request", "caller"), container() as blue, container() as green:
        port = split(door, blue.port, green.port)
        assert {ask(port, post()).status for _ in range(20)} == {200}
        assert sorted((len(blue.received), len(green.received))) == [0, 20]


def split(door: Door, *upstreams: int) -> int:
    """The port of an endpoint whose deployments have the same weight."""
    deployments = [
        DeploymentRoute(f"d{upstream}", 50, (Instance(f"i{upstream}", "127.0.0.1", upstream),), max_concurrent=PLENTY)
        for upstream in upstreams
    ]
    return door.base(door.put(*deployments))[0]


# headers


CORS = b"Access-Control-Allow-Origin: http://a\r\naccess-control-max-age: 5\r\nX-Own: 1\r\n"


@pytest.mark.parametrize(
    ("whose", "origins", "ages"), [("container", ["http://a"], ["5"]), ("none", [], []), ("any", ["*"], [])]
)
def test_whose_cors_headers_pass(door: Door, whose: str, origins: list[str], ages: list[str]) -> None:
    raw = b"HTTP/1.1 200 OK\r\n%sContent-Length: 2\r\n\r\n{}" % CORS
    with chosen("kubernetes", "headers.cors", whose), container(answering(raw)) as upstream:
        port, prefix = serve(door, upstream.port, target="kubernetes")
        answer = ask(port, get(prefix + b"/score", headers=AUTHORIZED + b"Origin: http://b\r\n"))
        assert answer.all("access-control-allow-origin") == origins
        assert (answer.all("access-control-max-age"), answer.all("x-own")) == (ages, ["1"])
        assert upstream.received[0].all("origin") == ["http://b"]
        refused = ask(port, get(prefix + b"/score", headers=b""))
        assert refused.all("access-control-allow-origin") == (["*"] if whose == "any" else [])


def test_named_headers_may_be_dropped_on_the_way(door: Door) -> None:
    raw = b"HTTP/1.1 200 OK\r\nX-Gone: 1\r\nx-gone: 2\r\nX-Kept: 3\r\nContent-Length: 2\r\n\r\n{}"
    with chosen("aks", "headers.end_to_end", ("x-Gone",)), container(answering(raw)) as upstream:
        port, prefix = serve(door, upstream.port, target="aks")
        answer = ask(port, post(target=prefix + b"/score", headers=b"X-GONE: 1\r\nX-Kept: 2\r\n"))
        assert (answer.status, answer.all("x-gone"), answer.all("x-kept")) == (200, [], ["3"])
        received = upstream.received[0]
        assert (received.all("x-gone"), received.all("x-kept"), received.body) == ([], ["2"], b"{}")


# answers that come whole


def in_pieces(*pieces: bytes, framing: bytes, seconds: float = 0.05) -> Any:
    def script(conversation: Conversation, received: Received) -> bool:
        conversation.read_body(received)
        conversation.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n%s\r\n" % framing)
        for piece in pieces:
            time.sleep(seconds)
            conversation.send(piece)
        return False

    return script


CHUNKED = b"Transfer-Encoding: chunked\r\n"
BIG = b"x" * 3_000_000


@pytest.mark.parametrize(
    ("framing", "pieces", "body"),
    [
        (CHUNKED, (b"1\r\na\r\n", b"1\r\nb\r\n0\r\n\r\n"), b"ab"),
        (b"Content-Length: 2\r\n", (b"a", b"b"), b"ab"),
        (b"", (b"a", b"b"), b"ab"),
        (CHUNKED, (b"0\r\n\r\n",), b""),
        (b"Content-Length: %d\r\n" % len(BIG), (BIG,), BIG),
    ],
)
def test_an_answer_may_be_sent_whole(door: Door, framing: bytes, pieces: tuple[bytes, ...], body: bytes) -> None:
    with chosen("aci", "routing.streaming", False), container(in_pieces(*pieces, framing=framing)) as upstream:
        port, _ = serve(door, upstream.port, target="aci")
        with caller(port) as one:
            for _ in range(2):
                one.send(post())
                answer = one.answer()
                assert (answer.status, answer.body) == (200, body)
        assert door.line(2)["ResponsePayloadSize"] == len(body)


def test_nothing_of_it_comes_before_its_end(door: Door) -> None:
    turn = threading.Event()

    def script(conversation: Conversation, received: Received) -> bool:
        conversation.read_body(received)
        conversation.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        assert turn.wait(10)
        conversation.send(b"1\r\nb\r\n0\r\n\r\n")
        return False

    with chosen("kubernetes", "routing.streaming", False), container(script) as upstream:
        port, prefix = serve(door, upstream.port, target="kubernetes")
        with caller(port) as one:
            one.send(post(target=prefix + b"/score"))
            one.sock.settimeout(0.3)
            with pytest.raises(TimeoutError):
                one.sock.recv(1)
            turn.set()
            one.sock.settimeout(10)
            raw = b""
            while not raw.endswith(b"0\r\n\r\n"):
                raw += one.sock.recv(100)
            assert raw.endswith(b"2\r\nab\r\n0\r\n\r\n")


def test_one_that_breaks_off_or_comes_too_late_is_answered_by_the_front_door(door: Door) -> None:
    with chosen("kubernetes", "routing.streaming", False):
        with container(in_pieces(b"1\r\na\r\n", framing=CHUNKED)) as upstream:
            port, prefix = serve(door, upstream.port, target="kubernetes")
            assert ask(port, post(target=prefix + b"/score")).status == 502
        late = in_pieces(b"1\r\na\r\n", b"0\r\n\r\n", framing=CHUNKED, seconds=0.5)
        with container(late) as upstream:
            port, prefix = serve(door, upstream.port, target="kubernetes", timeout_ms=200)
            assert ask(port, post(target=prefix + b"/score")).status == 504


# the log


def test_the_columns_of_a_line(door: Door) -> None:
    choice = {"logs.traffic_columns": ("ResponseCode", "Method", "UserAgent"), "logs.user_agent_characters": 3}
    with overridden({"aks": choice}), container() as upstream:
        port, prefix = serve(door, upstream.port, target="aks")
        ask(port, post(target=prefix + b"/score", headers=b"User-Agent: curl/8\r\n"))
        assert list(door.line().items()) == [("ResponseCode", 200), ("Method", "POST"), ("UserAgent", "cur")]
        form = b"Content-Type: application/x-www-form-urlencoded\r\n"
        ask(port, post(target=prefix + b"/score", headers=form))
        assert "Warning" in door.line(2), "what amlemu adds is no column"


def test_the_metrics_of_a_target(door: Door) -> None:
    with chosen("kubernetes", "metrics.names", ("network_bytes",)), container() as upstream:
        serve(door, upstream.port, target="kubernetes")
        assert [one.names for one in door.gateway.metrics()] == [{"network_bytes"}]


# keys


def test_a_regenerated_key_may_live_on(door: Door) -> None:
    with container() as upstream:
        instances = (Instance("one", "127.0.0.1", upstream.port),)
        blue = DeploymentRoute("blue", 100, instances, max_concurrent=PLENTY)
        old = {"ended": time.time() - 1, "living": time.time() + 1000}
        route = EndpointRoute("iris", free_port(), profile_of("managed"), KEYS, (blue,), old_keys=old)
        door.gateway.put(route)
        keys = (b"ended", b"living", b"living ", b"livin", KEYS[0].encode())
        statuses = [ask(route.port, get(headers=b"Authorization: Bearer %s\r\n" % key)).status for key in keys]
        assert statuses == [401, 200, 200, 401, 200]
