"""What was deleted ends late, and never meets what is made under the same name meanwhile."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from core_support import House, Said
from fake_engine import Behaviour

from emulator.errors import EmulatorError, ResourceNotReady

COUNTER = "generations.json"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.settle()


class HeldBack:
    """The last request to what was replaced, which still runs: its container is not drained before it ends."""

    def __init__(self, house: House) -> None:
        self._ends = threading.Event()
        self.begun = threading.Event()
        house.gateway.draining = self._wait

    def _wait(self, _instance_id: str) -> None:
        self.begun.set()
        assert self._ends.wait(20)

    def end(self) -> None:
        self._ends.set()


def gone(house: House, endpoint: str = "iris", deployment: str = "blue") -> None:
    house.workspace.endpoints.update_traffic(endpoint, {})
    house.workspace.deployments.delete(endpoint, deployment)


def gone_with_its_endpoint(house: House, endpoint: str = "iris") -> None:
    house.workspace.deployments.delete_endpoint(endpoint)


def identities(house: House) -> set[tuple[str, str]]:
    """The names and the layouts of all that runs."""
    return {
        (container.name, running.spec.layout)
        for running in house.engine.containers()
        for container in [running.container]
    }


def check_serves(house: House, endpoint: str = "iris", deployment: str = "blue") -> None:
    """What is deployed runs, from a layout that is there."""
    stored = house.deployment(endpoint, deployment)
    layout = house.store.layouts.path_of(endpoint, deployment, stored.generation)
    assert (layout / "src/score.py").is_file()
    ids = {container.id for container in house.running()}
    assert set(house.instances(endpoint, deployment)) <= ids
    assert len(house.instances(endpoint, deployment)) == stored.instance_count


@pytest.mark.parametrize("delete", [gone, gone_with_its_endpoint])
def test_an_old_request_outlives_update_delete_and_deploy(house: House, delete: Callable[[House], None]) -> None:
    house.deploy()
    old = HeldBack(house)
    house.deploy()
    assert old.begun.wait(20)
    before = identities(house)
    delete(house)
    house.deploy()
    check_serves(house)
    old.end()
    house.settle()
    check_serves(house)
    assert not identities(house) & before, "nothing is called what something was called"
    assert len(house.running()) == 1
    assert len(house.layouts()) == 1


def test_nothing_is_ever_called_what_something_was_called(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deployments, endpoints, failures, restarts: names of containers, and of layouts, are drawn once."""
    seen: list[tuple[str, str]] = []

    def remember(at: House) -> None:
        start = at.engine.start
        monkeypatch.setattr(at.engine, "start", lambda spec: (seen.append((spec.name, spec.layout)), start(spec))[1])

    remember(house)
    for delete in (gone, gone_with_its_endpoint, None):
        house.deploy()
        house.deploy(name="green")
        house.engine.behaviours.append(Behaviour(exit_code=1))
        with pytest.raises(ResourceNotReady):
            house.deploy()
        house.deploy()
        house.settle()
        if delete:
            delete(house)
    house = house.restarted()
    remember(house)
    house.workspace.reconcile()
    gone_with_its_endpoint(house)
    house.deploy()
    house.settle()
    assert len(seen) == len(set(seen)) == 13


def test_names_that_read_the_same_together_are_two(house: House) -> None:
    """`iris-app` with `blue`, `iris` with `app-blue`: one name for both would end the one for the other."""
    house.deploy("iris-app", name="blue")
    house.deploy("iris", name="app-blue")
    assert len({container.name for container in house.running()}) == 2
    check_serves(house, "iris-app", "blue")
    check_serves(house, "iris", "app-blue")


def test_two_deployments_take_each_others_names(house: House) -> None:
    for name in ("blue", "green"):
        house.deploy(name=name)
    old = HeldBack(house)
    for name in ("blue", "green"):
        house.deploy(name=name)
    assert old.begun.wait(20)
    for name in ("blue", "green"):
        gone(house, deployment=name)
    for name in ("green", "blue"):
        house.deploy(name=name)
    old.end()
    house.settle()
    for name in ("blue", "green"):
        check_serves(house, deployment=name)
    assert len(house.running()) == len(house.layouts()) == 2


def test_a_failed_deploy_leaves_its_number_used(house: House) -> None:
    house.deploy()
    house.engine.behaviours.append(Behaviour(exit_code=1))
    with pytest.raises(ResourceNotReady):
        house.deploy()
    old = HeldBack(house)
    house.deploy()
    assert house.deployment().generation == 3
    old.end()
    house.settle()
    check_serves(house)


# what outlives the emulator


def test_a_kill_between_drawing_a_number_and_using_it(house: House) -> None:
    number = house.store.generations.draw()
    again = house.restarted()
    again.workspace.reconcile()
    assert again.deploy().generation == number + 1


def test_numbers_of_what_was_deleted_are_not_drawn_after_a_restart(house: House) -> None:
    house.deploy()
    last = house.deploy().generation
    house.settle()
    gone_with_its_endpoint(house)
    again = house.restarted()
    again.workspace.reconcile()
    assert again.deploy().generation > last


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_text(""),
        lambda path: path.write_text("{}"),
        lambda path: path.write_text('{"last": '),
        lambda path: path.write_text('{"last": "7"}'),
        lambda path: path.write_text('{"last": -1}'),
        lambda path: path.write_text('{"last": true}'),
        lambda path: path.write_text('{"last": 1e9}'),
        lambda path: path.write_text('{"last": 99999999999999999999999}'),
        lambda path: path.write_text("[1]"),
        lambda path: path.write_bytes(b"\xff\xfe"),
    ],
)
def test_a_damaged_document_of_numbers_costs_nothing_that_is_there(
    house: House, damage: Callable[[Path], None]
) -> None:
    house.deploy()
    house.deploy("pets")
    path = house.store.home / COUNTER
    damage(path)
    (house.store.endpoint_folder("pets") / "deployments/blue.json").write_text("damaged")
    again = House(house.folder, house.engine.world)
    assert again.store.generations.draw() == 3
    assert json.loads(path.read_text())["last"] == 3


def test_a_folder_in_its_place_is_told(house: House) -> None:
    (house.store.home / COUNTER).mkdir()
    with pytest.raises(EmulatorError, match="generations.json"):
        house.deploy()
    (house.store.home / COUNTER).rmdir()
    house.deploy()


def test_what_a_newer_version_has_written_beside_it_stays(house: House) -> None:
    path = house.store.home / COUNTER
    path.write_text('{"last": 41, "of_a_newer_version": [1]}')
    assert house.deploy().generation == 42
    assert json.loads(path.read_text()) == {"last": 42, "of_a_newer_version": [1]}


def test_a_home_from_before_goes_on_after_its_largest_number(house: House) -> None:
    for _ in range(3):
        house.deploy()
    house.settle()
    (house.store.home / COUNTER).unlink()
    again = house.restarted()
    again.workspace.reconcile()
    assert again.deployment().generation == 3
    assert again.deploy("pets").generation == 4


def test_many_draw_at_once(house: House) -> None:
    drawn: list[int] = []
    threads = [
        threading.Thread(target=lambda: drawn.extend(house.store.generations.draw() for _ in range(20)))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(drawn) == list(range(1, 121))


# what is told of them


def test_the_end_of_old_containers_is_not_told_of_the_new_endpoint(house: House) -> None:
    house.deploy()
    old = HeldBack(house)
    house.deploy()
    assert old.begun.wait(20)
    gone_with_its_endpoint(house)
    house.deploy()
    old.end()
    house.settle()
    assert house.names() == ["Pulled", "Created", "Started"]
    (pod,) = {
        json.loads(line)["InstanceId"]
        for line in house.workspace.deployments.get_event_log("iris", tail=None, follow=False)
    }
    assert pod == house.running()[0].name


def test_logs_that_came_after_the_deletion_are_not_the_new_endpoints(house: House) -> None:
    house.deploy()
    gone_with_its_endpoint(house)
    logs = house.store.logs
    for path in (logs.requests("iris"), logs.events("iris"), logs.insights("iris")):
        path.write_text('{"of": "the old one"}\n')
        path.with_name(path.name + ".1").write_text("{}\n")
    logs.keep_container("iris", "blue", ["the old one's last words"])
    logs.keep_container("iris", "green", ["the old one's last words"])
    house.deploy()
    assert "the old one" not in "".join(path.read_text() for path in (house.store.home / "logs").glob("iris.*"))
    gone(house)
    logs.keep_container("iris", "blue", ["the old one's last words"])
    house.engine.behaviours.append(Behaviour(exit_code=1, log=("the new one's",)))
    with pytest.raises(ResourceNotReady):
        house.deploy()
    assert list(house.workspace.deployments.get_logs("iris", "blue", tail=None, follow=False)) == ["the new one's"]


def test_other_endpoints_logs_stay(house: House) -> None:
    house.deploy("iris")
    house.deploy("iris-2")
    gone_with_its_endpoint(house)
    assert house.names("iris-2") == ["Pulled", "Created", "Started"]
    house.deploy("iris")
    assert house.names("iris-2") == ["Pulled", "Created", "Started"]


def test_layouts_beside_each_other_come_and_go(house: House) -> None:
    """An empty folder is removed just as somebody makes another layout in it."""
    errors: list[BaseException] = []
    layouts = house.store.layouts

    def work(first: int) -> None:
        try:
            for number in range(first, first + 150):
                path = layouts.path_of("e", "d", number)
                layouts.create(path, "azureml-models", (), ())
                layouts.remove(path)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(1000 * number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert house.layouts() == []


def test_an_update_that_fails_while_the_old_one_ends(house: House) -> None:
    house.deploy()
    old = HeldBack(house)
    house.deploy()
    assert old.begun.wait(20)
    gone(house)
    said = Said()
    house.engine.behaviours.append(Behaviour(exit_code=1))
    with pytest.raises(ResourceNotReady):
        house.deploy(said=said)
    house.deploy()
    old.end()
    house.settle()
    check_serves(house)
    assert len(house.running()) == len(house.layouts()) == 1
