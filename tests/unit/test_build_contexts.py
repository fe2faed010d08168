"""Build contexts on the disk: what changes their digest, and copies that stay as they are."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from emulator.entities import BuildContext, Environment
from emulator.errors import BadArgument
from emulator.store import Store
from emulator.store.build_contexts import copy_context, read_context


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docker"
    (folder / "sub").mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM scratch\n")
    (folder / "sub/file").write_text("content")
    (folder / "data").mkdir()
    (folder / "data/large").write_text("large")
    (folder / ".dockerignore").write_text("data\n")
    return folder


def digest(folder: Path, dockerfile_path: str = "Dockerfile") -> str:
    return read_context(BuildContext(path=str(folder), dockerfile_path=dockerfile_path)).digest


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "sub/file").write_text("Content"),
        lambda folder: (folder / "sub/file").rename(folder / "sub/other"),
        lambda folder: (folder / "sub/file").chmod(0o755),
        lambda folder: (folder / "Dockerfile").write_text("FROM other\n"),
        lambda folder: (folder / "empty").mkdir(),
        lambda folder: (folder / "link").symlink_to("sub/file"),
        lambda folder: (folder / ".dockerignore").write_text("nothing\n"),
        lambda folder: (folder / "Dockerfile.dockerignore").write_text("sub\n"),
    ],
)
def test_what_docker_would_see_decides(folder: Path, change: Callable[[Path], object]) -> None:
    before = digest(folder)
    assert digest(folder) == before
    change(folder)
    assert digest(folder) != before


def test_what_is_ignored_does_not_matter(folder: Path) -> None:
    before = digest(folder)
    (folder / "data/large").write_text("larger")
    (folder / "data/more").write_text("more")
    assert digest(folder) == before
    os.mkfifo(folder / "pipe")
    assert digest(folder) == before


def test_dockerfile_and_ignore_file_count_though_they_are_ignored(folder: Path) -> None:
    (folder / ".dockerignore").write_text("*\n")
    before = digest(folder)
    (folder / "sub/file").write_text("nobody sees it")
    assert digest(folder) == before
    (folder / "Dockerfile").write_text("FROM other\n")
    assert digest(folder) != before


def test_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("one")
    (folder / "link").symlink_to(tmp_path / "outside")
    before = digest(folder)
    (tmp_path / "outside").write_text("two")
    assert digest(folder) == before


@pytest.mark.parametrize(
    ("path", "dockerfile_path", "message"),
    [
        ("docker", "None", "the Dockerfile '.*None' does not exist"),
        ("nowhere", "Dockerfile", "the build context '.*nowhere' does not exist"),
        ("docker/Dockerfile", "Dockerfile", "is no folder"),
    ],
)
def test_what_is_not_there(folder: Path, path: str, dockerfile_path: str, message: str) -> None:
    with pytest.raises(BadArgument, match=message):
        read_context(BuildContext(path=str(folder.parent / path), dockerfile_path=dockerfile_path))


def test_a_copy_stays_as_it_is(folder: Path, tmp_path: Path) -> None:
    build = BuildContext(path=str(folder))
    copied = copy_context(build, tmp_path / "contexts")
    assert copy_context(build, tmp_path / "contexts") == copied
    kept = Path(copied.path)
    assert sorted(p.relative_to(kept).as_posix() for p in kept.rglob("*") if p.is_file()) == [
        ".dockerignore",
        "Dockerfile",
        "sub/file",
    ]
    (folder / "sub/file").write_text("changed")
    assert (kept / "sub/file").read_text() == "content"
    assert copy_context(build, tmp_path / "contexts") != copied


def test_a_copy_has_its_dockerfile_though_the_folder_is_ignored(folder: Path, tmp_path: Path) -> None:
    (folder / "data/Dockerfile").write_text("FROM scratch\n")
    copied = copy_context(BuildContext(path=str(folder), dockerfile_path="data/Dockerfile"), tmp_path / "contexts")
    assert (Path(copied.path) / "data/Dockerfile").exists()
    assert not (Path(copied.path) / "data/large").exists()


def test_contexts_that_nothing_names_are_pruned(folder: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "home")
    kept = store.keep_build_context(BuildContext(path=str(folder)))
    store.put_environment(Environment(name="e", build=kept))
    (folder / "sub/file").write_text("changed")
    gone = store.keep_build_context(BuildContext(path=str(folder)))
    assert store.prune(dry_run=True) == [f"build context {Path(gone.path).name}"]
    store.prune(dry_run=False)
    assert (Path(kept.path).exists(), Path(gone.path).exists()) == (True, False)
