"""A clock that is set forward or back by hours: what stays as it was, and what follows the clock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from core_support import EPOCH, House
from fake_engine import Behaviour

HOURS = 3600.0
PATIENT = {"failure_threshold": 10_000}
SHORT = {"initial_delay": 1, "period": 1}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.settle()


def test_the_latest_model_is_the_last_that_was_registered(house: House) -> None:
    house.register("m", "first")
    house.clock_ahead = -5 * HOURS
    house.register("m", "second")
    house.register("m", "third", version="nightly")
    house.clock_ahead = 5 * HOURS
    house.register("m", "fourth")
    house.clock_ahead = 0.0
    house.register("m", "fifth")
    models = house.workspace.models
    assert [m.version for m in models.list_versions("m")] == ["1", "2", "nightly", "3", "4"]
    assert models.get("m").version == "4"
    times = [m.created_at for m in models.list_versions("m")]
    assert times == sorted(set(times))
    again = house.restarted()
    assert again.workspace.models.get("m").version == "4"


def test_a_reuse_of_a_model_finds_the_last_version_with_its_content(house: House) -> None:
    house.register("m", "same")
    house.clock_ahead = -5 * HOURS
    second = house.register("m", "same")
    request = {"name": "m", "path": str(house.folder / "m.pkl"), "type": "custom_model"}
    assert house.deploy(models=[request]).models == (second.id,)


@pytest.mark.parametrize("jump", [-9 * HOURS, 9 * HOURS])
def test_waits_before_restarts_are_not_of_the_clock(house: House, jump: float) -> None:
    house.deploy(liveness_probe=PATIENT, readiness_probe=SHORT)
    house.pass_time(1)
    house.engine.behaviours = [Behaviour(exit_code=1)] * 3
    house.engine.die(house.running()[0].id)
    house.pass_time(15)
    house.clock_ahead = jump
    waited = 0
    while not house.instances():
        house.pass_time(1)
        waited += 1
        assert waited < 120, "a back-off of 10, 20 and 40 seconds"
    assert waited > 10, "the clock shortens no wait"
    assert house.state() == "Succeeded"


@pytest.mark.parametrize("jump", [-9 * HOURS, 9 * HOURS])
def test_probes_go_on(house: House, jump: float) -> None:
    house.deploy(liveness_probe={"initial_delay": 1, "period": 10}, readiness_probe=PATIENT)
    house.pass_time(5)
    house.clock_ahead = jump
    house.engine.probes.clear()
    house.pass_time(30)
    assert 2 <= len(house.engine.probes) <= 8
    assert house.state() == "Succeeded"


def test_a_token_expires_with_the_clock_and_a_new_one_is_valid(house: House) -> None:
    house.deploy(auth_mode="aml_token")
    endpoints = house.workspace.endpoints

    def answer_to(token: str) -> object:
        now = EPOCH + house._slept + house.clock_ahead
        return house.gateway.routes["iris"].access.check("/score", (f"Bearer {token}".encode(),), now).answer

    token = endpoints.get_token("iris").access_token
    assert answer_to(token) is None
    house.clock_ahead = 48 * HOURS
    assert answer_to(token) is not None, "it has expired"
    later = endpoints.get_token("iris").access_token
    assert answer_to(later) is None
    house.clock_ahead = 0.0
    assert answer_to(token) is None, "it is good again: nothing of it was forgotten"
    assert answer_to(endpoints.get_token("iris").access_token) is None


def test_an_endpoint_that_was_made_before_and_after_has_its_own_tokens(house: House) -> None:
    house.deploy(auth_mode="aml_token")
    token = house.workspace.endpoints.get_token("iris").access_token
    house.workspace.deployments.delete_endpoint("iris")
    house.clock_ahead = -9 * HOURS
    house.deploy(auth_mode="aml_token")
    access = house.gateway.routes["iris"].access
    assert access.check("/score", (f"Bearer {token}".encode(),), EPOCH + 1).answer is not None


def test_a_file_from_the_future_is_read_again(house: House, tmp_path: Path) -> None:
    """What is known of files of the user's rests on their times; one that is not settled yet is not believed."""
    import os
    import time

    path = tmp_path / "m.pkl"
    path.write_bytes(b"x" * 1000)
    ahead = time.time_ns() + int(9 * HOURS * 1e9)
    os.utime(path, ns=(ahead, ahead))
    store = house.store
    first = store.files.add(path)
    path.write_bytes(b"y" * 1000)
    os.utime(path, ns=(ahead, ahead))
    assert store.files.add(path) != first


def test_events_keep_their_order(house: House) -> None:
    house.deploy()
    house.clock_ahead = -9 * HOURS
    house.deploy()
    house.settle()
    assert house.names() == ["Pulled", "Created", "Started"] * 2 + ["Killing"]
