"""Repositories as users of Azure ML have them, run without a change, on every engine that can run them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from amlemu_process import Environ, amlemu, json_of
from repository import ENGINES, REPOSITORIES, Repository, read_repositories, read_repository
from sample_run import check_requests

ALL = read_repositories()


def runs() -> list[object]:
    """Every repository on every engine that can run it."""
    return [
        pytest.param(one, engine, id=f"{one.id}-{engine}", marks=[pytest.mark.docker] if engine == "docker" else [])
        for engine in ENGINES
        for one in ALL
        if engine in one.engines
    ]


@pytest.fixture
def environ(engine: str, repository: Repository, shell_of: Callable[[str], Environ]) -> Iterator[Environ]:
    """The engine's shell; the endpoint is gone afterwards."""
    environ = shell_of(engine)
    yield environ
    amlemu(environ, "delete", repository.endpoint, "--yes", code=None)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("repository", "engine"), runs())
def test_a_repository_serves(environ: Environ, repository: Repository, engine: str, tmp_path: Path) -> None:
    folder = shutil.copytree(repository.folder, tmp_path / repository.folder.name)
    for words in repository.commands:
        amlemu(environ, *words, cwd=folder)
    endpoint = json_of(environ, "show", repository.endpoint)
    check_endpoint(endpoint, repository, engine)
    check_requests(environ, repository, folder, endpoint)


def check_endpoint(endpoint: Mapping[str, Any], repository: Repository, engine: str) -> None:
    """What the commands were to make is there."""
    assert (endpoint["target"], endpoint["traffic"]) == (repository.target, dict(repository.traffic))
    states = {(d["provisioning_state"], d["engine"]) for d in endpoint["deployments"]}
    assert states == {("Succeeded", engine)}
    told = [text for deployment in endpoint["deployments"] for text in deployment["differences"]]
    for difference in repository.differences:
        assert any(text.startswith(difference) for text in told), (difference, told)


def test_every_folder_has_a_document() -> None:
    folders = {path.name for path in REPOSITORIES.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert {one.folder.name for one in ALL} == folders


def test_endpoints_do_not_meet() -> None:
    names = [one.endpoint for one in ALL]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("endpoint: e", "endpoint: e\nengine: docker", "engine"),
        ("traffic: {}", "", "traffic"),
        ("engines: [docker]", "engines: [podman]", "engines are"),
        ("requests: [{name: r, method: GET, path: /, expect: {status: 200}}]", "requests: []", "there must be requests"),
    ],
)
def test_a_document_with_a_fault_is_refused(tmp_path: Path, old: str, new: str, named: str) -> None:
    good = """
description: d
endpoint: e
steps: ["deploy -f 'a file.yml'"]
traffic: {}
engines: [docker]
requests: [{name: r, method: GET, path: /, expect: {status: 200}}]
"""
    file = tmp_path / "steps.yml"
    file.write_text(good)
    assert read_repository(file).commands == [["deploy", "-f", "a file.yml"]]
    file.write_text(good.replace(old, new))
    with pytest.raises(ValueError, match=named):
        read_repository(file)
