"""An environment as a file of Azure ML's: a base image with conda, and a conda file that names what ran here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from emulator.entities import ANONYMOUS, Environment
from emulator.environments import CURATED_REGISTRY, DEFAULT_ENVIRONMENT, find_curated
from emulator.environments.conda_pypi import FROM_PYPI, SYSTEM_PACKAGES
from emulator.exports.result import Change, content_number
from emulator.exports.source import placeholder
from emulator.exports.yaml_text import yaml_text
from emulator.secret import MASK, mask_credentials

# azureml-core 1.61.0, core/environment.py: what Azure ML's own environments are built upon, with conda in it.
BASE_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest"
SCHEMA = "https://azuremlschemas.azureedge.net/latest/environment.schema.json"
# The masked credentials of a URL: the URL is exported without them.
_MASKED_USER = re.compile(rf"(?<=//){re.escape(MASK)}@|/t/{re.escape(MASK)}(?=/|\s|$)")

_HEAD = "What this deployment ran with in amlemu."


@dataclass(frozen=True)
class ExportedEnvironment:
    """An environment in its own file, `document` without the paths of what lies beside it.

    `conda` is the conda file's text, '' without one; `is_built` says that a build context goes along.
    """

    name: str
    version: str
    document: dict[str, Any]
    conda: str
    is_built: bool
    changes: tuple[str, ...]

    def part(self, folder: str) -> dict[str, Any]:
        """The environment's part of a deployment's file, or its own file; its files lie in `folder`."""
        found = {"name": self.name, "version": self.version} | self.document
        if self.conda:
            found["conda_file"] = f"{folder}/conda.yml"
        if self.is_built:
            found["build"] = {"path": f"{folder}/context"} | found["build"]
        return {key: value for key, value in found.items() if value}

    def changes_of(self, file: str) -> list[Change]:
        """The changes, of that file."""
        return [Change(file, text) for text in self.changes]


def exported_environment(
    environment: Environment, endpoint: str, *, is_registered: bool, has_values: bool
) -> ExportedEnvironment:
    """The environment with a name and a version that the cloud can register.

    One that is registered here with the same content keeps both; else the version is made of the content, so that
    another content never meets a version that is taken.  Without `has_values` its secrets are masked ones.
    """
    text = _conda_text(environment, has_values=has_values) if environment.python_version else ""
    masked = text if has_values else mask_credentials(text)
    conda = _MASKED_USER.sub("", masked)
    image = environment.image or ("" if environment.build else BASE_IMAGE)
    config = environment.inference_config
    document = {
        "image": image,
        "build": {"dockerfile_path": environment.build.dockerfile_path} if environment.build else None,
        "inference_config": config.model_dump(mode="json") if config else None,
        "description": environment.description,
        "tags": environment.tags,
    }
    nameless = environment.name in (ANONYMOUS, DEFAULT_ENVIRONMENT.name)
    # What came from PyPI alone is read again as a conda file, which is another content.
    is_same = bool(environment.conda_dependencies) or environment.python_version is None
    is_same = is_same and image == (environment.image or "") and conda == masked
    is_same = is_same and (has_values or not (environment.variables or MASK in conda))
    keeps = is_registered and is_same and not nameless
    return ExportedEnvironment(
        name=f"{endpoint}-environment" if nameless else environment.name,
        version=environment.version if keeps else content_number(image, conda, str(config), str(environment.build)),
        document=document,
        conda=conda,
        is_built=environment.build is not None,
        changes=tuple(_changes(environment, masked, has_values=has_values)),
    )


def curated_reference(environment: Environment, *, is_registered: bool) -> str:
    """Return the cloud's reference to a curated environment that is used as published; '' for any other."""
    curated = find_curated(environment.name)
    if is_registered or environment.image or not curated or curated.packages != environment.requirements:
        return ""
    label = "labels" if environment.version == "latest" else "versions"
    return f"azureml://registries/{CURATED_REGISTRY}/environments/{environment.name}/{label}/{environment.version}"


def _changes(environment: Environment, masked: str, *, has_values: bool) -> list[str]:
    found = []
    if environment.python_version and environment.image is None:
        here = f"python:{environment.python_version}-slim"
        found.append(f"image: {here} here; the cloud installs a conda file on an image with conda, such as this one")
    if _MASKED_USER.search(masked):
        found.append("conda_file: user and password of a package index or a channel are left out: name one without")
    if MASK in _MASKED_USER.sub("", masked):
        found.append(f"conda_file: {MASK} stands for a credential that is not exported: put the true one there")
    if environment.variables and environment.python_version and not has_values:
        names = ", ".join(environment.variables)
        found.append(
            f"conda_file: the values of {names} are not exported: put them in, or export with --include-values"
        )
    found += [f"conda_file: {difference}" for difference in environment.differences if difference.code == FROM_PYPI]
    return found


def _conda_text(environment: Environment, *, has_values: bool) -> str:
    """The conda file as it was, where its packages came from channels; else one with the packages from PyPI."""
    variables = {n: value.reveal() if has_values else placeholder(n) for n, value in environment.variables.items()}
    pip = [{"pip": list(environment.requirements)}] if environment.requirements else []
    if environment.conda_dependencies:
        dependencies = [*environment.conda_dependencies, *pip]
        document = {"channels": list(environment.channels), "dependencies": dependencies}
        return yaml_text([_HEAD], {**document, "variables": variables})
    conda, rest = _conda_names(environment.system_packages)
    document = {
        "channels": ["conda-forge"],
        "dependencies": [f"python={environment.python_version}", *conda, *(["pip"] if pip else []), *pip],
    }
    missing = [f"Debian packages that conda has no name for: {' '.join(rest)}"] if rest else []
    return yaml_text([_HEAD, *missing], {**document, "variables": variables})


def _conda_names(packages: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Return conda's names for Debian packages, and the packages without one."""
    found = [name for name, debian in SYSTEM_PACKAGES.items() if set(debian) <= set(packages)]
    covered = {package for name in found for package in SYSTEM_PACKAGES[name]}
    return found, [package for package in packages if package not in covered]
