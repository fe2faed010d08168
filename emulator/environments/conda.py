"""conda environment files, resolved from PyPI: every translated name is a difference.

Solving conda channels for real is another matter; here a conda package becomes the PyPI package of that name, or the
one that the table below names, or a Debian package where the thing is not Python.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from emulator.documents import Document, refuse
from emulator.environments.requirements import check_requirement
from emulator.errors import Fault

CONDA_KEYS = ("name", "channels", "dependencies", "prefix", "variables")
DEFAULT_PYTHON = "3.11"

# conda name → PyPI name, where they differ; None: nothing to install.
PYPI_NAMES: Mapping[str, str | None] = {
    "blas": None,
    "ca-certificates": None,
    "cpuonly": None,
    "cudatoolkit": None,
    "intel-openmp": None,
    "libblas": None,
    "libgcc-ng": None,
    "libgomp": None,
    "libstdcxx-ng": None,
    "matplotlib-base": "matplotlib",
    "mkl": None,
    "nomkl": None,
    "onnx-runtime": "onnxruntime",
    "openssl": None,
    "pip": None,
    "py-opencv": "opencv-python-headless",
    "opencv": "opencv-python-headless",
    "py-xgboost": "xgboost",
    "pytables": "tables",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-cuda": None,
    "pyyaml": "pyyaml",
    "tensorflow-base": "tensorflow",
    "xgboost-cpu": "xgboost",
    "zlib": None,
}
# conda name → Debian packages, for what is not a Python package.
SYSTEM_PACKAGES: Mapping[str, tuple[str, ...]] = {
    "ffmpeg": ("ffmpeg",),
    "gcc": ("gcc", "libc6-dev"),
    "git": ("git",),
    "graphviz": ("graphviz",),
    "gxx": ("g++",),
    "libsndfile": ("libsndfile1",),
    "openjdk": ("default-jre-headless",),
    "poppler": ("poppler-utils",),
    "tesseract": ("tesseract-ocr",),
}
_MATCH_SPEC = re.compile(
    r"(?:(?P<channel>[^:\s]+)::)?(?P<name>[A-Za-z0-9_.-]+)\s*(?P<version>[=<>!~\s][^\[]*)?(?:\[(?P<brackets>.*)\])?\s*$"
)
_BRACKET_VERSION = re.compile(r"\bversion\s*=\s*(?P<quote>['\"]?)(?P<version>[^'\"\]]+)(?P=quote)")
# The Pythons that a range is looked up in, the newest first; their newest patches are not known here.
_MINORS = range(14, 5, -1)
_LAST_PATCH = 99


@dataclass
class _Found:
    """What the dependencies add up to, filled line by line."""

    python_version: str = ""
    requirements: list[str] = field(default_factory=list)
    system_packages: list[str] = field(default_factory=list)
    translated: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


@dataclass(frozen=True)
class CondaEnvironment:
    """A conda file as pip sees it."""

    name: str
    python_version: str
    requirements: tuple[str, ...]
    system_packages: tuple[str, ...]
    variables: Mapping[str, str]
    differences: tuple[str, ...]


def parse_conda(document: Document) -> CondaEnvironment:
    """The packages of a conda file; BadDocument lists every fault."""
    found = _Found(faults=document.unknown_keys(CONDA_KEYS))
    dependencies = document.data.get("dependencies")
    if dependencies is None or isinstance(dependencies, list):
        for index, item in enumerate(dependencies or []):
            _dependency(item, ("dependencies", index), document, found)
    else:
        found.faults.append(document.fault(("dependencies",), "must be a list"))
    variables = _variables(document, found.faults)
    refuse(document, found.faults)
    return CondaEnvironment(
        name=str(document.data.get("name") or ""),
        python_version=found.python_version or DEFAULT_PYTHON,
        requirements=tuple(found.requirements),
        system_packages=tuple(found.system_packages),
        variables=variables,
        differences=tuple(_differences(found)),
    )


def _dependency(item: Any, path: tuple[str | int, ...], document: Document, found: _Found) -> None:
    if isinstance(item, dict) and set(item) == {"pip"}:
        _pip_section(item["pip"], (*path, "pip"), document, found)
        return
    match = _MATCH_SPEC.match(item.strip()) if isinstance(item, str) else None
    if match is None or re.match(r"\s+[A-Za-z]", match["version"] or ""):
        found.faults.append(
            document.fault(path, f"'{item}' is not a conda package: name, name=version or name>=version")
        )
        return
    version = (match["version"] or "").strip()
    if in_brackets := _BRACKET_VERSION.search(match["brackets"] or ""):
        version = in_brackets["version"].strip()
    _conda_package(match["name"].lower(), version, path, document, found)


def _pip_section(items: Any, path: tuple[str | int, ...], document: Document, found: _Found) -> None:
    if not isinstance(items, list):
        found.faults.append(document.fault(path, "must be a list of requirements"))
        return
    for index, item in enumerate(items):
        line = str(item).strip()
        problem = check_requirement(line)
        if problem:
            found.faults.append(document.fault((*path, index), problem))
        else:
            found.requirements.append(line)


def _conda_package(name: str, version: str, path: tuple[str | int, ...], document: Document, found: _Found) -> None:
    if name == "python":
        _python(version, path, document, found)
    elif name in SYSTEM_PACKAGES:
        found.system_packages += [p for p in SYSTEM_PACKAGES[name] if p not in found.system_packages]
        found.translated.append(f"{name} → Debian's {' '.join(SYSTEM_PACKAGES[name])}")
    elif PYPI_NAMES.get(name, name) is not None:
        pypi = str(PYPI_NAMES.get(name, name))
        requirement = pypi + pip_version(version)
        problem = _no_alternatives(name, version) or check_requirement(requirement)
        if problem:
            found.faults.append(document.fault(path, problem))
            return
        found.requirements.append(requirement)
        found.translated.append(name if name == pypi else f"{name} → {pypi}")
    elif name != "pip":
        found.translated.append(f"{name} → left out")


def _no_alternatives(name: str, version: str) -> str | None:
    return f"'{name}{version}' gives a choice with '|', which pip has not: name one version" if "|" in version else None


def _python(version: str, path: tuple[str | int, ...], document: Document, found: _Found) -> None:
    exact = re.fullmatch(r"={0,2}\s*(3\.\d+)(\..*|=.*|\s.*)?", version)
    if exact:
        found.python_version = exact[1]
    elif version:
        found.python_version = _python_within(version)
        if found.python_version:
            found.differences.append(f"'python{version}' is Python {found.python_version} here")
        else:
            found.faults.append(
                document.fault(path, f"'python{version}' must name a version of Python 3, as in python=3.11")
            )


def _python_within(version: str) -> str:
    """The Python for a condition such as >=3.8,<3.11: the default one, else the newest; '' when none fits."""
    try:
        wanted = SpecifierSet(pip_version(version))
    except InvalidSpecifier:
        return ""
    fitting = [f"3.{minor}" for minor in _MINORS if any(f"3.{minor}.{patch}" in wanted for patch in (0, _LAST_PATCH))]
    return DEFAULT_PYTHON if DEFAULT_PYTHON in fitting else next(iter(fitting), "")


def pip_version(version: str) -> str:
    """conda's version condition in pip's spelling, without the build.

    >>> pip_version("=1.23"), pip_version("=1.23.5=py38h1_0"), pip_version("==1.23.5"), pip_version(">=1.2,<2")
    ('==1.23.*', '==1.23.5', '==1.23.5', '>=1.2,<2')
    >>> pip_version("1.23.*"), pip_version("1.23.5 py38_0"), pip_version(">=1.2.*"), pip_version("")
    ('==1.23.*', '==1.23.5', '>=1.2', '')
    """
    with_build = re.fullmatch(r"(?P<version>={0,2}\s*[^\s=<>!~,|]+)(\s*=\s*|\s+)[^\s=<>!~,|]+", version)
    if with_build:
        return f"=={with_build['version'].lstrip('= ')}"
    version = version.replace(" ", "")
    if version in ("", "*", "=*"):
        return ""
    if fuzzy := re.fullmatch(r"=([^=<>!~,|]+)", version):
        return f"=={fuzzy[1].removesuffix('.*').removesuffix('*')}.*"
    if version[0] not in "=<>!~":
        version = f"=={version}"
    return re.sub(r"([<>]=?|~=)([^,|]*?)\.\*", r"\1\2", version)


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


def _differences(found: _Found) -> list[str]:
    if not found.translated:
        return found.differences
    translated = f"conda packages are resolved from PyPI, not from conda channels: {', '.join(found.translated)}"
    return [translated, *found.differences]
