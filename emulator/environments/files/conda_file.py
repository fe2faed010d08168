"""conda environment files: read here, with every fault; where their packages come from is decided later.

The packages are solved from conda channels (`emulator.engines.packaging.conda`), or translated to PyPI (`conda_pypi`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from emulator.difference import Difference, differs
from emulator.documents.yaml_document import Document, refuse
from emulator.environments.files.conda_channels import channel_problem, local_folder
from emulator.environments.files.conda_spec import parse_spec, pip_version, spec_problem
from emulator.environments.files.requirements_file import (
    Locate,
    check_requirement,
    editable_differences,
    logical_lines,
    plain_line,
)
from emulator.environments.hash_pins import unpinned_problem, wants_hashes
from emulator.errors import BadArgument, Fault
from emulator.secret import mask_credentials

CONDA_KEYS = ("name", "channels", "dependencies", "prefix", "variables")
DEFAULT_PYTHON = "3.11"

# The Pythons that a range is looked up in, the newest first; their newest patches are not known here.
_MINORS = range(14, 5, -1)
_LAST_PATCH = 99


@dataclass
class _Found:
    """What the dependencies add up to, filled line by line."""

    python_version: str = ""
    dependencies: list[str] = field(default_factory=list)
    requirements: list[str] = field(default_factory=list)
    places: list[tuple[str | int, ...]] = field(default_factory=list)  # of the requirements, in the same order
    pip_lines: list[tuple[str, str]] = field(default_factory=list)  # as they are written, each after its place
    faults: list[Fault] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)


@dataclass(frozen=True)
class CondaEnvironment:
    """A conda file: `dependencies` are its conda packages as they are written, `requirements` its pip section.

    `python_version` is the one that is named, or the likeliest of the range that is.  `channels` is empty where the
    file names none, which means conda's defaults.  `differences` says what conda passes over.
    """

    name: str
    python_version: str
    channels: tuple[str, ...]
    dependencies: tuple[str, ...]
    requirements: tuple[str, ...]
    variables: Mapping[str, str]
    differences: tuple[Difference, ...] = ()


def parse_conda(document: Document, locate: Locate = str) -> CondaEnvironment:
    """Return what a conda file says; BadDocument lists every fault.

    As conda does (`conda/env/env.py`), it passes over keys that it does not know, and takes the last pip section; but
    with such keys and no `dependencies` nothing would be installed, and they are faults.

    `locate` refuses folders that are not this document's to name as channels.

    `prefix` names a folder of the author's machine: conda ignores it for an environment that is made elsewhere, and so
    does this.
    """
    found = _Found(faults=_names(document))
    unknown = document.unknown_keys(CONDA_KEYS)
    if "dependencies" in document.data:
        found.differences += [
            differs("conda.unknown_key", f"{f.where}: {f.message}; conda ignores it, and so is done here")
            for f in unknown
        ]
    else:  # an environment of nothing serves nobody: what was written must have been meant
        found.faults += unknown
    channels = _channels(document, locate, found.faults)
    dependencies = document.data.get("dependencies")
    if dependencies is None or isinstance(dependencies, list):
        passed_over = _passed_over(dependencies or [], document, found)
        for index, item in enumerate(dependencies or []):
            if index in passed_over:
                continue
            _dependency(item, ("dependencies", index), document, locate, found)
    else:
        found.faults.append(document.fault(("dependencies",), "must be a list"))
    found.differences += editable_differences(found.pip_lines)
    found.faults += _not_pinned(document, found)
    variables = _variables(document, found.faults)
    refuse(document, found.faults)
    return CondaEnvironment(
        name=str(document.data.get("name") or ""),
        python_version=found.python_version or DEFAULT_PYTHON,
        channels=channels,
        dependencies=tuple(found.dependencies),
        requirements=tuple(found.requirements),
        variables=variables,
        differences=tuple(found.differences),
    )


def _passed_over(dependencies: list[Any], document: Document, found: _Found) -> list[int]:
    """Return the pip sections that count for nothing: all but the last, and the last where it is empty."""
    sections = [index for index, item in enumerate(dependencies) if isinstance(item, dict) and set(item) == {"pip"}]
    passed_over = sections[:-1]
    for index in passed_over:
        items = dependencies[index]["pip"]
        named = ", ".join(mask_credentials(str(item)) for item in items) if isinstance(items, list) else str(items)
        where = document.fault(("dependencies", index), "").where
        told = f"of several pip sections conda takes the last, and so is done here: not installed are {named}"
        found.differences.append(differs("conda.several_pip_sections", f"{where}: {told}"))
    if sections and not dependencies[sections[-1]]["pip"]:
        where = document.fault(("dependencies", sections[-1]), "").where
        text = f"{where}: the pip section is empty: conda installs nothing of pip's, nor is it here"
        found.differences.append(differs("conda.empty_pip_section", text))
        passed_over.append(sections[-1])
    return passed_over


def _not_pinned(document: Document, found: _Found) -> list[Fault]:
    """Requirements that cannot stand beside others with hashes."""
    if not wants_hashes(found.requirements):
        return []
    told = zip(found.places, map(unpinned_problem, found.requirements), strict=True)
    return [document.fault(place, problem) for place, problem in told if problem]


def _names(document: Document) -> list[Fault]:
    return [
        document.fault((key,), "must be a text")
        for key in ("name", "prefix")
        if isinstance(document.data.get(key), dict | list)
    ]


def _channels(document: Document, locate: Locate, faults: list[Fault]) -> tuple[str, ...]:
    channels = document.data.get("channels")
    if channels is None:
        return ()
    if not isinstance(channels, list):
        faults.append(document.fault(("channels",), "must be a list of channels"))
        return ()
    for index, channel in enumerate(channels):
        problem = f"'{channel}' is not the name of a channel"
        if isinstance(channel, str):
            problem = channel_problem(channel) or _out_of_reach(channel.strip(), locate)
        if problem:
            faults.append(document.fault(("channels", index), problem))
    return tuple(str(channel).strip() for channel in channels)


def _out_of_reach(channel: str, locate: Locate) -> str:
    """Return why a folder is not this document's to name as a channel, '' where it may."""
    folder = local_folder(channel)
    try:
        if folder is not None:
            locate(folder)
    except BadArgument as error:
        return error.message
    return ""


def _dependency(item: Any, path: tuple[str | int, ...], document: Document, locate: Locate, found: _Found) -> None:
    if isinstance(item, dict) and set(item) == {"pip"}:
        _pip_section(item["pip"], (*path, "pip"), document, found)
        return
    problem = spec_problem(item) if isinstance(item, str) else spec_problem(str(item), is_text=False)
    if problem:
        found.faults.append(document.fault(path, problem))
        return
    spec = parse_spec(item)
    if problem := _out_of_reach(spec.channel, locate):
        found.faults.append(document.fault(path, problem))
    if spec.name == "python":
        _python(spec.version, path, document, found)
    found.dependencies.append(item.strip())


def _pip_section(items: Any, path: tuple[str | int, ...], document: Document, found: _Found) -> None:
    if not isinstance(items, list):
        found.faults.append(document.fault(path, "must be a list of requirements"))
        return
    for index, item in enumerate(items):
        # conda writes the items into a requirements file for pip: one may be continued on a further line.
        for line in [line for _, line in logical_lines(str(item))] or [""]:
            if problem := check_requirement(line):
                found.faults.append(document.fault((*path, index), problem))
            else:
                found.requirements.append(plain_line(line))
                found.pip_lines.append((document.fault((*path, index), "").where, line))
                found.places.append((*path, index))


def _python(version: str, path: tuple[str | int, ...], document: Document, found: _Found) -> None:
    found.python_version = named_python(version) or _python_within(version)
    if version and not found.python_version:
        found.faults.append(
            document.fault(path, f"'python{version}' must name a version of Python 3, as in python=3.11")
        )


def named_python(version: str) -> str:
    """Return the Python that a condition names, '' for a range.

    >>> named_python("=3.8"), named_python("==3.9.16"), named_python(">=3.8,<3.10")
    ('3.8', '3.9', '')
    """
    exact = re.fullmatch(r"={0,2}\s*(3\.\d+)(\..*|=.*|\s.*)?", version)
    return exact[1] if exact else ""


def _python_within(version: str) -> str:
    """Return the Python for a condition such as >=3.8,<3.11: the default one, else the newest; '' when none fits."""
    try:
        wanted = SpecifierSet(pip_version(version))
    except InvalidSpecifier:
        return ""
    fitting = [f"3.{minor}" for minor in _MINORS if any(f"3.{minor}.{patch}" in wanted for patch in (0, _LAST_PATCH))]
    return DEFAULT_PYTHON if DEFAULT_PYTHON in fitting else next(iter(fitting), "")


def _variables(document: Document, faults: list[Fault]) -> dict[str, str]:
    variables = document.data.get("variables")
    if variables is None:
        return {}
    if not isinstance(variables, dict):
        faults.append(document.fault(("variables",), "must be a mapping of names to texts"))
        return {}
    for name in variables:
        if variables[name] is None or isinstance(variables[name], dict | list):
            faults.append(document.fault(("variables", str(name)), "must be a text"))
    return {str(name): str(value) for name, value in variables.items()}
