"""Weights, and copies of requests."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from gateway_support import (
    AUTHORIZED,
    KEYS,
    PLENTY,
    Container,
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
from emulator.gateway import Gateway
from emulator.profiles import profile_of
from emulator.routing.routes import DeploymentRoute, EndpointRoute, Instance
from emulator.routing.traffic import choose_deployment

NAMED = b"azureml-model-deployment: %s\r\n"


def deployment(name: str, weight: int, upstream: Container) -> DeploymentRoute:
    instances = (Instance(f"{name}-{upstream.port}", "127.0.0.1", upstream.port),)
    return DeploymentRoute(name, weight, instances, max_concurrent=PLENTY)


def mirroring(gateway: Gateway, blue: Container, green: Container, percent: int, target: Target = "managed") -> int:
    deployments = (deployment("blue", 100, blue), deployment("green", 0, green))
    route = EndpointRoute("iris", free_port(), profile_of(target), KEYS, deployments, mirror=(("green", percent),))
    gateway.put(route)
    return route.port


@contextmanager
def seeded(seed: int) -> Iterator[Door]:
    """A gateway whose chances can be repeated."""
    lines: list[tuple[str, dict[str, Any]]] = []
    gateway = Gateway("127.0.0.1", 0, lambda name, line: lines.append((name, line)), random.Random(seed).random)
    gateway.start()
    try:
        yield Door(gateway, lines)
    finally:
        gateway.stop(2.0)


@pytest.mark.row("traffic.per_request")
@pytest.mark.parametrize("target", ["managed", "kubernetes"])
def test_ten_thousand_requests_are_split_by_weight(target: Target) -> None:
    """Within a point of the weights, each request for itself, also on one connection; the same again by the seed."""
    splits = []
    for _ in range(2):
        with seeded(7) as door, container() as blue, container() as green:
            route = door.put(deployment("blue", 70, blue), deployment("green", 30, green), target=target)
            port, prefix = door.base(route)
            raw = post(b"", target=prefix + b"/score")
            with caller(port) as one:
                for _ in range(100):
                    one.send(raw * 50)
                    assert all(one.answer().status == 200 for _ in range(50))
            splits.append((len(blue.received), len(green.received)))
    assert splits[0] == splits[1]
    assert sum(splits[0]) == 5000
    assert abs(splits[0][1] / 50 - 30) <= 1.5


@pytest.mark.row("traffic.per_request")
@pytest.mark.parametrize("target", ["aks", "aci", "local"])
def test_one_deployment_gets_everything(target: Target) -> None:
    with seeded(1) as door, container() as blue:
        port, prefix = door.base(door.put(deployment("blue", 100, blue), target=target))
        for _ in range(20):
            assert ask(port, post(target=prefix + b"/score")).status == 200
        assert len(blue.received) == 20


def test_ten_thousand_choices_are_within_a_point() -> None:
    draw = random.Random(3).random
    for weights in ({"blue": 90, "green": 10}, {"blue": 50, "green": 50}, {"a": 1, "b": 33, "c": 66}):
        chosen = Counter(choose_deployment(weights, draw()) for _ in range(10_000))
        for name, weight in weights.items():
            assert abs(chosen[name] / 100 - weight) <= 1


@pytest.mark.row("traffic.zero_weight", "traffic.header_not_mirrored")
def test_the_header_reaches_a_deployment_without_traffic_and_is_not_mirrored() -> None:
    with seeded(1) as door, container() as blue, container() as green:
        port = mirroring(door.gateway, blue, green, 50)
        for _ in range(40):
            assert ask(port, post(headers=NAMED % b"blue")).status == 200
        time.sleep(0.1)
        assert (len(blue.received), len(green.received)) == (40, 0)
        answer = ask(port, post(headers=NAMED % b"green"))
        assert answer.all("azureml-model-deployment") == ["green"]
        assert len(green.received) == 1


@pytest.mark.row("traffic.zero_weight", "traffic.header_not_mirrored", "traffic.mirror_unseen")
@pytest.mark.parametrize("target", ["aks", "aci", "local"])
def test_v1_knows_no_such_header(target: Target) -> None:
    with seeded(1) as door, container() as blue, container() as green:
        port, prefix = door.base(door.put(deployment("blue", 100, blue), deployment("green", 0, green), target=target))
        assert ask(port, post(target=prefix + b"/score", headers=NAMED % b"green")).status == 200
        assert (len(blue.received), len(green.received)) == (1, 0)


@pytest.mark.row("traffic.mirror_unseen")
def test_the_share_of_copies() -> None:
    with seeded(5) as door, container() as blue, container(answering(b"HTTP/1.1 500 X\r\n\r\n")) as green:
        port = mirroring(door.gateway, blue, green, 20)
        with caller(port) as one:
            for number in range(1000):
                one.send(post(b"%d" % number))
                answer = one.answer()
                assert (answer.status, answer.json()["body"]) == (200, str(number))
                assert answer.all("azureml-model-deployment") == ["blue"]
        eventually(lambda: door.gateway.admitted("iris", "green") == 0)
        eventually(lambda: len(door.lines) == 1000 + len(green.received))
        assert 150 < len(green.received) < 250
        sent = {received.body for received in blue.received}
        assert {received.body for received in green.received} <= sent
        copies = [line for _, line in door.lines if line.get("Mirrored")]
        assert {(line["DeploymentName"], line["ModelStatusCode"]) for line in copies} == {("green", 500)}
        assert len(copies) == len(green.received)


@pytest.mark.row("traffic.mirror_unseen")
@pytest.mark.parametrize("fault", ["slow", "dead", "gone"])
def test_a_mirror_does_not_delay_requests(fault: str) -> None:
    hanging = threading.Event()

    def script(conversation: Conversation, received: Received) -> bool:
        if fault == "slow":
            hanging.wait(20)
        return False

    with seeded(5) as door, container() as blue, container(script) as green:
        if fault == "gone":
            green.port = free_port()
        port = mirroring(door.gateway, blue, green, 50)
        began = time.monotonic()
        assert [ask(port, post()).status for _ in range(50)] == [200] * 50
        assert time.monotonic() - began < 5
        hanging.set()


def test_a_body_in_pieces_is_copied_whole() -> None:
    with seeded(2) as door, container() as blue, container() as green:
        port = mirroring(door.gateway, blue, green, 100)
        body = bytes(range(256)) * 4000
        raw = post(body)
        with caller(port) as one:
            for start in range(0, len(raw), 100_000):
                one.send(raw[start : start + 100_000])
                time.sleep(0.01)
            assert one.answer().status == 200
        eventually(lambda: bool(green.received) and green.received[0].body == body)
        assert green.received[0].all("Authorization") == blue.received[0].all("Authorization")
        own = [one.received[0].all("x-request-id") for one in (blue, green)]
        assert own[0] != own[1]


def test_the_gateway_stops_with_a_copy_in_flight() -> None:
    """The copy's connection has no caller whose end would close it; a loop does not close with open connections."""
    stopped = threading.Event()

    def script(conversation: Conversation, received: Received) -> bool:
        stopped.wait(20)
        return False

    with container() as blue, container(script) as green:
        with seeded(2) as door:
            port = mirroring(door.gateway, blue, green, 100)
            assert [ask(port, post()).status for _ in range(5)] == [200] * 5
            eventually(lambda: len(green.received) == 5)
        stopped.set()


def test_a_copy_of_a_body_that_breaks_off_goes_nowhere() -> None:
    with seeded(2) as door, container() as blue, container() as green:
        port = mirroring(door.gateway, blue, green, 100)
        with caller(port) as one:
            one.send(post(b"x" * 100_000)[:50_000])
            time.sleep(0.1)
        eventually(lambda: {line["ResponseCode"] for _, line in door.lines} == {400, 499} or len(door.lines) == 2)
        eventually(lambda: blue.open_connections == green.open_connections == 0)


def test_authorization_is_asked_before_anything_is_copied() -> None:
    with seeded(2) as door, container() as blue, container() as green:
        port = mirroring(door.gateway, blue, green, 100)
        assert ask(port, post().replace(AUTHORIZED, b"Authorization: Bearer no\r\n")).status == 401
        time.sleep(0.05)
        assert (blue.received, green.received) == ([], [])
