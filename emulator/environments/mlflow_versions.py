"""The versions of libraries that an MLmodel says it was written with, against those that its environment installs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from emulator.difference import Difference, differs
from emulator.entities import Environment
from emulator.environments.conda_pypi import pypi_name
from emulator.environments.files.conda_spec import parse_spec, pip_version
from emulator.environments.hash_pins import without_hashes

# The key of a flavour that holds a version, and whose version it is (mlflow 3.17; the keys have not changed since 1.0).
_PACKAGES: Mapping[str, str] = {
    "sklearn_version": "scikit-learn",
    "xgb_version": "xgboost",
    "lgb_version": "lightgbm",
    "catboost_version": "catboost",
    "cloudpickle_version": "cloudpickle",
    "h2o_version": "h2o",
    "langchain_version": "langchain",
    "onnx_version": "onnx",
    "paddle_version": "paddlepaddle",
    "pmdarima_version": "pmdarima",
    "prophet_version": "prophet",
    "pyspark_version": "pyspark",
    "pytorch_version": "torch",
    "sentence_transformers_version": "sentence-transformers",
    "spacy_version": "spacy",
    "statsmodels_version": "statsmodels",
    "transformers_version": "transformers",
}


def version_differences(flavors: Mapping[str, Any], environment: Environment, source: str) -> list[Difference]:
    """A warning for each library of another version than the model was written with; `source` asks for the version.

    A library that the environment does not name, or whose version it leaves open, is none of them.
    """
    asked = _asked(environment)
    return [
        differs(
            "mlflow.other_version",
            f"MLmodel says that the model was written with {package} {version}, and {source} asks for"
            f" {package}{wanted}: a model of another version may not load, or answer otherwise",
        )
        for package, version in dict(_written_with(flavors)).items()
        if (wanted := asked.get(package)) is not None and not wanted.contains(version, prereleases=True)
    ]


def _written_with(flavors: Mapping[str, Any]) -> Iterator[tuple[str, Version]]:
    for flavor in flavors.values():
        for key, package in _PACKAGES.items() if isinstance(flavor, dict) else ():
            try:
                yield package, Version(str(flavor[key]))
            except (KeyError, InvalidVersion):  # some other thing than mlflow writes
                continue


def _asked(environment: Environment) -> dict[str, SpecifierSet]:
    """What the environment asks of the versions, conda's words translated; all of it where a package stands twice."""
    found: dict[str, SpecifierSet] = {}
    for line in (*map(_of_conda, environment.conda_dependencies), *environment.requirements):
        try:
            requirement = Requirement(without_hashes(line))
        except InvalidRequirement:  # an option such as --extra-index-url, or what pip has no words for
            continue
        name = canonicalize_name(requirement.name)
        found[name] = found.get(name, SpecifierSet()) & requirement.specifier
    return found


def _of_conda(text: str) -> str:
    spec = parse_spec(text)
    return pypi_name(spec.name) + pip_version(spec.version)
