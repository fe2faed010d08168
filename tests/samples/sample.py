"""A sample's own words: `samples/<name>/sample*.yml`, read strictly."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from emulator.environments import DEFAULT_ENVIRONMENT, file_beside, from_pypi, read_environment

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
ABSENT: Any = object()
"""What `json` is when the document says nothing: null is a JSON value too."""


@dataclass(frozen=True)
class Expect:
    """What must come back.

    `headers` are beginnings of values.  `json` is the whole answer, `json_members` some members of the answer, each
    whole, `json_contains` what the answer must hold at the least, `text` the whole answer as text.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = ABSENT
    json_members: Mapping[str, Any] = field(default_factory=dict)
    json_contains: Any = ABSENT
    text: str | None = None


@dataclass(frozen=True)
class Request:
    """One request; `path` is `/score`, `/swagger.json`, `/` or any other, with any query, `files` form files by field name."""

    name: str
    method: str
    path: str
    expect: Expect
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    body_file: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RegisteredModel:
    """What is registered, in this order: the n-th of a name is its version n."""

    name: str
    path: str
    type: str = "custom_model"


@dataclass(frozen=True)
class Deploy:
    """What is deployed, without `entry` and files a model alone; with `fails` it must not start, and its error or log
    must hold these texts.

    v1's files, where there are any, say the script and the target themselves.
    """

    models: tuple[str, ...]
    target: str
    environment: str | None = None
    entry: str | None = None
    files: tuple[str, ...] = ()
    model_mount_path: str | None = None
    fails: tuple[str, ...] = ()
    inference_config: str | None = None
    deployment_config: str | None = None


@dataclass(frozen=True)
class Sample:
    """One sample document; `id` is the folder's name, with the document's own middle name where it has one."""

    id: str
    folder: Path
    description: str
    models: tuple[RegisteredModel, ...]
    deploy: Deploy
    needs: tuple[str, ...]
    heavy: bool
    requests: tuple[Request, ...]
    train: str | None = None
    python: str | None = None


def read_samples() -> list[Sample]:
    """Every sample of the repository."""
    return [read_sample(file) for file in sorted(SAMPLES.glob("*/sample*.yml"))]


def read_sample(file: Path) -> Sample:
    """The sample that a document describes; ValueError for a key that is unknown or missing."""
    data = dict(yaml.safe_load(file.read_text(encoding="utf-8")))
    middle = file.name.removeprefix("sample").removesuffix(".yml")
    data |= {"id": file.parent.name + middle, "folder": file.parent}
    sample: Sample = read_part(Sample, data, str(file))
    if bool(sample.deploy.fails) == bool(sample.requests):
        raise ValueError(f"{file}: a sample has requests, or a deployment that fails, and not both")
    return sample


_PARTS = {"deploy": Deploy, "expect": Expect}
_LISTS = {"models": RegisteredModel, "requests": Request}


def read_part(cls: type, data: Mapping[str, Any], where: str) -> Any:
    """The dataclass of a document's mapping; ValueError for a key that is unknown or missing."""
    fields = {f.name: f for f in dataclasses.fields(cls)}
    unknown = sorted(data.keys() - fields.keys())
    required = {f.name for f in fields.values() if f.default is dataclasses.MISSING is f.default_factory}
    missing = sorted(required - data.keys())
    if unknown or missing:
        raise ValueError(f"{where}: unknown keys {unknown}, missing keys {missing}")
    return cls(**{name: _value(name, value, where) for name, value in data.items()})


def _value(name: str, value: Any, where: str) -> Any:
    if name in _PARTS:
        return read_part(_PARTS[name], value, f"{where}: {name}")
    if name in _LISTS and not all(isinstance(one, str) for one in value):
        return tuple(read_part(_LISTS[name], one, f"{where}: {name}") for one in value)
    listed = (*_LISTS, "needs", "fails", "files", "steps", "engines", "differences")
    return tuple(value) if isinstance(value, list) and name in listed else value


def training_environment(folder: Path) -> tuple[str | None, str]:
    """The Python version, None without one, and the requirement lines of what lies beside a sample's script."""
    name = file_beside(sorted(path.name for path in folder.iterdir()))
    if name is None:
        return DEFAULT_ENVIRONMENT.python_version, "\n".join(DEFAULT_ENVIRONMENT.requirements)
    text = (folder / name).read_text(encoding="utf-8")
    read = read_environment(text, name, lambda other: (folder / other).read_text(encoding="utf-8"), str(folder))
    environment = from_pypi(read)  # training needs the packages, wherever they come from
    return environment.python_version, "\n".join(environment.requirements)
