"""Endpoints come, change and go while requests run."""

from __future__ import annotations

import socket
import threading
from contextlib import closing
from typing import Any

import pytest
from gateway_support import Conversation, Door, Received, answering, ask, caller, container, eventually, free_port, post

from emulator.entities import Target
from emulator.errors import BadArgument
from emulator.gateway import Gateway
from emulator.routing.routes import DeploymentRoute, Instance

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def nothing(_endpoint: str, _line: dict[str, Any]) -> None:
    pass


def test_two_endpoints(door: Door) -> None:
    with (
        container(answering(OK.replace(b"{}", b"11"))) as first,
        container(answering(OK.replace(b"{}", b"22"))) as second,
    ):
        one = door.serve(first.port, name="one", keys=("key-of-one",))
        two = door.serve(second.port, name="two", keys=("key-of-two",))
        for route, key, body in ((one, b"key-of-one", b"11"), (two, b"key-of-two", b"22")):
            mine = post().replace(b"primary-key", key)
            assert ask(route.port, mine).body == body
        assert ask(two.port, post().replace(b"primary-key", b"key-of-one")).status == 401


def test_keys_change_without_a_new_connection(door: Door) -> None:
    with container() as upstream:
        route = door.serve(upstream.port)
        with caller(route.port) as one:
            one.send(post())
            assert one.answer().status == 200
            door.serve(upstream.port, port=route.port, keys=("new-key",))
            one.send(post())
            assert one.answer().status == 401
            one.send(post().replace(b"primary-key", b"new-key"))
            assert one.answer().status == 200


@pytest.mark.row("deployment.serves_while_updating")
@pytest.mark.parametrize("target", ["managed", "kubernetes", "aks", "aci", "local"])
def test_replacing_a_route_under_load_drops_nothing(door: Door, target: Target) -> None:
    stop = threading.Event()
    statuses: list[int] = []

    def load(port: int, prefix: bytes) -> None:
        with caller(port) as one:
            while not stop.is_set():
                one.send(post(target=prefix + b"/score"))
                statuses.append(one.answer().status)

    with container(answering(OK, keep=True)) as first, container(answering(OK, keep=True)) as second:
        route = door.serve(first.port, target=target)
        threads = [threading.Thread(target=load, args=door.base(route)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for number in range(40):
            upstream = (second, first)[number % 2]
            instance = f"iris-blue-{(first, second)[number % 2].port}"
            door.serve(upstream.port, port=route.port, target=target)
            assert door.gateway.drain(instance, 5.0)
        stop.set()
        for thread in threads:
            thread.join()
        assert set(statuses) == {200}
        assert len(first.received) + len(second.received) == len(statuses)
        assert min(len(first.received), len(second.received)) > 0


def test_a_running_request_ends_on_the_route_it_began_with(door: Door) -> None:
    going_on = threading.Event()

    def slow(conversation: Conversation, received: Received) -> bool:
        going_on.wait(10)
        conversation.send(OK.replace(b"{}", b"11"))
        return True

    with container(slow) as old, container(answering(OK.replace(b"{}", b"22"))) as new:
        route = door.serve(old.port)
        instance = route.deployments[0].instances[0].id
        with caller(route.port) as one:
            one.send(post(b""))
            eventually(lambda: door.gateway.in_flight(instance) == 1)
            door.serve(new.port, port=route.port)
            assert ask(route.port, post()).body == b"22"
            assert not door.gateway.drain(instance, 0.05)
            going_on.set()
            assert one.answer().body == b"11"
            assert door.gateway.drain(instance, 5.0)
            eventually(lambda: old.open_connections == 0)


def test_an_instance_may_come_back_at_another_address(door: Door) -> None:
    with container(answering(OK.replace(b"{}", b"11"), keep=True)) as old:
        route = door.put(DeploymentRoute("blue", 100, (Instance("one", "127.0.0.1", old.port),)))
        assert ask(route.port, post()).body == b"11"
        with container(answering(OK.replace(b"{}", b"22"))) as new:
            door.put(DeploymentRoute("blue", 100, (Instance("one", "127.0.0.1", new.port),)), port=route.port)
            assert ask(route.port, post()).body == b"22"


def test_a_container_with_a_host_name(door: Door) -> None:
    with container() as upstream:
        route = door.put(DeploymentRoute("blue", 100, (Instance("one", "localhost", upstream.port),)))
        assert ask(route.port, post(b"named")).json()["body"] == "named"


def test_a_host_name_that_does_not_resolve(door: Door) -> None:
    route = door.put(DeploymentRoute("blue", 100, (Instance("one", "no-such-host.invalid", 1),)))
    assert ask(route.port, post()).status == 424


def test_a_removed_endpoint_gives_its_port_back(door: Door) -> None:
    with container() as upstream:
        route = door.serve(upstream.port)
        with caller(route.port) as idle:
            idle.send(post())
            assert idle.answer().status == 200
            door.gateway.remove("iris")
            assert idle.is_closed()
        with pytest.raises(ConnectionRefusedError):
            ask(route.port, post())
        door.gateway.check_port(route.port)
        again = door.serve(upstream.port, name="other", port=route.port)
        assert ask(again.port, post()).status == 200


def test_a_removed_endpoint_on_the_shared_port(door: Door) -> None:
    with container() as upstream:
        port, prefix = door.base(door.serve(upstream.port, target="aks"))
        assert ask(port, post(target=prefix + b"/score")).status == 200
        door.gateway.remove("iris")
        assert ask(port, post(target=prefix + b"/score")).status == 404


def test_removing_waits_for_what_runs(door: Door) -> None:
    def slow(conversation: Conversation, received: Received) -> bool:
        threading.Event().wait(0.3)
        conversation.send(OK)
        return True

    with container(slow) as upstream:
        route = door.serve(upstream.port)
        with caller(route.port) as one:
            one.send(post(b""))
            eventually(lambda: len(upstream.received) == 1)
            door.gateway.remove("iris")
            assert one.answer().status == 200


def test_removing_an_unknown_endpoint_does_nothing(door: Door) -> None:
    door.gateway.remove("iris")


def test_an_endpoint_may_move_to_another_port_and_target(door: Door) -> None:
    with container() as upstream:
        first = door.serve(upstream.port)
        second = door.serve(upstream.port)
        assert first.port != second.port
        assert ask(second.port, post()).status == 200
        with pytest.raises(ConnectionRefusedError):
            ask(first.port, post())
        port, prefix = door.base(door.serve(upstream.port, target="kubernetes"))
        assert ask(port, post(target=prefix + b"/score")).status == 200
        with pytest.raises(ConnectionRefusedError):
            ask(second.port, post())


def test_a_port_in_use(door: Door) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken, container() as upstream:
        port = taken.getsockname()[1]
        for attempt in (lambda: door.serve(upstream.port, port=port), lambda: door.gateway.check_port(port)):
            with pytest.raises(BadArgument, match=f"port {port} of 127.0.0.1 cannot be used"):
                attempt()
    door.gateway.check_port(port)
    assert door.serve(port=port).port == port


def test_a_port_of_another_endpoint(door: Door) -> None:
    with container() as upstream:
        route = door.serve(upstream.port)
        with pytest.raises(BadArgument) as caught:
            door.serve(upstream.port, name="other", port=route.port)
        assert caught.value.target == "endpoint other"
        assert ask(route.port, post()).status == 200


def test_a_shared_port_in_use() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        gateway = Gateway("127.0.0.1", taken.getsockname()[1], nothing)
        with pytest.raises(BadArgument, match="cannot be used"):
            gateway.start()
        gateway.stop(1.0)


def test_stopping_waits_for_what_runs_and_closes_every_port() -> None:
    door = Door(Gateway("127.0.0.1", free_port(), nothing))
    door.gateway.start()
    going_on = threading.Event()

    def slow(conversation: Conversation, received: Received) -> bool:
        going_on.wait(10)
        conversation.send(OK)
        return True

    with container(slow) as upstream:
        route = door.serve(upstream.port)
        shared = door.gateway.shared_port
        with caller(route.port) as one, caller(route.port) as idle:
            one.send(post(b""))
            eventually(lambda: len(upstream.received) == 1)
            stopping = threading.Thread(target=door.gateway.stop, args=(10.0,))
            stopping.start()
            going_on.set()
            assert one.answer().status == 200
            stopping.join(10)
            assert not stopping.is_alive()
            assert idle.is_closed()
        for port in (route.port, shared):
            with pytest.raises(ConnectionRefusedError):
                ask(port, post())


def test_stopping_cuts_what_outlasts_the_grace() -> None:
    door = Door(Gateway("127.0.0.1", 0, nothing))
    door.gateway.start()

    def stuck(conversation: Conversation, received: Received) -> bool:
        return conversation.sock.recv(1) != b""

    with container(stuck) as upstream:
        with caller(door.serve(upstream.port).port) as one:
            one.send(post(b""))
            eventually(lambda: len(upstream.received) == 1)
            door.gateway.stop(0.1)
            assert one.is_closed()
        eventually(lambda: upstream.open_connections == 0)


def test_stopping_twice_or_before_starting_is_no_error() -> None:
    gateway = Gateway("127.0.0.1", 0, nothing)
    gateway.stop(1.0)
    gateway = Gateway("127.0.0.1", 0, nothing)
    gateway.start()
    gateway.stop(1.0)
    gateway.stop(1.0)
