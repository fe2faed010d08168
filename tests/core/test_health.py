"""Containers that serve are probed, taken out of rotation and back, killed, restarted and given up."""

from __future__ import annotations

import json
import threading
import time
from itertools import pairwise
from typing import Any

import pytest
from core_support import House, Said
from fake_engine import Behaviour

from emulator.difference import texts
from emulator.entities import ProbeSettings, Target
from emulator.errors import BadArgument, ImageBuildFailure, OutOfQuota
from emulator.profiles import overridden, profile_of

TARGETS: tuple[Target, ...] = ("managed", "kubernetes", "aks", "aci", "local")
SHORT = {"initial_delay": 2, "period": 2, "timeout": 1, "failure_threshold": 3}
PATIENT = {"failure_threshold": 10_000}
CRASH = (
    "Traceback (most recent call last):",
    '  File "/var/azureml-app/src/score.py", line 4, in run',
    "ValueError: bad",
)
RESTART = ["Pulled", "Created", "Started"]


def deploy(house: House, *, liveness: dict[str, int] | None = None, **changes: Any) -> None:
    """A deployment whose readiness is probed at short intervals, and whose liveness, unless said, never matters."""
    probes = {"readiness_probe": SHORT, "liveness_probe": liveness or PATIENT}
    house.deploy(**{**probes, **changes})
    house.pass_time(0.5)


# readiness


@pytest.mark.row("probes.unready_out_of_rotation")
@pytest.mark.parametrize("target", TARGETS)
def test_an_unready_instance_gets_no_requests_until_it_is_ready_again(house: House, target: Target) -> None:
    deploy(house, target=target)
    (container,) = house.running()
    house.behave(ready=False)
    house.pass_time(4)
    assert house.instances() == [container.id], "two failures of three"
    house.pass_time(2)
    gone = profile_of(target).probes.unready_out_of_rotation
    assert house.instances() == ([] if gone else [container.id])
    assert house.states() == [("NotReady" if gone else "Ready", 0)]
    house.behave(ready=True)
    house.pass_time(2)
    assert house.instances() == [container.id]
    assert house.states() == [("Ready", 0)]
    assert house.running() == [container], "readiness restarts nothing"
    assert house.state() == "Succeeded"


def test_one_unready_instance_leaves_the_others(house: House) -> None:
    deploy(house, instance_count=3)
    ids = [container.id for container in house.running()]
    house.behave(1, ready=False)
    house.pass_time(8)
    assert house.instances() == [ids[0], ids[2]]
    assert [state for state, _ in house.states()] == ["Ready", "NotReady", "Ready"]


def test_success_threshold_brings_an_instance_back(house: House) -> None:
    deploy(house, readiness_probe={**SHORT, "success_threshold": 3})
    house.behave(ready=False)
    house.pass_time(8)
    assert house.instances() == []
    house.behave(ready=True)
    house.pass_time(4)
    assert house.instances() == []
    house.pass_time(2)
    assert len(house.instances()) == 1


def test_other_updates_keep_an_unready_instance_out_of_rotation(house: House) -> None:
    deploy(house)
    house.behave(ready=False)
    house.pass_time(8)
    house.workspace.endpoints.regenerate_keys("iris", "primary")
    assert house.instances() == []


@pytest.mark.row("probes.path")
def test_routes_of_the_probes(house: House) -> None:
    deploy(house, liveness={**SHORT, "timeout": 7})
    house.engine.probes.clear()
    house.pass_time(2)
    (container,) = house.running()
    assert sorted(house.engine.probes) == [(container.id, "/", 1), (container.id, "/", 7)]


@pytest.mark.row("probes.run")
@pytest.mark.parametrize("target", TARGETS)
def test_probes_go_on_with_the_period_of_the_deployment(house: House, target: Target) -> None:
    deploy(house, target=target, readiness_probe={**SHORT, "period": 5}, liveness={**SHORT, "initial_delay": 1000})
    house.engine.probes.clear()
    house.pass_time(100)
    assert len(house.engine.probes) == (20 if profile_of(target).probes.run else 0)


def test_a_probe_that_hangs_delays_no_other(house: House) -> None:
    deploy(house)
    deploy(house, endpoint="pets")
    hangs = threading.Event()
    house.engine.containers()[0].behaviour = Behaviour(answers=hangs)
    house.engine.probes.clear()
    for _ in range(10):
        house.effects.sleep(2)
        house.workspace.health.tick()
    deadline = time.monotonic() + 10
    while len([p for p in house.engine.probes if p[0] == house.instances("pets")[0]]) < 5:
        assert time.monotonic() < deadline
        house.effects.sleep(2)
        house.workspace.health.tick()
    asked = [p for p in house.engine.probes if p[0] == house.instances("iris")[0]]
    hangs.set()
    assert len(asked) <= 2, "no second one of a kind while one hangs"


# the settings


@pytest.mark.row("probes.liveness", "probes.readiness")
@pytest.mark.parametrize("target", TARGETS)
def test_the_defaults_of_the_target(house: House, target: Target) -> None:
    deployment = house.deploy(target=target)
    liveness = (310, 10, 2, 1, 3) if target == "aks" else (10, 10, 2, 1, 30)
    assert tuple(deployment.liveness_probe.to_document().values()) == liveness
    assert tuple(deployment.readiness_probe.to_document().values()) == (10, 10, 2, 1, 30)


def test_a_partial_probe_is_filled_up_from_the_target(house: House) -> None:
    deployment = house.deploy(target="aks", liveness_probe={"period": 4})
    assert deployment.liveness_probe == ProbeSettings(
        initial_delay=310, period=4, timeout=2, success_threshold=1, failure_threshold=3
    )


@pytest.mark.row("probes.liveness_success_threshold")
@pytest.mark.parametrize("target", TARGETS)
def test_a_liveness_probe_wants_one_success(house: House, target: Target) -> None:
    with pytest.raises(BadArgument, match="success_threshold must be 1, not 2"):
        house.deploy(target=target, liveness_probe={"success_threshold": 2})
    assert house.engine.builds == []
    assert house.deploy(target=target, readiness_probe={"success_threshold": 2}).readiness_probe.success_threshold == 2


# liveness


@pytest.mark.row("probes.liveness_restarts", "probes.restart_in_place", "probes.kill_grace_seconds")
@pytest.mark.parametrize("target", TARGETS)
def test_a_container_that_is_not_alive_is_replaced(house: House, target: Target) -> None:
    one_only = profile_of(target).rules.max_instances == 1
    count = 1 if one_only else 2
    deploy(house, target=target, liveness=SHORT, environment_variables={"A": "1"}, instance_count=count)
    old, *others = house.engine.containers()
    kept = [other.container.id for other in others]
    before = len(house.events())
    old.behaviour = Behaviour(ready=False)
    if not profile_of(target).probes.liveness_restarts:
        house.pass_time(60)
        assert house.engine.containers() == [old, *others]
        return
    house.wait_for(lambda: old not in house.engine.containers() and len(house.running()) == count)
    assert house.engine.graces[-1] == 30
    new, *same = house.engine.containers()
    assert new.container.id != old.container.id
    assert new.spec == old.spec, "the same name, files, variables and labels"
    assert same == others
    assert house.instances() == kept, "not before its own readiness has passed"
    assert house.states() == [("NotReady", 1), *[("Ready", 0) for _ in others]]
    house.pass_time(3)
    assert house.instances() == [new.container.id, *kept]
    names = house.names(since=before)
    assert names.count("LivenessProbeFailed") == 3
    assert [name for name in names if not name.endswith("Failed")] == ["Killing", *RESTART]
    assert house.state() == "Succeeded"


@pytest.mark.row("probes.restart_in_place")
def test_a_replacement_may_be_another_instance(house: House) -> None:
    with overridden({"aks": {"probes.restart_in_place": False}}):
        deploy(house, target="aks", instance_count=2)
        first, other = house.running()
        for number in (1, 2):
            before = len(house.events())
            (dying,) = [container for container in house.running() if container != other]
            house.engine.die(dying.id, 3)
            house.wait_for(
                lambda old=dying: old.id not in {c.id for c in house.running()} and len(house.instances()) == 2
            )
            (new,) = [container for container in house.running() if container != other]
            assert new.name == f"{first.name}-{number}"
            assert house.states() == [("Ready", 0), ("Ready", 0)]
            assert len(house.running()) == 2, "the dead one is gone"
            lines = house.workspace.deployments.get_event_log("iris", tail=None, follow=False)
            assert {json.loads(line)["InstanceId"] for line in list(lines)[before:]} == (
                {new.name} if number == 1 else {new.name, dying.name}
            )
        house.settle()
        later = house.restarted()
        later.workspace.reconcile()
        assert set(later.instances()) == set(house.instances()), "adopted under its new name"


@pytest.mark.row("probes.no_auth")
@pytest.mark.parametrize("target", TARGETS)
def test_probes_carry_the_targets_headers(house: House, target: Target) -> None:
    deploy(house, target=target)
    assert dict(house.engine.probe_headers) == {}
    with overridden({target: {"probes.no_auth": {"User-Agent": "kube-probe/1.29"}}}):
        house.deploy()
        assert house.engine.probe_headers == {"User-Agent": "kube-probe/1.29"}
        house.engine.probe_headers = {}
        house.pass_time(60)
        asked = {"User-Agent": "kube-probe/1.29"} if profile_of(target).probes.run else {}
        assert house.engine.probe_headers == asked


@pytest.mark.row("probes.restart_in_place")
def test_the_probes_of_a_replacement_begin_with_their_delay(house: House) -> None:
    deploy(house, liveness={**SHORT, "initial_delay": 20}, readiness_probe={**SHORT, "initial_delay": 10})
    house.pass_time(20)
    (old,) = house.running()
    house.behave(ready=False)
    house.wait_for(lambda: len(house.running()) == 1 and house.running() != [old])
    (new,) = house.running()
    house.engine.probes.clear()
    house.pass_time(9)
    assert [p for p in house.engine.probes if p[0] == new.id] == []
    assert house.instances() == []
    house.pass_time(4)
    assert house.instances() == [new.id]


def test_the_delay_counts_from_the_start_of_the_container(house: House) -> None:
    """Not from when it was first seen to serve: the wait for its first ready is part of it."""
    house.engine.behaviours.append(Behaviour(ready=False))
    said = Said(at=("waiting", lambda: house.effects.sleep(50) or house.behave(ready=True)))
    house.deploy(said=said, liveness_probe={"initial_delay": 60, "period": 100}, readiness_probe={"initial_delay": 900})
    house.engine.probes.clear()
    house.pass_time(12)
    assert len(house.engine.probes) == 1


def test_a_container_that_is_only_slow_now_and_then_is_left_alone(house: House) -> None:
    deploy(house, liveness=SHORT)
    before = house.running()
    for _ in range(5):
        house.behave(ready=False)
        house.pass_time(4)
        house.behave(ready=True)
        house.pass_time(4)
    assert house.running() == before


def test_a_debugger_stops_the_server_for_as_long_as_it_likes(house: House) -> None:
    deploy(house, liveness=SHORT, debug_port=5678)
    before = house.instances()
    house.behave(ready=False)
    house.pass_time(60)
    assert house.instances() == before
    assert "LivenessProbeFailed" in house.names()
    assert any("probe" in text for text in texts(house.deployment().differences))


# deaths


def die(house: House, instance: int = 0, log: tuple[str, ...] = ()) -> None:
    running = house.engine.containers()[instance]
    for line in log:
        house.engine.say(running.container.id, line)
    house.engine.die(running.container.id, 3)


def test_a_dead_container_is_noticed_within_a_second_and_started_at_once(house: House) -> None:
    deploy(house)
    before = len(house.events())
    (old,) = house.running()
    die(house)
    house.pass_time(1)
    assert house.instances() == []
    house.pass_time(1)
    (new,) = house.running()
    assert (new.running, new.id != old.id, house.instances()) == (True, True, [])
    assert house.names(since=before) == RESTART, "what died by itself was not killed, and did not wait"
    house.pass_time(3)
    assert house.instances() == [new.id]
    assert house.states() == [("Ready", 1)]


def test_waits_double_while_it_dies_again_and_again(house: House) -> None:
    deploy(house)
    started = []
    house.engine.behaviour = Behaviour(exit_code=3)
    die(house)
    known = house.running()
    for second in range(200):
        house.pass_time(1)
        if house.running() != known:
            known = house.running()
            started.append(second)
    gaps = [later - earlier for earlier, later in pairwise(started)]
    assert started[0] <= 2
    for gap, wait in zip(gaps, (10, 20, 40, 80), strict=True):
        assert wait <= gap <= wait + 4
    assert house.names().count("BackOff") == 5
    assert house.states() == [("BackOff", 5)]


@pytest.mark.row("probes.crash_loop", "probes.crash_loop_code", "probes.crash_loop_message")
@pytest.mark.parametrize("target", TARGETS)
def test_a_crash_loop_is_a_failed_deployment_with_the_clouds_code(house: House, target: Target) -> None:
    deploy(house, target=target)
    house.engine.behaviour = Behaviour(exit_code=3, log=CRASH)
    die(house, log=CRASH)
    house.pass_time(5)
    deployment = house.deployment()
    if target != "local":
        assert (deployment.provisioning_state, house.names().count("BackOff")) == ("Succeeded", 1)
        house.pass_time(35)
    deployment = house.deployment()
    error = deployment.error or {}
    codes = {"managed": "ResourceNotReady", "kubernetes": "DeploymentCrashLoopBackOff", "local": "ResourceNotReady"}
    assert (deployment.provisioning_state, error["code"]) == ("Failed", codes.get(target, "CrashLoopBackOff"))
    assert error["message"] == "User container has crashed or terminated: ValueError: bad (src/score.py, line 4)"
    assert error["log_tail"].splitlines()[-3:] == list(CRASH)
    assert error["target"].startswith("instance amlemu-iris-blue")
    assert error["hint"].startswith("nothing starts it again" if target == "local" else "it is started again")
    assert deployment.serving, "it is the deployment's own generation, and may come back"


def test_a_container_stopped_by_the_engine_reports_the_reason(house: House) -> None:
    """In the event of each time, and once it is a crash loop in what `show` prints."""
    deploy(house)
    house.engine.behaviour = Behaviour(exit_code=137, stopped_because="it wrote more than 4 GiB")
    die(house)
    house.pass_time(40)
    error = house.deployment().error or {}
    assert house.state() == "Failed"
    assert error["message"].endswith("the container was stopped: it wrote more than 4 GiB")
    assert "AMLEMU_CONTAINER_DISK" in error["hint"]
    assert ("Killing", "Stopped container inference-server: it wrote more than 4 GiB") in house.events()


@pytest.mark.row("probes.crash_loop_recovers")
@pytest.mark.parametrize("target", TARGETS)
def test_a_crash_loop_ends_when_a_start_succeeds(house: House, target: Target) -> None:
    deploy(house, target=target)
    house.engine.behaviour = Behaviour(exit_code=3)
    die(house)
    house.pass_time(45)
    assert house.state() == "Failed"
    house.engine.behaviour = Behaviour()
    house.pass_time(60)
    recovers = profile_of(target).probes.crash_loop_recovers
    assert (house.state(), len(house.instances())) == (("Succeeded", 1) if recovers else ("Failed", 0))
    assert (house.deployment().error is None) is recovers


def test_one_that_gets_ready_and_dies_is_a_crash_loop_in_the_end(house: House) -> None:
    deploy(house)
    deaths = 0
    while house.state() == "Succeeded":
        if house.instances():
            die(house)
            deaths += 1
        house.pass_time(2)
    assert deaths == 6


def test_a_long_run_forgets_the_deaths_before(house: House) -> None:
    deploy(house)
    for _ in range(8):
        die(house)
        house.pass_time(8)
        assert len(house.instances()) == 1
        house.pass_time(601, step=2)
    assert (house.state(), house.states()) == ("Succeeded", [("Ready", 8)])
    assert "BackOff" not in house.names()


def test_all_instances_must_be_out_of_it(house: House) -> None:
    deploy(house, instance_count=2)
    house.engine.behaviour = Behaviour(exit_code=3)
    die(house, 0)
    die(house, 1)
    house.pass_time(60)
    assert (house.state(), house.instances()) == ("Failed", [])
    house.engine.behaviours.append(Behaviour())
    while not house.instances():
        house.pass_time(1)
    assert house.state() == "Failed", "the other one still dies"
    house.engine.behaviour = Behaviour()
    house.pass_time(200)
    assert (house.state(), len(house.instances())) == ("Succeeded", 2)


def test_a_start_that_the_engine_refuses_counts_as_a_death(house: House) -> None:
    deploy(house)
    house.engine.behaviours = [Behaviour(refuses=OutOfQuota)] * 3
    die(house)
    house.pass_time(35)
    assert (house.state(), house.names().count("BackOff")) == ("Failed", 3)
    assert "the fake does not start it" in (house.deployment().error or {})["message"]
    house.pass_time(60)
    assert (house.state(), len(house.instances())) == ("Succeeded", 1)


def test_a_container_removed_from_outside_is_restarted(house: House) -> None:
    deploy(house)
    (old,) = house.running()
    house.engine.remove(old.id)
    house.pass_time(5)
    (new,) = house.running()
    assert house.instances() == [new.id]


def test_an_engine_that_is_away_kills_nothing(house: House) -> None:
    deploy(house)
    before = house.running()
    house.engine.unavailable = True
    house.engine.probes.clear()
    house.pass_time(5)
    assert house.engine.probes, "probes need no engine"
    house.engine.unavailable = False
    house.pass_time(10)
    assert (house.running(), house.states()) == (before, [("Ready", 0)])


def test_the_last_words_stay_while_nothing_runs(house: House) -> None:
    deploy(house, liveness=SHORT)
    house.engine.behaviour = Behaviour(ready=False, log=("I am stuck",))
    house.behave(ready=False)
    house.pass_time(20)
    assert house.states()[0][0] == "BackOff"
    assert house.running() == [], "killed, and its successor waits"
    assert list(house.workspace.deployments.get_logs("iris", None, tail=None, follow=False)) == ["I am stuck"]


# with everything else that goes on


def test_a_replaced_generation_is_not_probed(house: House) -> None:
    deploy(house)
    (old,) = house.running()
    deploy(house)
    house.settle()
    house.engine.probes.clear()
    house.pass_time(20)
    assert {id for id, _, _ in house.engine.probes} == set(house.instances()) != {old.id}


def test_a_restart_waits_for_the_operation_on_its_endpoint(house: House) -> None:
    deploy(house)
    with house.workspace.endpoints.hold("iris"):
        die(house)
        house.effects.sleep(2)
        for _ in range(3):
            house.effects.sleep(1.1)
            house.workspace.health.tick()
            time.sleep(0.05)
        assert house.instances() == [], "out of rotation all the same"
        assert not house.running()[0].running
    house.settle()
    assert house.running()[0].running


def test_the_gateway_gets_the_newest_state_last(house: House) -> None:
    """Health tells it as well as operations do, at any moment: what was read first must not be told last."""
    deploy(house)
    (container,) = house.running()
    told, go_on = threading.Event(), threading.Event()

    def putting(_route: object) -> None:
        house.gateway.putting = lambda _route: None
        told.set()
        go_on.wait(10)

    house.gateway.putting = putting
    endpoints = house.workspace.endpoints
    house.effects.background(lambda: endpoints.publish("iris"))
    told.wait(10)
    endpoints.set_ready(container.id, ready=False)
    house.effects.background(lambda: endpoints.publish("iris"))
    time.sleep(0.05)
    go_on.set()
    house.settle()
    assert house.instances() == []


def test_a_replaced_container_is_not_restarted(house: House) -> None:
    deploy(house)
    house.engine.behaviours = [Behaviour(exit_code=3)] * 3
    die(house)
    house.pass_time(12)
    house.engine.behaviours.clear()
    deploy(house)
    house.settle()
    (new,) = house.running()
    house.pass_time(60)
    assert house.running() == [new]
    assert (house.instances(), house.state()) == ([new.id], "Succeeded")


def test_a_container_removed_by_a_deploy_does_not_count_as_dead(house: House) -> None:
    """The look at the engine is a moment older than what it is compared with."""
    deploy(house)

    def looking() -> None:
        house.engine.looking = lambda: None
        house.deploy(readiness_probe=SHORT, liveness_probe=PATIENT)
        deadline = time.monotonic() + 10
        while len(house.running()) > 1:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    house.engine.looking = looking
    house.pass_time(1)
    house.pass_time(20)
    assert (len(house.running()), house.states()) == (1, [("Ready", 0)])
    assert list(house.store.home.glob("logs/*.failed.log")) == [], "nobody asked for its last words"


def test_a_deleted_deployment_is_not_restarted(house: House) -> None:
    deploy(house)
    house.engine.behaviours = [Behaviour(exit_code=3)] * 3
    die(house)
    house.pass_time(12)
    house.workspace.deployments.delete_endpoint("iris")
    house.pass_time(60)
    assert house.running() == []
    assert house.workspace.endpoints.list_names() == []


def test_a_failed_update_is_not_forgotten_for_a_crash_loop_that_ended(house: House) -> None:
    deploy(house)
    house.engine.behaviour = Behaviour(exit_code=3)
    die(house)
    house.pass_time(45)
    house.engine.fail_build = "no such package"
    images, house.engine.images = house.engine.images, {}
    with pytest.raises(ImageBuildFailure, match="no such package"):
        house.deploy()
    house.engine.images = images
    house.engine.behaviour = Behaviour()
    house.pass_time(100)
    assert len(house.instances()) == 1
    assert (house.state(), (house.deployment().error or {})["code"]) == ("Failed", "ImageBuildFailure")


def test_survivors_of_an_emulator_are_watched_from_then_on(house: House) -> None:
    deploy(house)
    again = house.restarted()
    again.workspace.reconcile()
    again.pass_time(1)
    again.behave(ready=False)
    again.pass_time(9)
    assert again.instances() == []
    again.behave(ready=True)
    again.pass_time(2)
    assert len(again.instances()) == 1
    die(again)
    again.pass_time(6)
    assert (len(again.instances()), again.states()) == (1, [("Ready", 1)])


def test_a_crash_loop_may_end_under_the_next_emulator(house: House) -> None:
    deploy(house)
    house.engine.behaviour = Behaviour(exit_code=3)
    die(house)
    house.pass_time(45)
    house.engine.behaviour = Behaviour(ready=False)
    house.pass_time(60)
    assert house.state() == "Failed"
    again = house.restarted()
    again.workspace.reconcile()
    again.behave(ready=True)
    again.pass_time(20)
    assert (again.state(), len(again.instances())) == ("Succeeded", 1)


def test_nothing_starts_after_stop(house: House) -> None:
    deploy(house)
    die(house)
    house.workspace.health.stop(timeout_seconds=1)
    house.pass_time(60)
    assert not house.running()[0].running


def test_the_monitor_runs_in_the_background_until_stop(house: House) -> None:
    deploy(house)
    house.workspace.health.start()
    (old,) = house.running()
    die(house)
    deadline = time.monotonic() + 20
    while house.running() == [old] or not house.running()[0].running:
        assert time.monotonic() < deadline
        house.effects.sleep(0.5)
        time.sleep(0.02)
    house.workspace.health.stop()
    house.settle()


# the event log


@pytest.mark.row("events.columns", "events.names", "events.messages")
def test_the_events_of_a_life(house: House) -> None:
    house.deploy(instance_count=2)
    names = [container.name for container in house.running()]
    lines = list(house.workspace.deployments.get_event_log("iris", tail=None, follow=False))
    first = json.loads(lines[0])
    assert list(first) == ["TimeGenerated", "OperationName", "InstanceId", "DeploymentName", "Name", "Message"]
    assert [json.loads(line)["InstanceId"] for line in lines] == [names[0]] * 3 + [names[1]] * 3
    assert {json.loads(line)["DeploymentName"] for line in lines} == {"blue"}
    image = f"{house.deployment().environment}@{house.deployment().image[:12]}"
    assert house.events()[:3] == [
        ("Pulled", f'Container image "{image}" already present on machine'),
        ("Created", "Created container inference-server"),
        ("Started", "Started container inference-server"),
    ]
    house.deploy()
    house.settle()
    assert house.names(since=6) == [*RESTART, "Killing", "Killing"]
    assert house.events()[-1] == ("Killing", "Stopping container inference-server")
    house.workspace.endpoints.update_traffic("iris", {})
    house.workspace.deployments.delete("iris", "blue")
    assert house.names(since=11) == ["Killing"]
    assert set(house.names()) <= set(profile_of("managed").probes.event_names)


@pytest.mark.row("events.probe_failed", "events.messages", "events.names")
def test_the_events_of_trouble(house: House) -> None:
    deploy(house, liveness=SHORT)
    before = len(house.events())
    house.engine.behaviour = Behaviour(ready=False)
    house.behave(ready=False)
    house.pass_time(18)
    told = dict(house.events(since=before))
    assert told == {
        "LivenessProbeFailed": "Liveness probe failed: HTTP probe failed with statuscode: 502",
        "ReadinessProbeFailed": "Readiness probe failed: HTTP probe failed with statuscode: 502",
        "Killing": "Container inference-server failed liveness probe, will be restarted",
        "BackOff": "Back-off restarting failed container inference-server",
        **dict(house.events()[:3]),
    }
    assert set(house.names()) == set(profile_of("managed").probes.event_names)


def test_a_deleted_endpoint_takes_its_events_along(house: House) -> None:
    house.deploy()
    path = house.store.logs.events("iris")
    assert path.exists()
    house.workspace.deployments.delete_endpoint("iris")
    house.settle()
    assert not path.exists()


def test_the_last_container_of_a_deleted_endpoint_writes_nothing(house: House) -> None:
    house.deploy()

    def draining(_id: str) -> None:
        with house.workspace.endpoints.hold("iris", restoring=True):
            pass  # the deploy has ended
        house.workspace.deployments.delete_endpoint("iris")

    house.gateway.draining = draining
    house.deploy()
    house.settle()
    assert house.running() == []
    assert not house.store.logs.events("iris").exists()


def test_a_full_disk_keeps_nothing_from_restarting(house: House) -> None:
    deploy(house)
    path = house.store.logs.events("iris")
    path.unlink()
    path.mkdir()
    die(house)
    house.pass_time(6)
    assert len(house.instances()) == 1
    path.rmdir()
