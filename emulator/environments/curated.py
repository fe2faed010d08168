"""Curated environments: found by name or by image, rebuilt from their published packages, replaced by settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from emulator.difference import Difference, differs
from emulator.entities import Environment
from emulator.environments.curated_table import CURATED, CuratedEnvironment
from emulator.environments.files.requirements_file import check_requirement
from emulator.errors import BadArgument, did_you_mean
from emulator.names import check_asset_name

PREFIX = "AzureML-"
CURATED_REGISTRY = "azureml"
"""The registry that Microsoft publishes them in."""
LATEST = "latest"
_FIELDS = ("python_version", "packages")
_PYTHON = re.compile(r"3\.\d+")
_TAG = re.compile(r"(:[\w.-]+)?(@sha256:[0-9a-f]+)?$")


def find_curated(name: str, table: Iterable[CuratedEnvironment] = CURATED) -> CuratedEnvironment | None:
    """Return the curated environment of that name, in Azure's own case, with or without `AzureML-` before it."""
    wanted = name.removeprefix(PREFIX)
    return next((curated for curated in table if curated.name.removeprefix(PREFIX) == wanted), None)


def curated_image(image: str, table: Iterable[CuratedEnvironment] = CURATED) -> CuratedEnvironment | None:
    """Return what the prebuilt image of that name holds, whatever its tag or digest.

    >>> curated_image("mcr.microsoft.com/azureml/minimal-ubuntu20.04-py38-cpu-inference:20240101.v1").python_version
    '3.8'
    """
    name = _TAG.sub("", image)
    return next((curated for curated in table if name in curated.images), None)


def curated_environment(curated: CuratedEnvironment, version: str | None = None) -> Environment:
    """Return the environment that stands in for any `version` of the curated one; None is the latest."""
    return Environment(
        name=curated.name,
        version=version or LATEST,
        python_version=curated.python_version,
        requirements=curated.packages,
        differences=(difference(curated),),
        packages_setting=curated_setting(curated),
        source=f"the curated environment {curated.name}",
    )


def curated_setting(curated: CuratedEnvironment) -> str:
    """Return the table of amlemu.toml that replaces the packages of that curated environment."""
    return f'[curated_environments."{curated.name}"]'


def difference(curated: CuratedEnvironment) -> Difference:
    """Return what is told wherever the curated environment, or its image, is rebuilt."""
    origin = "published packages" if curated.is_published else "packages in the settings"
    packages = ", ".join(curated.packages)
    without = f"; left out: {', '.join(curated.left_out)}" if curated.left_out else ""
    text = (
        f"the curated environment {curated.name}, of whatever version, is rebuilt from its {origin}:"
        f" Python {curated.python_version}, {packages}{without}"
    )
    return differs("environment.curated_rebuilt", text)


# settings


@dataclass(frozen=True)
class CuratedMisfit:
    """What is wrong with the settings' table: `name` says with which entry and `field` with what of it, where known."""

    message: str
    name: str = ""
    field: str = ""

    @property
    def path(self) -> str:
        """What follows the name of the table in TOML's spelling."""
        return (f'."{self.name}"' if self.name else "") + (f".{self.field}" if self.field else "")


def read_curated(given: Any) -> tuple[tuple[CuratedEnvironment, ...], list[CuratedMisfit]]:
    """`given[name] = {python_version, packages}` as entries of the table, and everything that is wrong with it."""
    if not isinstance(given, Mapping):
        return (), [CuratedMisfit("must be a table of environments")]
    entries, misfits = [], []
    for name, value in given.items():
        wrong = [CuratedMisfit(message, name, field) for field, message in _faults(name, value)]
        misfits += wrong
        if not wrong:
            entries.append(
                CuratedEnvironment(name, value["python_version"], tuple(value["packages"]), is_published=False)
            )
    return tuple(entries), misfits


def with_curated(
    entries: Iterable[CuratedEnvironment], table: tuple[CuratedEnvironment, ...] = CURATED
) -> tuple[CuratedEnvironment, ...]:
    """The table with `entries` in place of those of their names, which keep their images, and before the rest."""
    own = []
    for entry in entries:
        replaced = find_curated(entry.name, table)
        own.append(replace(entry, images=replaced.images) if replaced else entry)
    return (*own, *(curated for curated in table if find_curated(curated.name, own) is None))


def _faults(name: str, value: Any) -> list[tuple[str, str]]:
    """(field, what is wrong with it)."""
    found: list[tuple[str, str]] = []
    try:
        check_asset_name(name, "environment")
    except BadArgument as error:
        found.append(("", error.message))
    if not isinstance(value, Mapping):
        return [*found, ("", f"must be a table of {' and '.join(_FIELDS)}")]
    if inner := next((key for key in value if isinstance(value[key], Mapping)), None):
        # [curated_environments.sklearn-1.5] is a table 5 in a table sklearn-1.
        return [*found, (inner, f'a name with a dot needs quotation marks: [curated_environments."{name}.{inner}"]')]
    found += [(str(key), _unknown(str(key))) for key in value if key not in _FIELDS]
    found += [(key, "is missing") for key in _FIELDS if key not in value]
    python = value.get("python_version", "3.9")
    if not (isinstance(python, str) and _PYTHON.fullmatch(python)):
        found.append(("python_version", f'must be a text such as "3.9", not {python!r}'))
    return [*found, *_faults_of_packages(value.get("packages", []))]


def _faults_of_packages(packages: Any) -> list[tuple[str, str]]:
    if not (isinstance(packages, list) and all(isinstance(line, str) for line in packages)):
        return [("packages", "must be a list of pip requirement lines")]
    problems = (check_requirement(line) for line in packages)
    return [("packages", problem) for problem in problems if problem]


def _unknown(key: str) -> str:
    near = did_you_mean(key, _FIELDS)
    return "is no field" + (f", {near}" if near else f": {', '.join(_FIELDS)}")
