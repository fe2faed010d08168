"""kill -9 of the emulator at random moments and at random steps of everything that it does."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import docker
import pytest
from amlemu_process import amlemu, new_environ
from doomed import Doomed, killed_after, killed_at, leftovers, supervisors_in
from kill_world import Deed, World

LABEL = "amlemu.workspace"
# A deed that is killed makes some steps more or fewer than the one that was measured.
LONGER = 1.1


@contextmanager
def a_doomed_world(engine: str, random: Random) -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="amlemu-survival-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        environ = new_environ(folder / "home", engine, TMPDIR=name)
        doomed = Doomed(environ, folder)
        doomed.home.mkdir(exist_ok=True)
        (folder / "code").mkdir()
        try:
            yield World(doomed, folder / "code", random)
        finally:
            doomed.stop()
            if any(doomed.home.glob("endpoints/*")):  # a check has failed
                amlemu(environ, "delete", "--all", "--yes", code=None)
            amlemu(environ, "down", code=None)


@contextmanager
def bystanders(world: World, engine: str) -> Iterator[Callable[[], None]]:
    """What is not the emulator's own, beside it; a function that checks that all of it is still as it was."""
    beside = world.doomed.home.parent / "beside"
    beside.mkdir()
    for name in (".adding-foreign", ".endpoint.json.foreign", "theirs.txt"):
        (beside / name).write_text(name)
    command = [sys.executable, "-c", "import time; time.sleep(3600)"]
    with (
        subprocess.Popen(command, env={"AMLEMU_BUILD_OF": "another-workspace"}) as process,
        foreign_containers(engine) as are_there,
    ):

        def check() -> None:
            assert {path.name: path.read_text() for path in beside.iterdir()} == {
                name: name for name in (".adding-foreign", ".endpoint.json.foreign", "theirs.txt")
            }
            assert process.poll() is None
            assert are_there()

        try:
            yield check
        finally:
            process.kill()


@contextmanager
def foreign_containers(engine: str) -> Iterator[Callable[[], bool]]:
    if engine != "docker":
        yield lambda: True
        return
    client = docker.from_env()
    try:
        image = next(i for i in client.images.list() if any(t.startswith("amlemu/python") for t in i.tags))
        labels: list[dict[str, str]] = [{LABEL: "ffffffffffff", "amlemu.endpoint": "lasting"}, {}]
        found = [client.containers.run(image.id, ["sleep", "3600"], labels=of, detach=True) for of in labels]
        try:
            yield lambda: all(client.containers.get(container.id).status == "running" for container in found)
        finally:
            for container in found:
                container.remove(force=True)
    finally:
        client.close()


def kill_and_check(world: World, make: Callable[[], Deed], took: dict[str, tuple[float, int]], random: Random) -> str:
    """Kill the emulator once in a deed, start it again, and check all that must hold; in words, what was done."""
    deed = make()
    seconds, steps = took[deed.name]
    if random.random() < 0.5:
        after = random.uniform(0, seconds * LONGER)
        told = f"{deed.name}, killed after {after:.3f} of {seconds:.3f} s"
        result, error = killed_after(world.doomed, after, deed.do)
    else:
        step = random.randint(1, max(1, int(steps * LONGER)))
        told = f"{deed.name}, killed at step {step} of {steps}"
        result, error = killed_at(world.doomed, step, deed.do)
    print(told, "-", "answered" if error is None else error.message)
    world.doomed.start()
    deed.judge(result, error)
    world.check()
    deed.mend()
    return told


def run(engine: str, seed: int, moments: int) -> None:
    """That many kills; a few of them are of what makes and removes containers, which is most of what may go wrong."""
    random = Random(seed)
    with a_doomed_world(engine, random) as world, bystanders(world, engine) as check_bystanders:
        workspace_id = world.doomed.start()["workspace_id"]
        took = dict(world.build())
        deeds = [world.deploy_new, world.update, world.delete_deployment, world.delete_endpoint]
        if moments > len(deeds):
            deeds += [world.register, world.traffic, world.regenerate_keys, world.prune]
        done = 0
        while done < moments:
            for make in random.sample(deeds, len(deeds))[: moments - done]:
                kill_and_check(world, make, took, random)
                check_bystanders()
                done += 1
        world.doomed.check_said()
        nothing_is_left(world, engine, workspace_id)
        check_bystanders()


def nothing_is_left(world: World, engine: str, workspace_id: str) -> None:
    """Once everything was deleted, `prune` and `down` leave nothing of ours but the models."""
    doomed = world.doomed
    for endpoint in doomed.client.list_endpoints():
        doomed.client.delete_endpoint(endpoint["name"])
    doomed.kill()  # and what that leaves is removed by whoever comes next
    for model in (doomed.home / "models").glob("*/*.json"):
        model.unlink()
    doomed.start()
    amlemu(doomed.environ, "prune")
    amlemu(doomed.environ, "down")
    doomed.process.wait(30)
    assert leftovers(doomed.home) == []
    assert supervisors_in(doomed.home) == []
    if engine == "docker":
        client = docker.from_env()
        try:
            assert client.containers.list(all=True, filters={"label": f"{LABEL}={workspace_id}"}) == []
        finally:
            client.close()


def test_processes_survive(survival_seed: int) -> None:
    run("process", survival_seed, 7)


@pytest.mark.docker
def test_containers_survive(survival_seed: int) -> None:
    run("docker", survival_seed + 1, 3)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_processes_survive_again_and_again(survival_seed: int) -> None:
    run("process", survival_seed + 2, 70)


@pytest.mark.slow
@pytest.mark.docker
@pytest.mark.timeout(1800)
def test_containers_survive_again_and_again(survival_seed: int) -> None:
    run("docker", survival_seed + 3, 30)
