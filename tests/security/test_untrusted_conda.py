"""conda packages are unpacked on the emulator's side: nothing of theirs runs there, reads or leaves its folder."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from conda_channel import File, add_package, index

from emulator.engines.packaging.conda import link_conda, solve_conda
from emulator.engines.packaging.conda_worker import bad_paths
from emulator.engines.packaging.python_packages import HostPackaging, read_host_packaging
from emulator.environments import ENVIRONMENT_FOLDER, CondaPackages
from emulator.errors import ImageBuildFailure

CANARY = "canary-of-the-admin-0123456789"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A document of the emulator's home."""
    file = tmp_path / "home/token.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"token": CANARY}))
    return file


@pytest.fixture
def packaging(tmp_path: Path) -> HostPackaging:
    return read_host_packaging({**os.environ, "RATTLER_CACHE_DIR": str(tmp_path / "cache")})


def link(tmp_path: Path, packaging: HostPackaging, files: Mapping[str, File]) -> Path:
    """The environment with a package of these files, beside what every environment has."""
    channel = tmp_path / "channel"
    add_package(channel, "pip", "24.0", noarch="generic")
    add_package(channel, "python", "3.11.0", files={"bin/python": File(b"#!/bin/sh\n", 0o755)})
    add_package(channel, "hostile", "1.0", files=files)
    conda = CondaPackages((index(channel),), ("python", "hostile"))
    lock = solve_conda(conda, (), "2.36", packaging, print, threading.Event())
    link_conda(lock, tmp_path / "environment", ENVIRONMENT_FOLDER, packaging, print, threading.Event())
    return tmp_path / "environment"


def test_scripts_of_packages_are_not_run(tmp_path: Path, packaging: HostPackaging) -> None:
    script = File(f"touch {tmp_path}/ran\n".encode(), 0o755)
    names = (".hostile-pre-link.sh", ".hostile-post-link.sh", ".hostile-pre-unlink.sh", "python3-config")
    files = {f"bin/{name}": script for name in names} | {"etc/conda/activate.d/hostile.sh": script}
    environment = link(tmp_path, packaging, files)
    assert (environment / "bin/.hostile-post-link.sh").exists()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("path", ["conda-meta/steal.json", "conda-meta/deeper/steal.json", "conda-meta"])
def test_a_record_that_is_a_link_is_refused(tmp_path: Path, packaging: HostPackaging, secret: Path, path: str) -> None:
    """Records are rewritten after linking: through a link it would be a document of the home, in the environment."""
    target = secret.parent if path == "conda-meta" else secret
    with pytest.raises(ImageBuildFailure, match=f"it has a file at {path}"):
        link(tmp_path, packaging, {path: File(target=str(target))})
    assert json.loads(secret.read_text()) == {"token": CANARY}


@pytest.mark.parametrize("path", ["../outside", "lib/../../outside", "../../home/token.json", "/tmp/amlemu-outside"])
def test_a_path_outside_the_environment_is_refused(
    tmp_path: Path, packaging: HostPackaging, secret: Path, path: str
) -> None:
    with pytest.raises(ImageBuildFailure):
        link(tmp_path, packaging, {path: File(b"x")})
    assert json.loads(secret.read_text()) == {"token": CANARY}
    assert not (tmp_path / "outside").exists()
    assert not Path("/tmp/amlemu-outside").exists()


def unpacked(cache: Path, listed: object, files: Mapping[str, str] = {}) -> list[str]:
    """What is wrong with a package in the cache that has this list of paths; `files` are links by their targets."""
    folder = cache / "hostile-1.0-0"
    (folder / "info").mkdir(parents=True)
    (folder / "info/paths.json").write_text(json.dumps(listed))
    for name, target in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(target)
    return bad_paths(cache, "hostile-1.0-0")


def entry(path: str, kind: str = "hardlink") -> dict[str, object]:
    return {"paths": [{"_path": path, "path_type": kind, "prefix_placeholder": "x", "file_mode": "text"}]}


def test_a_file_that_is_a_link_in_the_cache_is_refused(tmp_path: Path, secret: Path) -> None:
    """A list that calls it a file would have it copied, with a file of this machine behind it."""
    assert unpacked(tmp_path, entry("etc/steal"), {"etc/steal": str(secret)}) == ["it has a file at etc/steal"]


def test_a_file_behind_a_linked_folder_is_refused(tmp_path: Path, secret: Path) -> None:
    listed = entry("share/home/token.json")
    assert unpacked(tmp_path, listed, {"share/home": str(secret.parent)}) == ["it has a file at share/home/token.json"]


def test_links_and_files_of_honest_packages_are_taken(tmp_path: Path) -> None:
    assert unpacked(tmp_path, entry("lib/a.so", "softlink"), {"lib/a.so": "a.so.1"}) == []


def test_a_package_without_a_list_is_refused(tmp_path: Path) -> None:
    assert bad_paths(tmp_path, "hostile-1.0-0") == ["it is not in the cache"]
