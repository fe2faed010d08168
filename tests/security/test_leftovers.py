"""What a killed emulator leaves is cleared by the next one, and nothing that a document may still mean."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from core_support import House

from emulator.engines.process.containers import Containers


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.settle()


def planted(house: House, *parts: str) -> Path:
    """A layout that somebody has begun."""
    layout = house.store.home.joinpath("layouts", *parts)
    (layout / "src").mkdir(parents=True)
    (layout / "src/score.py").write_text("of a killed emulator")
    return layout


def begun_again(house: House) -> House:
    again = house.restarted()
    again.workspace.reconcile()
    again.settle()
    return again


def test_layouts_that_nothing_means_go_at_the_next_start(house: House) -> None:
    house.deploy()
    house.deploy("pets")
    for parts in (("iris", "blue", "99"), ("iris", "green", "98"), ("gone", "blue", "1"), ("iris", "blue", "x")):
        planted(house, *parts)
    again = begun_again(house)
    assert again.layouts() == ["iris/blue/1", "pets/blue/2"]
    assert not (house.store.home / "layouts/gone").exists()
    assert again.workspace.prune(dry_run=False) == []
    assert [again.state(name) for name in ("iris", "pets")] == ["Succeeded", "Succeeded"]


def test_the_layout_of_what_was_replaced_goes(house: House) -> None:
    """A kill between the swap and the end of the old generation."""
    first = house.deploy()
    house.deploy()
    house.settle()
    planted(house, "iris", "blue", str(first.generation))
    assert begun_again(house).layouts() == ["iris/blue/2"]


def test_the_layout_of_an_update_that_was_cut_off_goes_and_what_serves_stays(house: House) -> None:
    deployment = house.deploy()
    house.store.put_deployment(deployment.model_copy(update={"provisioning_state": "Updating"}))
    planted(house, "iris", "blue", "2")
    again = begun_again(house)
    assert again.layouts() == ["iris/blue/1"]
    assert again.state() == "Succeeded"


def damaged(path: Path) -> None:
    path.write_text('{"name": "bl')


def emptied(path: Path) -> None:
    path.write_text("")


def an_object_of_nothing(path: Path) -> None:
    path.write_text("{}")


def of_a_newer_version(path: Path) -> None:
    path.write_text(path.read_text().rstrip().removesuffix("}") + ', "of_a_newer_version": 1}')


def of_another_type(path: Path) -> None:
    path.write_text("[]")


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def set_aside(path: Path) -> None:
    """As `doctor --fix` does it."""
    home = next(above for above in path.parents if (above / "workspace.json").exists())
    target = home / "damaged/2026-01-01" / path.relative_to(home)
    target.parent.mkdir(parents=True)
    path.rename(target)


@pytest.mark.parametrize(
    "damage", [damaged, emptied, an_object_of_nothing, of_a_newer_version, of_another_type, a_folder, set_aside]
)
@pytest.mark.parametrize("document", ["deployments/blue.json", "endpoint.json"])
def test_what_a_damaged_document_may_mean_stays(house: House, document: str, damage: Callable[[Path], None]) -> None:
    """Asked of the store itself: what else a start makes of a damaged document is told elsewhere."""
    house.deploy()
    house.deploy("pets")
    planted(house, "pets", "blue", "77")
    damage(house.store.endpoint_folder("iris") / document)
    unused = House(house.folder, house.engine.world).store.unused_layouts()
    assert [layout.relative_to(house.store.home).as_posix() for layout in unused] == ["layouts/pets/blue/77"]


def test_a_file_in_the_place_of_the_deployments_means_anything(house: House) -> None:
    house.deploy()
    folder = house.store.endpoint_folder("iris") / "deployments"
    (folder / "blue.json").unlink()
    folder.rmdir()
    folder.write_text("")
    assert House(house.folder, house.engine.world).store.unused_layouts() == []


def test_a_document_that_only_others_can_read_means_anything(house: House) -> None:
    house.deploy()
    path = house.store.endpoint_folder("iris") / "deployments/blue.json"
    path.unlink()
    path.symlink_to(path)  # which not even root can read
    assert House(house.folder, house.engine.world).store.unused_layouts() == []


def test_a_link_in_the_place_of_a_layout_is_not_followed(house: House, tmp_path: Path) -> None:
    house.deploy()
    outside = tmp_path / "outside"
    (outside / "precious").mkdir(parents=True)
    (outside / "precious/file").write_text("mine")
    layouts = house.store.home / "layouts"
    (layouts / "iris/blue/9").symlink_to(outside)
    (layouts / "evil").symlink_to(tmp_path)
    (layouts / "iris/green").symlink_to(outside)
    begun_again(house)
    assert (outside / "precious/file").read_text() == "mine"
    assert house.code.is_dir()


def test_contents_that_were_never_whole_and_uploads_that_were_given_up_go(house: House) -> None:
    house.register()
    home = house.store.home
    (home / "files/.adding-x1").write_bytes(b"half")
    old = [home / "uploads/parts" / f"anybody.{'1' * 64}", home / "uploads/trees" / f"anybody.{'2' * 24}" / "m"]
    fresh = [home / "uploads/parts" / f"anybody.{'3' * 64}", home / "uploads/trees" / f"anybody.{'4' * 24}" / "m"]
    for path in (*old, *fresh):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("half")
    for path in (old[0], old[1].parent):
        os.utime(path, (time.time() - 7200,) * 2)
    again = begun_again(house)
    assert [path.exists() for path in (*old, *fresh)] == [False, False, True, True], "what may still go on stays"
    assert not list((home / "files").glob(".adding-*"))
    assert len(again.workspace.models.list_versions()) == 1


def test_strangers_files_stay(house: House) -> None:
    house.deploy()
    strange = [house.store.home / name for name in ("layouts/notes.txt", "notes.txt", "layouts/iris/notes.txt")]
    for path in strange:
        path.write_text("somebody's")
    begun_again(house)
    assert all(path.read_text() == "somebody's" for path in strange)


def test_a_layout_that_cannot_be_removed_keeps_nothing_from_starting(house: House) -> None:
    house.deploy()
    planted(house, "gone", "blue", "5")
    (house.store.home / "layouts/gone/blue/5/file").symlink_to("/nowhere")
    again = begun_again(house)
    assert again.state() == "Succeeded"


# the process engine's own


def test_the_process_engine_clears_what_was_being_started_and_removed(tmp_path: Path) -> None:
    containers = tmp_path / "process/containers"
    for name in (".removed-0123456789ab", "0123456789ac"):
        (containers / name / "home/deep").mkdir(parents=True)
        (containers / name / "log").write_text("half")
    foreign = containers / "0123456789ad"
    foreign.mkdir()
    (foreign / "container.json").write_text('{"workspace": "another", "id": "0123456789ad"}')
    running = containers / "0123456789ae"
    running.mkdir()
    (running / "process.json").write_text("{}")
    time.sleep(0.02)
    of_this_emulator = Containers(containers, "mine")
    time.sleep(0.02)  # longer than a tick of the file system's clock
    begun = containers / "0123456789af"
    begun.mkdir()
    of_this_emulator.remove_unfinished()
    assert sorted(containers.iterdir()) == [foreign, running, begun]
