"""A repository's own words: `tests/repositories/<name>/steps*.yml`, read strictly.

The other files of such a folder are what a user of Azure ML has, in Azure's own forms; they are run as they are.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from sample import Request, read_part

REPOSITORIES = Path(__file__).parent
ENGINES = ("process", "docker")


@dataclass(frozen=True)
class Repository:
    """One document; `id` is the folder's name, with the document's own middle name where it has one.

    `steps` are commands of amlemu, run in a copy of the folder.  After them `endpoint` is there with `traffic`, and its
    deployments tell `differences`, each by its beginning.
    """

    id: str
    folder: Path
    description: str
    endpoint: str
    steps: tuple[str, ...]
    traffic: Mapping[str, int]
    requests: tuple[Request, ...]
    target: str = "managed"
    engines: tuple[str, ...] = ENGINES
    differences: tuple[str, ...] = field(default=())

    @property
    def commands(self) -> list[list[str]]:
        """The words of each step."""
        return [shlex.split(step) for step in self.steps]


def read_repositories() -> list[Repository]:
    """Every document of every folder."""
    return [read_repository(file) for file in sorted(REPOSITORIES.glob("*/steps*.yml"))]


def read_repository(file: Path) -> Repository:
    """The repository that a document describes; ValueError for a key that is unknown or missing."""
    data = dict(yaml.safe_load(file.read_text(encoding="utf-8")))
    middle = file.name.removeprefix("steps").removesuffix(".yml")
    data |= {"id": file.parent.name + middle, "folder": file.parent}
    repository: Repository = read_part(Repository, data, str(file))
    if not repository.requests or not set(repository.engines) <= set(ENGINES):
        raise ValueError(f"{file}: there must be requests, and engines are {', '.join(ENGINES)}")
    return repository
