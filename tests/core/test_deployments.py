"""Deploying: generations, traffic, failures and cancels."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from core_support import House, Said
from fake_engine import Behaviour

from emulator.difference import texts
from emulator.errors import (
    BadArgument,
    EmulatorError,
    EngineUnavailable,
    ImageBuildFailure,
    OperationCanceled,
    OperationInProgress,
    OperationTimedOut,
    OutOfQuota,
    ResourceNotFound,
    ResourceNotReady,
)
from emulator.secret import revealed

INIT_RAISES = (
    "Traceback (most recent call last):",
    '  File "/var/azureml-app/src/score.py", line 2, in init',
    "    load()",
    "FileNotFoundError: [Errno 2] No such file or directory: 'm'",
)
DIES = Behaviour(exit_code=3, log=INIT_RAISES)
SILENT = Behaviour(ready=False)
QUICK_PROBE = {"initial_delay": 1, "period": 1, "failure_threshold": 1}


# the first deployment


def test_the_first_deployment(house: House) -> None:
    house.register()
    said = Said()
    deployment = house.deploy(said=said, models=["m"], environment_variables={"A": "1"})
    assert deployment == house.deployment()
    assert (deployment.provisioning_state, deployment.serving, deployment.generation) == ("Succeeded", True, 1)
    assert deployment.models == ("m:1",)
    assert deployment.engine == "fake"
    assert said.steps[-1] == "waiting for the scoring server: init()"
    assert said.lines == ["building 4 requirements"]
    (container,) = house.running()
    assert container.name == f"amlemu-iris-blue-{house.store.workspace_id}-1-0"
    route = house.gateway.routes["iris"]
    assert (route.port, route.keys, route.weights) == (18100, ("key-1", "key-2"), {"blue": 100})
    assert house.instances() == [container.id]
    assert house.workspace.endpoints.get("iris").provisioning_state == "Succeeded"
    assert house.workspace.deployments.tree("iris", None) == [
        ("azureml-models/m/1/m.pkl", 7),
        ("src/score.py", len(house.code.joinpath("score.py").read_text())),
    ]


def test_an_image_is_built_once(house: House) -> None:
    house.deploy()
    house.deploy("pets")
    assert len(house.engine.builds) == 1


def test_an_updated_endpoint_always_has_instances(house: House) -> None:
    house.deploy()
    began = len(house.gateway.history)
    house.deploy()
    for route in house.gateway.history[began:]:
        assert route.by_name["blue"].instances


# updates


@pytest.mark.row("deployment.processes")
def test_an_update_swaps_generations(house: House) -> None:
    house.deploy()
    (old,) = house.running()
    (house.code / "score.py").write_text("x = 1\n" + (house.code / "score.py").read_text())
    deployment = house.deploy()
    house.settle()
    (new,) = house.running()
    assert new.id != old.id
    assert deployment.generation == 2
    assert house.instances() == [new.id]
    assert house.gateway.drained == [old.id]
    assert house.layouts() == ["iris/blue/2"]


def test_the_old_containers_go_after_they_are_drained(house: House) -> None:
    house.deploy()
    (old,) = house.running()
    seen: list[bool] = []
    house.gateway.draining = lambda instance_id: seen.append(
        instance_id == old.id and old in house.running() and old.id not in house.instances()
    )
    house.deploy()
    house.settle()
    assert seen == [True]
    assert old not in house.running()


@pytest.mark.row("deployment.serves_while_updating")
def test_the_old_generation_serves_while_the_new_one_starts(house: House) -> None:
    house.deploy()
    (old,) = house.running()
    seen: list[object] = []
    said = Said(at=("waiting", lambda: seen.append((house.instances(), house.state()))))
    house.deploy(said=said)
    assert seen == [([old.id], "Updating")]


@pytest.mark.parametrize(
    ("break_it", "error"),
    [
        (lambda house: house.engine.behaviours.append(DIES), ResourceNotReady),
        (lambda house: setattr(house.engine, "fail_build", "no such package"), ImageBuildFailure),
        (lambda house: house.engine.behaviours.append(Behaviour(refuses=OutOfQuota)), OutOfQuota),
        (lambda house: house.engine.behaviours.append(SILENT), OperationTimedOut),
        (lambda house: house.engine.behaviours.append(Behaviour(refuses=KeyError)), KeyError),
    ],
    ids=["dies", "build fails", "does not start", "never answers", "bug"],
)
@pytest.mark.row("deployment.serves_while_updating")
def test_a_failed_update_keeps_the_old_generation(
    house: House, break_it: Callable[[House], object], error: type[Exception]
) -> None:
    before = house.deploy()
    (old,) = house.running()
    break_it(house)
    (house.code / "requirements.txt").write_text("numpy\n")
    with pytest.raises(error):
        house.deploy(liveness_probe=QUICK_PROBE)
    after = house.deployment()
    assert after.provisioning_state == "Failed"
    assert after.error is not None
    assert after.error["message"]
    assert after.generation == 1
    assert (after.image, after.models) == (before.image, before.models)
    assert house.running() == [old]
    assert house.instances() == [old.id]
    assert house.layouts() == ["iris/blue/1"]
    assert house.workspace.endpoints.get("iris").traffic == {"blue": 100}


def test_a_success_after_a_failed_update_clears_the_error(house: House) -> None:
    house.deploy()
    house.engine.behaviours.append(DIES)
    with pytest.raises(ResourceNotReady, match=r"FileNotFoundError.*src/score.py, line 2"):
        house.deploy()
    deployment = house.deploy()
    assert (deployment.provisioning_state, deployment.error, deployment.generation) == ("Succeeded", None, 3)


# the first one fails


def test_a_failed_first_deployment_is_visible_and_can_be_deployed_again(house: House) -> None:
    house.register()
    house.engine.behaviours.append(DIES)
    with pytest.raises(ResourceNotReady) as caught:
        house.deploy(models=["m"])
    assert caught.value.log_tail.splitlines() == list(INIT_RAISES)
    assert "amlemu tree" in caught.value.hint
    failed = house.deployment()
    assert (failed.provisioning_state, failed.serving) == ("Failed", False)
    assert failed.error is not None
    assert failed.error["code"] == "ResourceNotReady"
    assert house.workspace.endpoints.get("iris").traffic == {}
    assert (house.running(), house.layouts()) == ([], [])
    assert list(house.workspace.deployments.get_logs("iris", None, tail=None, follow=True)) == list(INIT_RAISES)
    again = house.deploy()
    assert (again.provisioning_state, again.models) == ("Succeeded", ())
    assert house.workspace.endpoints.get("iris").traffic == {"blue": 100}
    assert len(house.instances()) == 1


def test_a_second_failure_tells_of_the_second_attempt(house: House) -> None:
    house.register()
    house.engine.behaviours += [DIES, Behaviour(exit_code=1, log=("other",))]
    with pytest.raises(ResourceNotReady):
        house.deploy()
    with pytest.raises(ResourceNotReady):
        house.deploy(models=["m"], environment_variables={"NEW": "1"})
    failed = house.deployment()
    assert failed.models == ("m:1",)
    assert revealed(failed.environment_variables) == {"NEW": "1"}
    assert failed.error is not None
    assert failed.error["message"] == "the container exited with code 1 before it answered"


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        (Behaviour(exit_code=137, oom_killed=True), "ran out of memory"),
        (Behaviour(exit_code=9, log=()), "exited with code 9"),
        (Behaviour(exit_code=100, log=("A required package azureml-inference-server-http is missing.",)), "missing"),
    ],
)
def test_why_a_container_died(house: House, behaviour: Behaviour, told: str) -> None:
    house.engine.behaviours.append(behaviour)
    with pytest.raises(OutOfQuota if behaviour.oom_killed else ResourceNotReady, match=told):
        house.deploy()


@pytest.mark.parametrize("tail", [0, 1, 3, 100])
@pytest.mark.row("deployment.log_of_a_failure")
def test_the_kept_log_of_a_failure_has_a_tail(house: House, tail: int) -> None:
    house.engine.behaviours.append(DIES)
    with pytest.raises(ResourceNotReady):
        house.deploy()
    lines = list(house.workspace.deployments.get_logs("iris", "blue", tail=tail, follow=False))
    assert lines == list(INIT_RAISES)[max(0, 4 - tail) :]


def test_the_log_of_the_instance_that_died_is_kept(house: House) -> None:
    house.engine.behaviours += [Behaviour(log=("well",)), DIES]
    with pytest.raises(ResourceNotReady):
        house.deploy(instance_count=2)
    assert house.running() == []
    lines = list(house.workspace.deployments.get_logs("iris", "blue", tail=None, follow=False))
    assert lines == list(INIT_RAISES)


def test_an_instance_that_dies_while_another_becomes_ready_is_noticed(house: House) -> None:
    """The first is ready at once; it dies before the second is."""
    late = Behaviour(ready=False)
    house.engine.behaviours += [Behaviour(), late]

    def after_start() -> None:
        def later() -> None:
            first, second = house.engine.containers()
            house.engine.die(first.container.id)
            second.behaviour = Behaviour()

        threading.Timer(0.1, later).start()

    with pytest.raises(ResourceNotReady, match="exited with code 137"):
        house.deploy(instance_count=2, said=Said(at=("waiting", after_start)))
    assert house.running() == []


def test_an_engine_that_went_away(house: House) -> None:
    house.engine.unavailable = True
    with pytest.raises(EngineUnavailable):
        house.deploy()
    assert house.state() == "Failed"
    house.engine.unavailable = False
    assert house.deploy().provisioning_state == "Succeeded"


def test_a_gateway_that_refuses_the_swap_leaves_the_old_generation(house: House) -> None:
    house.deploy()
    (old,) = house.running()

    def refuse() -> None:
        house.gateway.refuses = BadArgument("the port is gone")

    with pytest.raises(BadArgument, match="the port is gone"):
        house.deploy(said=Said(at=("waiting", refuse)))
    assert house.running() == [old]
    assert house.workspace.endpoints.running("iris", "blue") == (old,)
    assert house.deployment().generation == 1
    assert house.layouts() == ["iris/blue/1"]


# what is wrong before anything is made


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        ({"models": ["nope"]}, ResourceNotFound, "no model named 'nope'"),
        ({"scoring_script": "other.py"}, BadArgument, "does not exist"),
        ({"environment": "nope:1"}, ResourceNotFound, "no environment named 'nope'"),
        ({"environment": "/nope/conda.yml"}, BadArgument, "does not exist"),
        ({"code": "/nope"}, BadArgument, "does not exist"),
    ],
)
def test_a_bad_request_makes_nothing(
    house: House, changes: dict[str, Any], error: type[EmulatorError], told: str
) -> None:
    with pytest.raises(error, match=told):
        house.deploy(**changes)
    assert house.workspace.endpoints.list_names() == []
    assert (house.engine.builds, house.running(), house.layouts()) == ([], [], [])


@pytest.mark.row("script.syntax", "script.functions")
def test_an_invalid_script_is_refused_at_once(house: House) -> None:
    (house.code / "conda.yml").write_text("dependencies: [python=3.10]\n")
    (house.code / "score.py").write_text("def init(:\n")
    with pytest.raises(ResourceNotReady, match=r"SyntaxError: invalid syntax \(score.py, line 1\)"):
        house.deploy()
    (house.code / "score.py").write_text("def init(): ...\n")
    with pytest.raises(ResourceNotReady, match=r"score.py does not define run\(\)"):
        house.deploy()


@pytest.mark.parametrize("python", ["3.99", "3.100"])
def test_a_newer_python_may_know_more_syntax(house: House, python: str) -> None:
    (house.code / "score.py").write_text("def init(:\n")
    (house.code / "conda.yml").write_text(f"dependencies: [python={python}]\n")
    assert house.deploy().provisioning_state == "Succeeded", "the container decides"


@pytest.mark.parametrize("python", ["3.6", "3.8", "3.9"])
def test_an_older_python_knows_no_more(house: House, python: str) -> None:
    (house.code / "score.py").write_text("def init(:\n")
    (house.code / "conda.yml").write_text(f"dependencies: [python={python}]\n")
    with pytest.raises(ResourceNotReady, match="SyntaxError"):
        house.deploy()


def test_a_script_that_the_ignore_file_leaves_out(house: House) -> None:
    (house.code / ".amlignore").write_text("score.py\n")
    with pytest.raises(BadArgument, match="leaves the scoring script out"):
        house.deploy()
    assert house.deploy("pets", target="aks").provisioning_state == "Succeeded", "v1 sends everything"


def test_a_folder_keeps_its_name_however_it_is_spelled(house: House, tmp_path: Path) -> None:
    deployment = house.deploy(code=f"{tmp_path}/src/sub/..")
    assert deployment.code_configuration.code == str(tmp_path / "src")
    assert [path for path, _ in house.workspace.deployments.tree("iris", None)] == ["src/score.py"]
    assert house.engine.variables()["AML_APP_ROOT"] == "/var/azureml-app/src"


# one at a time


def test_two_operations_on_one_endpoint(house: House) -> None:
    house.engine.block_builds = threading.Event()
    first = threading.Thread(target=house.deploy)
    first.start()
    assert house.engine.building.wait(5)
    try:
        for operation in (
            house.deploy,
            lambda: house.deploy(name="green"),
            lambda: house.workspace.deployments.delete_endpoint("iris"),
            lambda: house.workspace.deployments.delete("iris", "blue"),
            lambda: house.workspace.endpoints.update_traffic("iris", {"blue": 100}),
            lambda: house.workspace.endpoints.regenerate_keys("iris", "primary"),
        ):
            with pytest.raises(OperationInProgress, match="another operation on endpoint 'iris'"):
                operation()
        assert house.workspace.endpoints.get("iris").provisioning_state == "Creating"
        assert house.state() == "Creating"
    finally:
        house.engine.block_builds.set()
        first.join()
    assert house.state() == "Succeeded"
    assert house.deploy().generation == 2


def test_two_endpoints_at_once(house: House) -> None:
    """Each waits until the other has come as far as itself."""
    together = threading.Barrier(2, timeout=10)
    names = ("iris", "pets")
    threads = [
        threading.Thread(target=house.deploy, args=(name, Said(at=("waiting", together.wait)))) for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [house.state(name) for name in names] == ["Succeeded", "Succeeded"]
    assert {route.port for route in house.gateway.routes.values()} == {18100, 18101}


def test_many_new_endpoints_at_once_get_a_port_each(tmp_path: Path) -> None:
    house = House(tmp_path, ports=range(18100, 18112))
    together = threading.Barrier(12, timeout=10)

    def create(name: str) -> None:
        together.wait()
        house.deploy(name)

    threads = [threading.Thread(target=create, args=(f"end{n}",)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    house.settle()
    assert sorted(endpoint.port for endpoint in house.store.endpoints()) == list(range(18100, 18112))


# cancel

STEPS = ["environment:", "building the environment", "laying out", "starting 1 container", "waiting"]


@pytest.mark.parametrize("step", STEPS)
def test_a_canceled_first_deployment_leaves_nothing(house: House, step: str) -> None:
    house.engine.block_builds = None if step != "building the environment" else threading.Event()
    house.engine.behaviour = SILENT
    said = Said()
    said.at = (step, said.canceled.set)
    with pytest.raises(OperationCanceled):
        house.deploy(said=said)
    assert any(text.startswith(step) for text in said.steps)
    assert (house.running(), house.layouts()) == ([], [])
    assert house.state() == "Canceled"
    house.engine.behaviour, house.engine.block_builds = Behaviour(), None
    assert house.deploy().provisioning_state == "Succeeded"


@pytest.mark.parametrize("step", STEPS)
def test_a_canceled_update_leaves_the_old_generation(house: House, step: str) -> None:
    before = house.deploy()
    (old,) = house.running()
    (house.code / "requirements.txt").write_text("numpy\n")
    said = Said()
    said.at = (step, said.canceled.set)
    house.engine.block_builds = threading.Event() if step == "building the environment" else None
    house.engine.behaviour = SILENT
    with pytest.raises(OperationCanceled):
        house.deploy(said=said)
    assert house.running() == [old]
    assert house.instances() == [old.id]
    assert house.layouts() == ["iris/blue/1"]
    assert house.deployment() == before


def test_a_probe_that_never_passes(house: House) -> None:
    house.engine.behaviour = SILENT
    with pytest.raises(OperationTimedOut, match="within 2 s"):
        house.deploy(liveness_probe=QUICK_PROBE)
    assert (house.running(), house.layouts()) == ([], [])


def test_a_container_that_is_removed_while_it_starts(house: House) -> None:
    house.engine.behaviour = SILENT

    def remove() -> None:
        (container,) = house.running()
        house.engine.remove(container.id)

    with pytest.raises(ResourceNotReady, match="was removed while it started"):
        house.deploy(said=Said(at=("waiting", remove)))


# a debugger


@pytest.mark.parametrize(
    "file",
    [
        "../conda.yml",
        "../requirements.txt",
        "../environment/conda.yaml",
        "conda_env.yml",
        "environment/conda.yaml",
        "requirements-prod.txt",
        "my_environment.yaml",
        "pyproject.toml",
    ],
)
def test_a_file_nearby_that_is_not_used_is_named(house: House, file: str) -> None:
    """Many take it for granted that their conda file is found."""
    path = house.code / file
    path.parent.mkdir(exist_ok=True)
    path.write_text("dependencies: [python=3.9]\n")
    told = [text for text in texts(house.deploy().differences) if "built-in default environment" in text]
    assert told == [
        f"the built-in default environment was taken, and not {file} (from the script): --environment names one"
    ]


def test_files_nearby_are_not_mentioned_if_one_is_used(house: House) -> None:
    (house.code / "conda_env.yml").write_text("dependencies: [python=3.9]\n")
    assert any("built-in default" in text for text in texts(house.deploy().differences))
    (house.code / "requirements.txt").write_text("azureml-inference-server-http\n")
    assert not any("built-in default" in text for text in texts(house.deploy().differences))


def test_a_debugger_is_added_with_a_difference(house: House) -> None:
    deployment = house.deploy(debug_port=5678, instance_count=2)
    assert "debugpy" in house.engine.builds[0].requirements
    assert "debugpy is in the environment, because of --debug" in texts(deployment.differences)
    assert [running.spec.debug_port for running in house.engine.containers()] == [5678, None]


def test_a_failed_update_on_the_same_debug_port_brings_the_old_one_back(house: House) -> None:
    house.deploy(debug_port=5678)
    (old,) = house.running()
    house.engine.behaviours.append(DIES)
    with pytest.raises(ResourceNotReady):
        house.deploy(debug_port=5678)
    house.settle()
    (back,) = house.running()
    assert back.name == old.name
    assert house.instances() == [back.id]
