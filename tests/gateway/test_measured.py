"""What the gateway knows of its endpoints."""

from __future__ import annotations

from gateway_support import Door, ask, caller, container, eventually, get, post


def test_the_metrics_of_an_endpoint(door: Door) -> None:
    with container() as upstream, caller(door.serve(upstream.port).port) as one:
        for _ in range(3):
            one.send(post(b"12345"))
            size = len(one.answer().body)
        one.send(get(headers=b""))
        refused = len(one.answer().body)
        eventually(lambda: len(door.lines) == 4)
        (metrics,) = door.gateway.metrics()
        counts = {(a.deployment, a.status, a.model_status): n for a, n in metrics.minute.answered.items()}
        assert counts == {("blue", 200, 200): 3, ("", 401, None): 1}
        assert len(metrics.minute.latencies["blue"]) == 3
        assert metrics.minute.network_bytes >= 3 * (5 + size) - 10 + refused
        assert (metrics.connections_active, metrics.in_flight, metrics.abandoned) == (1, {"blue": 0}, {"blue": 0})
        assert metrics.new_connections_per_second > 0


def test_a_removed_endpoint_is_forgotten(door: Door) -> None:
    with container() as upstream:
        ask(door.serve(upstream.port).port, post())
        eventually(lambda: len(door.lines) == 1)
        door.gateway.remove("iris")
        assert door.gateway.metrics() == []
