"""Who is let in, how long it may take, and what becomes of the rest."""

from __future__ import annotations

import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field

import pytest
from gateway_support import (
    Answer,
    Caller,
    Container,
    Conversation,
    Door,
    Received,
    ask,
    caller,
    container,
    eventually,
    post,
)

from emulator.entities import Target
from emulator.profiles import profile_of
from emulator.routing.routes import DeploymentRoute, EndpointRoute, Instance

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
ALL: tuple[Target, ...] = ("managed", "kubernetes", "aks", "aci", "local")
QUEUEING: tuple[Target, ...] = ("kubernetes", "aks")

every_target = pytest.mark.parametrize("target", ALL)


@dataclass
class Held:
    """Containers that answer when they are told to."""

    release: threading.Event = field(default_factory=threading.Event)
    busy: int = 0
    most: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def script(self, conversation: Conversation, received: Received) -> bool:
        conversation.read_body(received)
        with self._lock:
            self.busy += 1
            self.most = max(self.most, self.busy)
        self.release.wait(20)
        with self._lock:
            self.busy -= 1
        conversation.send(OK)
        return True


@contextmanager
def held() -> Iterator[tuple[Held, Container]]:
    state = Held()
    with container(state.script) as upstream:
        try:
            yield state, upstream
        finally:
            state.release.set()


def serve(
    door: Door,
    *upstreams: Container,
    target: Target = "managed",
    max_concurrent: int = 1,
    timeout_ms: int | None = None,
    queue_wait_ms: int | None = None,
    name: str = "iris",
) -> EndpointRoute:
    instances = tuple(Instance(f"{name}-{one.port}", "127.0.0.1", one.port) for one in upstreams)
    blue = DeploymentRoute(
        "blue",
        100,
        instances,
        instance_count=len(instances),
        max_concurrent=max_concurrent,
        timeout_ms=timeout_ms,
        queue_wait_ms=queue_wait_ms,
    )
    return door.put(blue, name=name, target=target)


def ask_endpoint(door: Door, route: EndpointRoute, raw: bytes | None = None) -> Answer:
    port, prefix = door.base(route)
    return ask(port, raw or post(target=prefix + b"/score"))


@contextmanager
def asking(door: Door, route: EndpointRoute, count: int) -> Iterator[list[Caller]]:
    """So many callers whose requests are on their way."""
    port, prefix = door.base(route)
    with ExitStack() as stack:
        callers = [stack.enter_context(caller(port)) for _ in range(count)]
        for one in callers:
            one.send(post(target=prefix + b"/score"))
        yield callers


# How many are let in.


@pytest.mark.row("concurrency.admitted_factor", "concurrency.too_many", "concurrency.too_many_reason")
@pytest.mark.parametrize(("max_concurrent", "instances"), [(1, 1), (2, 1), (1, 2), (3, 2)])
def test_managed_lets_in_twice_what_its_instances_take(door: Door, max_concurrent: int, instances: int) -> None:
    """Row concurrency.admitted_factor: 2 * max_concurrent_requests_per_instance * instance_count, and 429 beyond."""
    with ExitStack() as stack:
        pairs = [stack.enter_context(held()) for _ in range(instances)]
        route = serve(door, *(upstream for _, upstream in pairs), max_concurrent=max_concurrent)
        bound = 2 * max_concurrent * instances
        with asking(door, route, bound) as callers:
            eventually(lambda: sum(state.busy for state, _ in pairs) == bound)
            for _ in range(3):
                answer = ask_endpoint(door, route)
                assert (answer.status, answer.body) == (429, b"")
                assert answer.all("ms-azureml-model-error-reason") == ["too_many_pending_request"]
                assert answer.all("content-type") == ["text/plain"]
            for state, _ in pairs:
                state.release.set()
            assert [one.answer().status for one in callers] == [200] * bound
        assert ask_endpoint(door, route).status == 200  # whoever has left makes room


@pytest.mark.row("concurrency.default")
@every_target
def test_one_request_at_a_time_unless_it_is_said(door: Door, target: Target) -> None:
    assert profile_of(target).scoring.default_max_concurrent == 1


@pytest.mark.row("concurrency.queues")
@every_target
def test_where_requests_wait(door: Door, target: Target) -> None:
    """In the front door of Kubernetes and AKS; in the container everywhere else, as far as they are let in."""
    with held() as (state, upstream):
        route = serve(door, upstream, target=target, queue_wait_ms=10_000)
        with asking(door, route, 2) as callers:
            eventually(lambda: state.busy == (1 if target in QUEUEING else 2))
            time.sleep(0.1)
            assert state.busy == (1 if target in QUEUEING else 2)
            state.release.set()
            assert [one.answer().status for one in callers] == [200, 200]
        assert state.most == (1 if target in QUEUEING else 2)


@pytest.mark.row("concurrency.queue_wait_ms", "concurrency.overloaded")
@pytest.mark.parametrize("target", QUEUEING)
def test_a_queue_that_is_too_slow(door: Door, target: Target) -> None:
    assert profile_of(target).scoring.default_queue_wait_ms == 500
    with held() as (state, upstream):
        route = serve(door, upstream, target=target, queue_wait_ms=200)
        with asking(door, route, 1) as (first,):
            eventually(lambda: state.busy == 1)
            began = time.monotonic()
            answer = ask_endpoint(door, route)
            waited = time.monotonic() - began
            assert (answer.status, answer.body) == (503, b"Too many requests for service iris (overloaded)")
            assert 0.2 <= waited < 2
            state.release.set()
            assert first.answer().status == 200


@pytest.mark.row("concurrency.queue_wait_ms")
@pytest.mark.parametrize("target", ["managed", "aci", "local"])
def test_no_queue_wait_where_there_is_no_queue(door: Door, target: Target) -> None:
    assert profile_of(target).scoring.default_queue_wait_ms is None


@pytest.mark.parametrize("target", QUEUEING)
def test_queued_requests_are_served_in_order(door: Door, target: Target) -> None:
    with held() as (state, upstream):
        route = serve(door, upstream, target=target, queue_wait_ms=10_000)
        port, prefix = door.base(route)
        with ExitStack() as stack:
            callers = []
            for number in range(5):
                one = stack.enter_context(caller(port))
                one.send(post(b"%d" % number, target=prefix + b"/score"))
                callers.append(one)
                time.sleep(0.02)
            state.release.set()
            assert [one.answer().status for one in callers] == [200] * 5
        assert [received.body for received in upstream.received] == [b"%d" % number for number in range(5)]


@pytest.mark.parametrize("target", QUEUEING)
def test_a_caller_that_leaves_the_queue_leaves_nothing(door: Door, target: Target) -> None:
    with held() as (state, upstream):
        route = serve(door, upstream, target=target, queue_wait_ms=10_000)
        with asking(door, route, 1) as (first,):
            eventually(lambda: state.busy == 1)
            with asking(door, route, 1):
                time.sleep(0.05)
            eventually(lambda: [line["ResponseCode"] for _, line in door.lines] == [499])
            state.release.set()
            assert first.answer().status == 200
        assert len(upstream.received) == 1
        eventually(lambda: door.gateway.waiting("iris", "blue") == 0)


@pytest.mark.parametrize("target", QUEUEING)
def test_an_instance_that_comes_takes_from_the_queue(door: Door, target: Target) -> None:
    """A deploy while requests wait: the new instance serves them, the old one is not waited for."""
    with held() as (state, old), container() as new:
        route = serve(door, old, target=target, queue_wait_ms=10_000)
        with asking(door, route, 2) as (_, second):
            eventually(lambda: state.busy == 1)
            blue = DeploymentRoute("blue", 100, (Instance("new", "127.0.0.1", new.port),), queue_wait_ms=10_000)
            door.put(blue, target=target, port=route.port)
            assert second.answer().status == 200
        assert len(new.received) == 1


@pytest.mark.row("concurrency.least_busy")
@every_target
def test_the_instance_with_the_fewest_requests_is_asked(door: Door, target: Target) -> None:
    with ExitStack() as stack:
        pairs = [stack.enter_context(held()) for _ in range(3)]
        route = serve(door, *(upstream for _, upstream in pairs), target=target, max_concurrent=4, queue_wait_ms=9_000)
        with asking(door, route, 9) as callers:
            eventually(lambda: sum(state.busy for state, _ in pairs) == 9)
            assert [state.busy for state, _ in pairs] == [3, 3, 3]
            for state, _ in pairs:
                state.release.set()
            assert {one.answer().status for one in callers} == {200}


def test_a_thousand_callers_are_counted_exactly(door: Door) -> None:
    """Whatever the order of a thousand requests, never more than the bound is inside, and nothing stays counted."""
    bound = 2 * 5 * 2
    with ExitStack() as stack:
        pairs = [stack.enter_context(held()) for _ in range(2)]
        route = serve(door, *(upstream for _, upstream in pairs), max_concurrent=5)
        pool = stack.enter_context(ThreadPoolExecutor(100))
        answers = [pool.submit(ask_endpoint, door, route) for _ in range(1000)]
        refused = 1000 - bound
        eventually(lambda: sum(answer.done() for answer in answers) == refused, 60)
        assert sum(state.busy for state, _ in pairs) == bound
        for state, _ in pairs:
            state.release.set()
        assert Counter(answer.result().status for answer in answers) == {200: bound, 429: refused}
        assert sum(state.most for state, _ in pairs) == bound
        eventually(lambda: door.gateway.admitted("iris", "blue") == 0)
        assert ask_endpoint(door, route).status == 200


def test_a_full_endpoint_does_not_slow_another(door: Door) -> None:
    """100 parallel calls that hang on one endpoint; the median of the other stays what it was."""

    def median_ms() -> float:
        taken = []
        with caller(other.port) as one:
            for _ in range(200):
                began = time.perf_counter()
                one.send(post())
                assert one.answer().status == 200
                taken.append(time.perf_counter() - began)
        return statistics.median(taken) * 1000

    with held() as (state, slow), container() as quick:
        busy = serve(door, slow, max_concurrent=50)
        other = serve(door, quick, name="other")
        before = median_ms()
        with asking(door, busy, 100) as callers:
            eventually(lambda: state.busy == 100)
            assert ask_endpoint(door, busy).status == 429
            assert median_ms() < 3 * before + 1
            state.release.set()
            assert {one.answer().status for one in callers} == {200}


# How long it may take.


@pytest.mark.row("timeouts.default_ms", "timeouts.longest_ms")
@pytest.mark.parametrize(
    ("target", "default", "longest"),
    [
        ("managed", 5_000, 180_000),
        ("kubernetes", 5_000, 300_000),
        ("aks", 60_000, 300_000),
        ("aci", 60_000, 60_000),
        ("local", None, None),
    ],
)
def test_the_bounds_of_a_time_out(target: Target, default: int | None, longest: int | None) -> None:
    scoring = profile_of(target).scoring
    assert (scoring.default_timeout_ms, scoring.longest_timeout_ms) == (default, longest)


@pytest.mark.row("timeouts.answer")
@pytest.mark.parametrize("target", ["managed", "kubernetes", "aks", "aci"])
def test_a_container_that_takes_too_long(door: Door, target: Target) -> None:
    with held() as (_, upstream):
        route = serve(door, upstream, target=target, timeout_ms=200)
        began = time.monotonic()
        answer = ask_endpoint(door, route)
        assert 0.2 <= time.monotonic() - began < 2
        text = b"Post http://localhost:5001/score" if target == "aci" else b"upstream request timeout"
        assert answer.status == (408 if target == "managed" else 504)
        assert answer.body.startswith(text)
        line = door.line()
        assert (line["ResponseCodeReason"], line["ModelStatusCode"]) == ("timeouts.answer", None)
        assert line["TotalDurationMs"] >= 199


@pytest.mark.row("timeouts.answer")
def test_local_waits_for_ever(door: Door) -> None:
    with held() as (state, upstream):
        route = serve(door, upstream, target="local", timeout_ms=None)
        with asking(door, route, 1) as (one,):
            time.sleep(0.4)
            state.release.set()
            assert one.answer().status == 200


@pytest.mark.row("timeouts.includes_queue")
@pytest.mark.parametrize("target", QUEUEING)
def test_the_time_in_the_queue_counts(door: Door, target: Target) -> None:
    """The second request waits 0.3 s of its 0.5 s, so 0.2 s are left for the container."""
    with held() as (state, upstream):
        route = serve(door, upstream, target=target, timeout_ms=500, queue_wait_ms=5_000)
        with asking(door, route, 1):
            eventually(lambda: state.busy == 1)
            time.sleep(0.2)
            began = time.monotonic()
            answer = ask_endpoint(door, route)
            assert answer.status == 504
            assert 0.5 <= time.monotonic() - began < 0.75


@pytest.mark.row("timeouts.container_goes_on")
@every_target
def test_the_container_works_on_an_abandoned_request(door: Door, target: Target) -> None:
    """It is told nothing, finishes, and may answer; the front door shows how many such requests there are."""
    with held() as (state, upstream):
        route = serve(door, upstream, target=target, timeout_ms=None if target == "local" else 100)
        with asking(door, route, 1) as (one,):
            eventually(lambda: state.busy == 1)
            if target != "local":
                assert one.answer().status in (408, 504)
        eventually(lambda: door.gateway.abandoned("iris", "blue") == 1)
        assert state.busy == 1
        assert door.gateway.admitted("iris", "blue") == 0
        state.release.set()
        eventually(lambda: door.gateway.abandoned("iris", "blue") == 0)
        assert state.busy == 0
        if target != "local":
            assert "goes on with this request" in door.line()["Warning"]


def test_the_callers_connection_outlives_a_time_out(door: Door) -> None:
    with held() as (state, upstream):
        route = serve(door, upstream, timeout_ms=100, max_concurrent=5)
        with caller(route.port) as one:
            one.send(post())
            assert one.answer().status == 408
            state.release.set()
            one.send(post())
            assert one.answer().status == 200


def test_a_body_that_comes_too_slowly_is_timed_out(door: Door) -> None:
    with container() as upstream:
        route = serve(door, upstream, timeout_ms=150)
        with caller(route.port) as one:
            one.send(post(b"x" * 10)[:-5])
            answer = one.answer()
            assert (answer.status, answer.all("connection")) == (408, ["close"])
            assert one.is_closed()
        eventually(lambda: door.gateway.admitted("iris", "blue") == 0)


@pytest.mark.row("timeouts.cuts_streams")
@pytest.mark.parametrize("target", ["managed", "kubernetes", "aks", "aci"])
def test_a_stream_is_cut_when_its_time_is_over(door: Door, target: Target) -> None:
    ended = threading.Event()

    def script(conversation: Conversation, received: Received) -> bool:
        conversation.read_body(received)
        conversation.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        conversation.sock.settimeout(10)
        ended.set() if conversation.sock.recv(1) == b"" else None
        return False

    with container(script) as upstream:
        port, prefix = door.base(serve(door, upstream, target=target, timeout_ms=300))
        with closing(Caller(port)) as one:
            one.send(post(target=prefix + b"/score"))
            one.read_until(b"1\r\na\r\n")
            began = time.monotonic()
            rest = _rest(one)
            assert rest == b""  # no last chunk: nobody can take it for whole
            assert time.monotonic() - began < 2
        assert ended.wait(5)
        assert door.line()["ResponseCodeReason"] == "timeouts.cuts_streams"


def _rest(one: Caller) -> bytes:
    try:
        return one.file.read()
    except ConnectionResetError:
        return b""
