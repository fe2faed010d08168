"""What instances use, measured on a clock of the test's own, and as `/_amlemu/metrics` tells it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from core_support import ADMIN, House
from prometheus_client.parser import text_string_to_metric_families
from served import serving

from emulator.containers.usage import Gpu, Usage
from emulator.profiles import rows
from emulator.workspace import Effects, Workspace, WorkspaceConfig
from emulator.workspace.health.resource_usage import GpuUsage

GIB = 2**30


def use(house: House, instance: int = 0, **changes: float | int | None) -> None:
    """What that instance says when it is asked the next time."""
    (container, *_) = house.running()[instance:]
    before = house.engine.uses.get(container.id, Usage(0.0, 0))
    house.engine.uses[container.id] = replace(before, **changes)  # type: ignore[arg-type]


def with_gpus(house: House, gpus: list[Gpu]) -> None:
    """The house on a machine with these GPUs, which the list may replace."""
    house.effects = Effects(**{**vars(house.effects), "gpus": lambda: tuple(gpus)})
    config = WorkspaceConfig("launcher", admin_token=ADMIN, max_upload_bytes=1, endpoint_ports=house.ports)
    house.workspace = Workspace(house.store, house.engine, house.gateway, house.effects, config)


def test_processors_since_the_start_and_since_the_last_time(house: House) -> None:
    house.deploy(instance_type="Standard_DS2_v2")
    started = house.effects.monotonic()
    house.effects.sleep(10)
    use(house, cpu_seconds=5.0)
    since_start = 100 * 5 / (house.effects.monotonic() - 0) / 2
    (first,) = house.workspace.resource_usage.measure()
    assert first.cpu_percent is not None
    assert since_start <= first.cpu_percent <= 100 * 5 / (house.effects.monotonic() - started) / 2
    house.effects.sleep(10)
    use(house, cpu_seconds=15.0)
    assert house.workspace.resource_usage.measure()[0].cpu_percent == pytest.approx(50.0), "10 s of 10 s on two cores"
    house.effects.sleep(10)
    assert house.workspace.resource_usage.measure()[0].cpu_percent == 0.0


def test_two_scrapes_at_the_same_time_see_the_same(house: House) -> None:
    house.deploy()
    house.workspace.resource_usage.measure()
    use(house, cpu_seconds=0.0)
    house.effects.sleep(10)
    house.workspace.resource_usage.measure()
    house.effects.sleep(10)
    use(house, cpu_seconds=8.0)
    (first,) = house.workspace.resource_usage.measure()
    assert first.cpu_percent == pytest.approx(10.0), "0.8 of the machine's 8 cores"
    house.effects.sleep(0.5)
    (second,) = house.workspace.resource_usage.measure()
    assert second.cpu_percent == pytest.approx(8 / 10.5 / 8 * 100), "half a second is too short to measure anything"


def test_memory_in_percent_of_the_limit(house: House) -> None:
    house.deploy()
    use(house, memory_bytes=4 * GIB)
    assert house.workspace.resource_usage.measure()[0].memory_percent == 25.0, "of the machine's 16 GiB"
    use(house, memory_limit_bytes=8 * GIB)
    assert house.workspace.resource_usage.measure()[0].memory_percent == 50.0
    house.deploy(endpoint="pets", instance_type="Standard_F4s_v2")
    use(house, instance=1, memory_bytes=2 * GIB)
    (_, pets) = house.workspace.resource_usage.measure()
    assert (pets.endpoint, pets.memory_percent) == ("pets", 25.0), "of the type's, also where it is not enforced"


def test_each_instance_by_its_name(house: House) -> None:
    house.deploy(instance_count=2)
    for instance in (0, 1):
        use(house, instance, memory_bytes=instance * GIB, disk_percent=12.5)
    found = house.workspace.resource_usage.measure()
    assert [(u.endpoint, u.deployment, u.instance) for u in found] == [
        ("iris", "blue", container.name) for container in house.running()
    ]
    assert house.engine.asked_usage[-1] == {container.id for container in house.running()}, "all in one question"
    assert [u.disk_percent for u in found] == [12.5, 12.5]
    house.engine.die(house.running()[0].id)
    assert len(house.workspace.resource_usage.measure()) == 1


def test_an_engine_that_is_away_tells_nothing(house: House) -> None:
    house.deploy()
    use(house, memory_bytes=GIB)
    house.engine.unavailable = True
    assert house.workspace.resource_usage.measure() == []


def test_adopted_containers_have_a_rate_from_the_second_reading_on(house: House) -> None:
    house.deploy()
    later = house.restarted()
    later.workspace.reconcile()
    later.engine.uses = house.engine.uses
    use(later, cpu_seconds=100.0)
    assert later.workspace.resource_usage.measure()[0].cpu_percent is None
    later.effects.sleep(10)
    use(later, cpu_seconds=108.0)
    assert later.workspace.resource_usage.measure()[0].cpu_percent == pytest.approx(10.0)


def test_gpu_usage_of_deployments_with_gpus(house: House) -> None:
    gpus = [Gpu(0, "GPU-0", 40.0, 10.0, 100.0), Gpu(1, "GPU-1", 60.0, 30.0, 50.0)]
    with_gpus(house, gpus)
    house.deploy(gpus="all")
    house.deploy(endpoint="pets")
    house.deploy(endpoint="zoo", gpus="device=1")
    for instance in (0, 1, 2):
        use(house, instance, memory_bytes=1)
    iris, pets, zoo = house.workspace.resource_usage.measure()
    assert (iris.gpu, pets.gpu, zoo.gpu) == (GpuUsage(50.0, 20.0, None), None, GpuUsage(60.0, 30.0, None))
    house.effects.sleep(10)
    gpus[:] = [replace(gpus[0], energy_joules=150.0), replace(gpus[1], energy_joules=70.0)]
    iris, _, zoo = house.workspace.resource_usage.measure()
    assert iris.gpu == GpuUsage(50.0, 20.0, 70.0)
    assert zoo.gpu == GpuUsage(60.0, 30.0, 20.0)
    house.effects.sleep(10)
    gpus[:] = [replace(gpus[0], energy_joules=None), gpus[1]]
    assert house.workspace.resource_usage.measure()[0].gpu == GpuUsage(50.0, 20.0, None)
    gpus.clear()
    assert house.workspace.resource_usage.measure()[0].gpu is None


@pytest.mark.row("metrics.names")
def test_the_metrics_of_use(house: House) -> None:
    with_gpus(house, [Gpu(0, "GPU-0", 40.0, 10.0, 100.0)])
    house.deploy(gpus="1")
    use(house, cpu_seconds=0.0, memory_bytes=4 * GIB, disk_percent=33.0)
    with serving(house) as served:
        served.ask("GET", "//_amlemu/metrics")
        house.effects.sleep(10)
        use(house, cpu_seconds=8.0)
        families = list(text_string_to_metric_families(served.ask("GET", "//_amlemu/metrics").text))
    found = {s.name: s.value for family in families for s in family.samples if "instance" in s.labels}
    assert found == {
        "cpu_utilization_percentage": pytest.approx(10.0),
        "cpu_memory_utilization_percentage": 25.0,
        "disk_utilization": 33.0,
        "gpu_utilization_percentage": 40.0,
        "gpu_memory_utilization_percentage": 10.0,
        "gpu_energy_joules": 0.0,
    }
    (labels,) = {
        tuple(sorted(s.labels.items())) for family in families for s in family.samples if "instance" in s.labels
    }
    assert labels == (("deployment", "blue"), ("endpoint", "iris"), ("instance", house.running()[0].name))
    (row,) = (row for row in rows() if row.id == "metrics.names")
    assert set(found) == {name for name in row.facts["managed"].value if name.startswith(("cpu_", "gpu_", "disk_"))}
