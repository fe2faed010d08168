"""The emulator begins again: what runs is brought in line with what should; and cleaning up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from core_support import House, Said
from fake_engine import Behaviour, FakeEngine

from emulator.containers.spec import ContainerSpec
from emulator.entities import OnlineDeployment
from emulator.errors import EngineUnavailable, OperationCanceled


def crashed(house: House, **changes: object) -> OnlineDeployment:
    """The deployment as an emulator leaves it that ends in the middle of an operation."""
    deployment = house.deployment().model_copy(update=changes)
    house.store.put_deployment(deployment)
    return deployment


def test_survivors_are_adopted(house: House) -> None:
    house.deploy(instance_count=2)
    before = house.running()
    again = house.restarted()
    again.workspace.reconcile()
    again.settle()
    assert again.running() == before
    assert again.instances() == [container.id for container in before]
    assert again.engine.builds == []
    assert again.gateway.routes["iris"].keys == house.gateway.routes["iris"].keys
    assert again.state() == "Succeeded"


def test_the_missing_are_started_again_from_their_layout(house: House) -> None:
    house.register()
    house.deploy(models=["m"], environment_variables={"A": "1"})
    house.workspace.models.archive("m", "1")
    variables = house.engine.variables()
    house.workspace.deployments.stop_all()
    again = house.restarted()
    again.workspace.reconcile()
    assert "iris" in again.gateway.routes, "published at once, with what there is"
    again.settle()
    assert again.engine.variables() == variables
    assert len(again.instances()) == 1
    assert again.state() == "Succeeded"
    assert again.deployment().generation == 1


def test_all_deployments_of_an_endpoint_come_back(house: House) -> None:
    for name in ("blue", "green", "red"):
        house.deploy(name=name)
    house.workspace.deployments.stop_all()
    again = house.restarted()
    again.workspace.reconcile()
    again.settle()
    assert [again.state(name=name) for name in ("blue", "green", "red")] == ["Succeeded"] * 3
    assert all(len(again.instances(name=name)) == 1 for name in ("blue", "green", "red"))


def test_one_of_two_instances_is_not_enough(house: House) -> None:
    house.deploy(instance_count=2)
    house.engine.die(house.running()[1].id)
    again = house.restarted()
    again.workspace.reconcile()
    again.settle()
    assert len(again.running()) == 2
    assert all(container.running for container in again.running())
    assert len(again.instances()) == 2


def test_the_dead_are_started_again(house: House) -> None:
    house.deploy()
    house.engine.die(house.running()[0].id)
    again = house.restarted()
    again.workspace.reconcile()
    again.settle()
    (container,) = again.running()
    assert container.running


def test_orphans_are_removed_and_strangers_left(house: House) -> None:
    house.deploy()
    (mine,) = house.running()
    other = FakeEngine("another-workspace", house.engine.world)
    other.images = house.engine.images
    spec = next(iter(house.engine.world.values())).spec
    stranger = other.start(renamed(spec, "theirs"))
    house.engine.start(renamed(spec, "orphan", generation="7"))
    again = house.restarted()
    again.workspace.reconcile()
    assert {running.container.id for running in again.engine.containers()} == {mine.id, stranger.id}


def renamed(spec: ContainerSpec, name: str, generation: str = "1") -> ContainerSpec:
    return replace(spec, name=name, labels=dict(spec.labels) | {"amlemu.generation": generation})


def test_a_half_done_first_deployment_has_failed(house: House) -> None:
    house.deploy()
    crashed(house, provisioning_state="Creating", serving=False)
    endpoint = house.workspace.endpoints.get("iris")
    house.store.put_endpoint(endpoint.model_copy(update={"provisioning_state": "Creating", "traffic": {}}))
    again = house.restarted()
    again.workspace.reconcile()
    again.settle()
    deployment = again.deployment()
    assert deployment.provisioning_state == "Failed"
    assert deployment.error is not None
    assert "the emulator ended" in deployment.error["message"]
    assert again.running() == []
    assert again.workspace.endpoints.get("iris").provisioning_state == "Succeeded"
    assert again.deploy().provisioning_state == "Succeeded"


def test_an_interrupted_update_leaves_the_old_generation(house: House) -> None:
    house.deploy()
    (old,) = house.running()
    crashed(house, provisioning_state="Updating")
    again = house.restarted()
    again.workspace.reconcile()
    again.settle()
    assert again.running() == [old]
    assert again.instances() == [old.id]
    assert again.state() == "Succeeded"


def test_a_failed_update_still_serves_after_a_restart(house: House) -> None:
    house.deploy()
    house.engine.behaviours.append(Behaviour(exit_code=1))
    with pytest.raises(Exception, match="exited with code 1"):
        house.deploy()
    again = house.restarted()
    again.workspace.reconcile()
    again.settle()
    assert again.state() == "Failed"
    assert len(again.instances()) == 1


def test_a_failed_restore_is_retried_at_the_next_start(house: House) -> None:
    house.deploy()
    house.workspace.deployments.stop_all()
    again = house.restarted()
    again.engine.behaviour = Behaviour(exit_code=1)
    again.workspace.reconcile()
    again.settle()
    assert again.state() == "Failed"
    assert again.instances() == []
    assert again.layouts() == ["iris/blue/1"]
    third = again.restarted()
    third.workspace.reconcile()
    third.settle()
    assert third.state() == "Succeeded"
    assert third.deployment().error is None


def test_an_image_that_is_gone_is_built_again(house: House) -> None:
    (house.code / "requirements.txt").write_text("numpy\n")
    house.deploy()
    house.workspace.deployments.stop_all()
    house.engine.images.clear()
    again = house.restarted()
    again.workspace.reconcile()
    again.settle()
    assert again.state() == "Succeeded"
    assert [build.requirements for build in again.engine.builds] == [("numpy",)]


def test_an_image_that_a_newer_emulator_builds_otherwise(house: House) -> None:
    """Its recipe is part of the digest: the deployment takes the new one."""
    house.deploy()
    house.workspace.deployments.stop_all()
    document = house.deployment()
    environment = house.store.find_image_environment(document.image)
    assert environment is not None
    old = "0" * 64
    house.store.put_image_environment(old, environment)
    crashed(house, image=old)
    house.engine.images.clear()
    again = house.restarted()
    again.workspace.reconcile()
    again.settle()
    assert again.deployment().error is None
    assert again.deployment().image == document.image
    assert len(again.instances()) == 1
    third = again.restarted()
    third.workspace.reconcile()
    third.settle()
    assert third.engine.builds == []


def test_an_image_whose_environment_is_not_known(house: House) -> None:
    house.deploy()
    house.workspace.deployments.stop_all()
    crashed(house, image="1" * 64)
    again = house.restarted()
    again.workspace.reconcile()
    again.settle()
    deployment = again.deployment()
    assert deployment.provisioning_state == "Failed"
    assert deployment.error is not None
    assert deployment.error["code"] == "ImageBuildFailure"


def blocked(house: House, deploy: Callable[[], object], during: Callable[[], object]) -> None:
    """Run `during` while a deploy waits in its build."""
    house.engine.block_builds = threading.Event()
    house.engine.building.clear()
    thread = threading.Thread(target=deploy)
    thread.start()
    assert house.engine.building.wait(5)
    try:
        during()
    finally:
        house.engine.block_builds.set()
        thread.join()


def test_a_deploy_waits_for_a_restore(house: House) -> None:
    house.deploy()
    house.workspace.deployments.stop_all()
    again = house.restarted()
    again.engine.images = {}
    said = Said()
    again.engine.block_builds = threading.Event()
    again.workspace.reconcile()
    assert again.engine.building.wait(5)
    thread = threading.Thread(target=again.deploy, args=("iris", said))
    thread.start()
    while not said.steps:
        threading.Event().wait(0.005)
    assert said.steps == ["waiting: the emulator is bringing this endpoint back"]
    again.engine.block_builds.set()
    thread.join()
    again.settle()
    assert again.deployment().generation == 2
    assert len(again.running()) == 1


def test_a_restore_waits_for_another_deploy(house: House) -> None:
    """The deploy came first; the other deployment of the endpoint must not be forgotten for that."""
    house.deploy()
    house.deploy(name="green")
    house.workspace.deployments.stop_all()
    again = house.restarted()
    (again.code / "requirements.txt").write_text("numpy\n")
    blocked(again, lambda: again.deploy(name="green"), again.workspace.reconcile)
    again.settle()
    assert len(again.instances(name="blue")) == 1
    assert len(again.instances(name="green")) == 1
    assert again.deployment(name="green").generation == 3


def test_an_unavailable_engine_is_reported(house: House) -> None:
    house.engine.unavailable = True
    with pytest.raises(EngineUnavailable):
        house.workspace.reconcile()


# prune


def test_prune_keeps_used_files_and_images(house: House) -> None:
    (house.code / "requirements.txt").write_text("numpy\n")
    house.register()
    deployed = house.deploy(models=["m"])
    file = house.folder / "env.yml"
    file.write_text("name: sk\ndependencies: [python=3.9]\n")
    environments = house.workspace.environments
    environments.register(environments.read(file))
    registered = environments.digests()  # from its channels, from PyPI
    (house.code / "requirements.txt").write_text("scipy\n")
    unused = house.deploy("pets").image
    house.workspace.deployments.delete_endpoint("pets")
    house.settle()
    assert house.workspace.prune(dry_run=True) == [f"image {unused[:8]}"]
    assert unused in house.engine.images
    assert house.workspace.prune(dry_run=False) == [f"image {unused[:8]}"]
    assert house.engine.prunes[-1] == {deployed.image, *registered}
    assert house.layouts() == ["iris/blue/1"]
    ((_, content),) = house.workspace.models.files("m")
    assert content.exists()


def test_prune_waits_for_running_operations(house: House) -> None:
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.extend(house.workspace.prune(dry_run=False)))

    def during() -> None:
        thread.start()
        thread.join(0.1)
        assert thread.is_alive()

    blocked(house, house.deploy, during)
    thread.join(5)
    house.settle()
    assert not thread.is_alive()
    assert said == []
    assert len(house.instances()) == 1
    assert house.layouts() == ["iris/blue/1"]


def test_prune_waits_for_a_model_that_is_being_registered(house: House) -> None:
    """A content that no version names yet would look unused."""
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.extend(house.workspace.prune(dry_run=False)))

    def while_it_is_created() -> None:
        thread.start()
        thread.join(0.1)
        assert thread.is_alive()

    house.when_asked = while_it_is_created
    house.register()
    thread.join(5)
    assert not thread.is_alive()
    assert said == []
    ((_, content),) = house.workspace.models.files("m")
    assert content.exists()


def test_a_canceled_deployment_leaves_nothing_to_prune(house: House) -> None:
    said = Said()
    said.at = ("waiting", said.canceled.set)
    house.engine.behaviour = Behaviour(ready=False)
    with pytest.raises(OperationCanceled):
        house.deploy(said=said)
    assert house.workspace.prune(dry_run=True) == []
