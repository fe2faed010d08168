"""conda packages as PyPI has them: what stands in where no conda channel can be reached, each a difference.

A conda package becomes the PyPI package of that name, or the one that the table below names, or a Debian package where
the thing is not Python.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from packaging.utils import canonicalize_name

from emulator.difference import Difference, differs
from emulator.entities import Environment
from emulator.environments.abi_bounds import numpy_bound
from emulator.environments.conda_native import is_native
from emulator.environments.files.conda_file import named_python
from emulator.environments.files.conda_spec import CondaSpec, parse_spec, pip_version
from emulator.environments.files.requirements_file import check_requirement
from emulator.environments.import_check import names_of
from emulator.errors import BadDocument, Fault

# conda name → PyPI name, where they differ; None: nothing to install.
PYPI_NAMES: Mapping[str, str | None] = {
    "antlr-python-runtime": "antlr4-python3-runtime",
    "blas": None,
    "brotli-python": "brotli",
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
    "msgpack-python": "msgpack",
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
    "python-flatbuffers": "flatbuffers",
    "python-graphviz": "graphviz",
    "python-lmdb": "lmdb",
    "python-tzdata": "tzdata",
    "python-xxhash": "xxhash",
    "pyyaml": "pyyaml",
    "ruamel_yaml": "ruamel.yaml",
    "tensorflow-base": "tensorflow",
    "xgboost-cpu": "xgboost",
    "zlib": None,
}
_SETUPTOOLS = "setuptools<81"
FROM_PYPI = "conda.from_pypi"
"""The code of the difference that names the packages which come from PyPI."""
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


@dataclass
class _Found:
    requirements: list[str] = field(default_factory=list)
    system_packages: list[str] = field(default_factory=list)
    translated: list[str] = field(default_factory=list)
    native: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def from_pypi(environment: Environment, reason: str = "") -> Environment:
    """`environment` with its conda packages translated to requirements; one without any is returned as it is.

    `reason` says why no channel is used.  Raises BadDocument for what pip cannot express.
    """
    if not environment.conda_dependencies:
        return environment
    found = _Found()
    for text in environment.conda_dependencies:
        _package(text, environment, found)
    if found.faults:
        hint = "--conda channels takes the packages from their channels"
        raise BadDocument(f"{environment.source} cannot be resolved from PyPI", faults=found.faults, hint=hint)
    _bound(found, environment.requirements)
    _bring_setuptools(found, environment)
    return environment.model_copy(
        update={
            "requirements": (*found.requirements, *environment.requirements),
            "system_packages": (*environment.system_packages, *found.system_packages),
            "differences": (*_differences(found, reason), *environment.differences),
            "channels": (),
            "conda_dependencies": (),
        }
    )


def _package(text: str, environment: Environment, found: _Found) -> None:
    spec = parse_spec(text)
    if spec.name == "python":
        if spec.version and not named_python(spec.version):
            text = f"'python{spec.version}' is Python {environment.python_version} here"
            found.differences.append(differs("conda.python_range", text))
    elif spec.name in SYSTEM_PACKAGES:
        debian = SYSTEM_PACKAGES[spec.name]
        found.system_packages += [p for p in debian if p not in found.system_packages]
        found.translated.append(f"{spec.name} → Debian's {' '.join(debian)}")
    elif spec.name not in PYPI_NAMES and is_native(spec):
        found.native.append(spec.name)
    elif PYPI_NAMES.get(spec.name, spec.name) is not None:
        _requirement(spec, environment.source, found)
    elif spec.name != "pip":
        found.translated.append(f"{spec.name} → left out")


def _requirement(spec: CondaSpec, source: str, found: _Found) -> None:
    pypi = pypi_name(spec.name)
    requirement = pypi + pip_version(spec.version)
    problem = _no_alternatives(spec) or check_requirement(requirement)
    if problem:
        found.faults.append(Fault(problem, source, "dependencies"))
        return
    found.requirements.append(requirement)
    found.translated.append(spec.name if spec.name == pypi else f"{spec.name} → {pypi}")


def pypi_name(conda_name: str) -> str:
    """Return what PyPI calls a conda package; '' for one that is nothing of PyPI's.

    >>> pypi_name("pytorch"), pypi_name("numpy"), pypi_name("mkl")
    ('torch', 'numpy', '')
    """
    return PYPI_NAMES.get(conda_name, conda_name) or ""


def _no_alternatives(spec: CondaSpec) -> str | None:
    if "|" not in spec.version:
        return None
    return f"'{spec.name}{spec.version}' gives a choice with '|', which pip has not: name one version"


def _bound(found: _Found, others: Sequence[str]) -> None:
    bound, why = numpy_bound(found.requirements, others)
    if bound:
        found.requirements.append(bound)
        found.differences.append(differs("conda.numpy_bound", why))


def _bring_setuptools(found: _Found, environment: Environment) -> None:
    """conda's pip depends on setuptools, and conda adds pip where there is a section of its; pkg_resources is in it,
    which old packages import and which newer releases have no more.
    """
    names = {parse_spec(text).name for text in environment.conda_dependencies}
    has_pip = "pip" in names or environment.requirements
    listed = {canonicalize_name(name) for name in names_of([*found.requirements, *environment.requirements])}
    if has_pip and "setuptools" not in listed:
        found.requirements.append(_SETUPTOOLS)


def _differences(found: _Found, reason: str) -> list[Difference]:
    because = f" ({reason})" if reason else ""
    if found.native:
        told = f"conda packages that are no Python packages are left out{because}: {', '.join(found.native)}"
        found.differences.append(differs("conda.native_left_out", told))
    if not found.translated:
        return found.differences
    translated = (
        f"conda packages are resolved from PyPI, not from conda channels{because}: {', '.join(found.translated)}"
    )
    return [differs(FROM_PYPI, translated), *found.differences]
