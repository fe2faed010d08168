"""Whatever a script leaves in a folder that it may write to, the emulator can remove it, and nothing beside it."""

from __future__ import annotations

import ast
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import emulator
from emulator.engines.process.containers import Containers
from emulator.store import Store
from emulator.system.removal import remove_tree

USER = 12_345
LEVELS = 1_200


def deep(folder: Path, levels: int = LEVELS, name: str = "d") -> None:
    """Folders in each other, made as a script would: from within, so that no path is too long."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("leaf", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


def longer_than_any_path(folder: Path) -> None:
    deep(folder, 200, "n" * 200)


def without_permissions(folder: Path) -> None:
    for name in ("a", "b"):
        (folder / name / "c/d").mkdir(parents=True)
        (folder / name / "c/d/file").write_text("x")
    for path in ("a/c/d/file", "a/c/d", "a/c", "a", "b/c"):
        (folder / path).chmod(0)
    (folder / "b").chmod(0o500)


def many_names(folder: Path) -> None:
    for number in range(300):
        (folder / f"d{number}/e").mkdir(parents=True)
        (folder / f"d{number}/e/f").touch()


def strange_names(folder: Path) -> None:
    for name in (b"\xff\xfe", b"a\nb", b"-rf", b" ", b"*", b"..x", b"n" * 255):
        (folder / os.fsdecode(name)).mkdir()
        (folder / os.fsdecode(name) / "file").touch()


def things_that_are_no_files(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to(folder)
    (folder / "nowhere").symlink_to("/does/not/exist")
    (folder / "sub").mkdir()
    (folder / "sub/up").symlink_to("..")


def deep_and_closed(folder: Path) -> None:
    deep(folder, 300)
    (folder / "d/d").chmod(0)


TREES = [deep, longer_than_any_path, without_permissions, many_names, strange_names, things_that_are_no_files,
         deep_and_closed]  # fmt: skip


@contextmanager
def as_user() -> Iterator[None]:
    """Without root's right to pass over permissions, where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(USER)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that USER may write to, with a neighbour that must stay."""
    folder = Path(tempfile.mkdtemp(prefix="amlemu-removal-", dir="/tmp"))
    (folder / "neighbour").mkdir(mode=0o755)
    (folder / "neighbour/kept").write_text("kept")
    folder.chmod(0o755)
    if os.geteuid() == 0:
        os.chown(folder, USER, USER)
    yield folder
    assert (folder / "neighbour/kept").read_text() == "kept"
    assert (folder / "neighbour").stat().st_mode & 0o777 == 0o755
    remove_tree(folder)


@pytest.mark.parametrize("make", TREES, ids=lambda make: make.__name__)
def test_it_goes(place: Path, make: Callable[[Path], None]) -> None:
    doomed = place / "doomed"
    with as_user():
        doomed.mkdir()
        (doomed / "out").symlink_to(place / "neighbour")
        make(doomed)
        remove_tree(doomed)
    assert not os.path.lexists(doomed)


def test_what_is_no_folder(place: Path) -> None:
    (place / "file").write_text("x")
    (place / "link").symlink_to(place / "neighbour")
    for name in ("file", "link", "nothing"):
        remove_tree(place / name)
        assert not os.path.lexists(place / name)


def test_what_another_user_has_closed_is_said_and_all_else_goes(place: Path) -> None:
    """As an emulator that is not root finds what it may not remove."""
    if os.geteuid() != 0:
        pytest.fail("needs root, to make something of another user's")
    doomed = place / "doomed"
    (doomed / "theirs/below").mkdir(parents=True)
    (doomed / "ours").mkdir()
    (doomed / "ours/file").touch()
    os.chown(doomed, USER, USER)
    os.chown(doomed / "ours", USER, USER)
    with as_user():
        with pytest.raises(PermissionError):
            remove_tree(doomed)
        remove_tree(doomed, ignore_errors=True)
    assert [path.name for path in doomed.iterdir()] == ["theirs"]
    remove_tree(doomed)
    assert not doomed.exists()


def test_few_descriptors_do(place: Path) -> None:
    program = (
        "import resource, sys, pathlib; from emulator.system.removal import remove_tree;"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16)); sys.setrecursionlimit(100);"
        "remove_tree(pathlib.Path(sys.argv[1]))"
    )
    (place / "doomed").mkdir()
    deep(place / "doomed")
    subprocess.run([sys.executable, "-c", program, place / "doomed"], check=True)
    assert not (place / "doomed").exists()


# where the emulator removes what scripts write to


def test_a_container_whose_script_dug_deep_is_removed_and_pruned(tmp_path: Path) -> None:
    containers = Containers(tmp_path / "containers", "ours")
    _, own = containers.create_folder(for_container_user=False)
    for name in ("home", "tmp", "var-tmp"):
        deep(own / name)
    containers.discard(own.name)
    _, left = containers.create_folder(for_container_user=False)
    deep(left / "tmp")
    os.utime(left, (0, 0))
    assert len(containers.prune(dry_run=False)) == 1
    assert list((tmp_path / "containers").iterdir()) == []


def test_the_shared_folder_of_a_sink_and_a_writable_layout(tmp_path: Path) -> None:
    store = Store(tmp_path / "home")
    sink = store.sinks.of_generation("iris", "blue", 1)
    layout = store.layouts.path_of("iris", "blue", 1)
    for folder in (sink, layout):
        folder.mkdir(parents=True)
        deep(folder)
    store.sinks.remove("iris", "blue", 1)
    store.layouts.remove(layout)
    assert not sink.exists()
    assert not layout.exists()


def test_nothing_else_removes_trees() -> None:
    """A new use of shutil.rmtree would be deep again."""
    package = Path(emulator.__file__).parent
    found = set()
    for file in package.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            named = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
            imported = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
            if {named, *imported} & {"rmtree", "removedirs", "TemporaryDirectory"}:
                found.add(file.relative_to(package).as_posix())
    assert found <= {"system/removal.py"}


def test_the_test_itself_makes_what_defeats_rmtree(tmp_path: Path) -> None:
    deep(tmp_path, 1_200)
    if sys.version_info < (3, 13):
        with pytest.raises(RecursionError):
            shutil.rmtree(tmp_path / "d")
    remove_tree(tmp_path / "d")
    assert stat.S_ISDIR(tmp_path.stat().st_mode)
