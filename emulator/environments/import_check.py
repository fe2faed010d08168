"""The import check at the end of a build, and its report.  The program is images/scoring/check_imports.py.

A package that cannot be imported fails the build: the scoring script would fail in the same way, only later.  Where the
reason lies in the machine (a library of the system, a GPU's driver or a Java runtime that is missing), it is a
difference: the image that the cloud builds upon may have it, and a script may never import the package.  So it is in
every environment that is not the user's to edit: a curated one, or what stands for a prebuilt image.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement

from emulator.difference import Difference, differs
from emulator.environments.files.conda_spec import parse_spec
from emulator.environments.hash_pins import without_hashes
from emulator.errors import ImageBuildFailure

if TYPE_CHECKING:
    from emulator.environments.image_spec import ImageSpec

_FAILED = re.compile(r"amlemu: (?P<told>package (?P<package>\S+) cannot be imported .*)")
_NUMPY = re.compile(r"numpy\.dtype size changed|multiarray failed to import|_ARRAY_API|compiled using NumPy 1")
_NOT_IMPORTED = ("python", "pip", "setuptools", "wheel")


def names_of(requirements: Iterable[str]) -> list[str]:
    """Return the packages that requirement lines name; options name none.

    >>> names_of(["--pre", "Flask[async]>=2", "x @ https://host/x.whl"])
    ['Flask', 'x']
    """
    return [requirement.name for requirement in packages_of(requirements)]


def packages_of(requirements: Iterable[str]) -> list[Requirement]:
    """Return the requirement lines that name a package, parsed; options name none."""
    found = []
    for line in requirements:
        try:
            found.append(Requirement(without_hashes(line)))
        except InvalidRequirement:
            continue
    return found


def asked_imports(spec: ImageSpec, folder: str, lock: str) -> bytes:
    """Return the file that says what to import in an environment that lies at `folder`, with the packages of `lock`.

    Of a package that the user has given by its URL alone only the lock has the name.
    """
    named = names_of([*spec.requirements, *(line for line in lock.splitlines() if " @ " in line)])
    conda = [parse_spec(text).name for text in spec.conda.dependencies] if spec.conda else []
    asked = {
        "pip": [name for name in dict.fromkeys(named) if name not in _NOT_IMPORTED],
        "conda": [name for name in conda if name not in _NOT_IMPORTED],
        "variables": dict(spec.variables),
        "library_path": f"{folder}/lib" if spec.conda else "",
        # Nobody can mend an environment that is not theirs, and a script may do without the package.
        "nothing_fails": bool(spec.setting),
    }
    return json.dumps(asked).encode()


def import_differences(report: str, setting: str) -> tuple[Difference, ...]:
    """Return what the report tells beside failures: modules that cannot be imported on this machine.

    `setting` replaces the packages, '' where they are the user's own.

    Where it lies, what is imported can write as well: ImageBuildFailure when it is not a report of ours.
    """
    try:
        noted = json.loads(report)["noted"] if report else ()
        mend = f"; {setting} of amlemu.toml replaces the packages of this environment" * bool(setting)
        return tuple(
            differs(
                "packages.not_importable", f"package {package} cannot be imported here (import {module}): {why}{mend}"
            )
            for package, module, why in noted
        )
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        message = "the imports of the packages could not be checked: a package changed the report"
        raise ImageBuildFailure(message) from error


def import_failure(lines: Sequence[str]) -> ImageBuildFailure | None:
    """The error of a build whose output says that packages cannot be imported; None when it says no such thing."""
    found = [match for match in map(_FAILED.search, lines) if match]
    told = list(dict.fromkeys(match["told"] for match in found))
    if not told:
        return None
    hint = "pin a version of it, or of what it imports, that goes with the others"
    if any(_NUMPY.search(text) for text in told):
        hint = "it was built for numpy 1: name numpy<2 beside it, or a newer version of it"
    return ImageBuildFailure("; ".join(told), hint=hint, log_tail="\n".join(told))
