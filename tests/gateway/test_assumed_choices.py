"""What the settings may choose instead of what is assumed: the other behaviour, over the wire."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from gateway_support import (
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
    post,
)

from emulator.entities import Target
from emulator.profiles import overridden, profile_of
from emulator.routes import DeploymentRoute, EndpointRoute, Instance

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
