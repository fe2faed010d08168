"""`/_amlemu/metrics` of the control port, read back with Prometheus' own parser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from core_support import House
from prometheus_client.parser import text_string_to_metric_families
from served import Served

from emulator.profiles import profile_of, rows
from emulator.routing.metrics import Answered, EndpointMetrics, Window

LABELS = ("endpoint", "deployment", "status_code", "status_code_class", "model_status_code", "state")
NAMES = frozenset(profile_of("managed").logs.metrics)


@pytest.fixture
def served(house: House) -> Iterator[Served]:
    one = Served(house)
    yield one
    one.end()


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Every value by its name and the values of its labels, in the order of LABELS."""
    return {
        (sample.name, *(sample.labels[label] for label in LABELS if label in sample.labels)): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.row("metrics.names")
def test_the_metrics(served: Served) -> None:
    served.house.deploy(instance_count=2)
    window = Window()
    for latency in (10.0, 20.0, 30.0, 40.0):
        window.add(100.0, Answered("blue", 200, 200), latency, 5)
    window.add(101.0, Answered("blue", 424, 500), 50.0, 5)
    minute = window.minute(110.0)
    served.metrics = [EndpointMetrics("iris", minute, 3, 0.5, {"blue": 2}, {"blue": 1}, NAMES)]
    answer = served.ask("GET", "//_amlemu/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = samples(answer.text)
    assert found == {
        ("requests_per_minute", "iris", "blue", "200", "2xx", "200"): 4,
        ("requests_per_minute", "iris", "blue", "424", "4xx", "500"): 1,
        ("request_latency", "iris", "blue"): 30,
        ("request_latency_p50", "iris", "blue"): 30,
        ("request_latency_p90", "iris", "blue"): 50,
        ("request_latency_p95", "iris", "blue"): 50,
        ("request_latency_p99", "iris", "blue"): 50,
        ("connections_active", "iris"): 3,
        ("new_connections_per_second", "iris"): 0.5,
        ("network_bytes", "iris"): 25,
        ("deployment_capacity", "iris", "blue", "Ready"): 2,
        ("deployment_capacity", "iris", "blue", "NotReady"): 0,
        ("deployment_capacity", "iris", "blue", "BackOff"): 0,
        ("amlemu_requests_in_flight", "iris", "blue"): 2,
        ("amlemu_requests_abandoned", "iris", "blue"): 1,
    }
    (row,) = (row for row in rows() if row.id == "metrics.names")
    of_use = {name for name in row.facts["managed"].value if name.startswith(("cpu_", "gpu_", "disk_"))}
    assert {name for name, *_ in found if not name.startswith("amlemu_")} | of_use == set(row.facts["managed"].value)


@pytest.mark.row("metrics.names")
def test_an_endpoint_has_the_metrics_of_its_target(served: Served) -> None:
    """Beside amlemu's own, which imitate nothing."""
    for name in ("iris", "pets"):
        served.house.deploy(name)
    window = Window()
    window.add(100.0, Answered("blue", 200, 200), 10.0, 5)
    fewer = frozenset({"requests_per_minute", "request_latency_p99"})
    served.metrics = [
        EndpointMetrics(endpoint, window.minute(110.0), 1, 0.5, {"blue": 2}, {"blue": 1}, names)
        for endpoint, names in (("iris", NAMES), ("pets", fewer))
    ]
    found = samples(served.ask("GET", "//_amlemu/metrics").text)
    by_endpoint = {
        name: {metric for metric, endpoint, *_ in found if endpoint == name and not metric.startswith("amlemu_")}
        for name in ("iris", "pets")
    }
    of_use = {name for name in NAMES if name.startswith(("cpu_", "gpu_", "disk_"))}  # these containers tell of none
    assert by_endpoint == {"iris": NAMES - of_use, "pets": fewer}
    assert found["amlemu_requests_in_flight", "pets", "blue"] == 2


def test_nothing_is_measured_yet(served: Served) -> None:
    assert samples(served.ask("GET", "//_amlemu/metrics").text) == {}
