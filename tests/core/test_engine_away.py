"""An engine that does not answer for a while: nothing dies of that, and nothing waits longer for it than it must."""

from __future__ import annotations

from core_support import House

PATIENT = {"failure_threshold": 10_000}


def deployed(house: House) -> None:
    house.deploy(liveness_probe=PATIENT, readiness_probe={"initial_delay": 1, "period": 1})
    house.pass_time(700)  # long enough that earlier deaths would be forgotten
    assert house.states() == [("Ready", 0)]


def test_an_unavailable_engine_is_reported(house: House) -> None:
    deployed(house)
    assert house.workspace.health.engine_error is None
    house.engine.unavailable = True
    house.pass_time(3)
    assert "the fake is switched off" in str(house.workspace.health.engine_error)
    house.engine.unavailable = False
    house.pass_time(3)
    assert house.workspace.health.engine_error is None


def test_containers_that_died_with_the_engine_are_restarted(house: House) -> None:
    deployed(house)
    (old,) = house.running()
    house.engine.unavailable = True
    house.engine.die(old.id)
    house.pass_time(3600)
    assert house.state() == "Succeeded", "that the engine is away is no crash loop"
    house.engine.unavailable = False
    house.pass_time(5)
    (new,) = house.running()
    assert (new.running, house.instances(), house.states()) == (True, [new.id], [("Ready", 1)])
    assert "BackOff" not in house.names()


def test_a_restart_that_meets_no_engine_waits_for_it_and_no_longer(house: House) -> None:
    deployed(house)
    house.engine.die(house.running()[0].id)
    house.pass_time(1)
    # The engine's events may tell of it before its time comes: then the first restart is under way.
    assert house.states() in ([("BackOff", 0)], [("NotReady", 1)]), "its death was noticed"
    house.engine.unavailable = True
    house.pass_time(600)
    house.engine.unavailable = False
    house.pass_time(5)
    assert (house.states(), house.state()) == ([("Ready", 1)], "Succeeded")
    assert "BackOff" not in house.names()
