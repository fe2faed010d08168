"""Select the specification for an environment: packages, an existing image, or a build context."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from emulator.difference import Difference
from emulator.entities import BuildContext, Environment
from emulator.environments.base_images import ImageChoices
from emulator.environments.existing_image import (
    BuildContextSpec,
    ContextContent,
    ExistingImageSpec,
    build_context_spec,
    existing_image_spec,
)
from emulator.environments.image_spec import ImageSpec, image_spec
from emulator.environments.system_libraries import library_differences

AnyImageSpec = ImageSpec | ExistingImageSpec | BuildContextSpec
"""Packages that are installed into an image, an image as it is, or one built from a Dockerfile."""

ReadContext = Callable[[BuildContext], ContextContent]
"""Gives the content of a build context; raises BadArgument."""

# Without them the image has the command of the one that it is built on.
_START = re.compile(r"^(ENTRYPOINT|CMD) .*\n", re.MULTILINE)


def select_spec(
    environment: Environment,
    launcher: str,
    choices: ImageChoices,
    read_context: ReadContext,
    mlflow_script: str = "",
    mirrors: Mapping[str, str] = MappingProxyType({}),
) -> tuple[AnyImageSpec, tuple[Difference, ...]]:
    """Return what the environment's image is made of, and where that departs from what it names.

    Raises BadArgument for what cannot be the name of an image, and for a build context that is not there.
    """
    environment, told = choices.base_images.in_environment(environment)
    environment = environment.model_copy(update={"platform": environment.platform or choices.platform})
    if environment.python_version is not None:
        libraries = () if environment.conda_dependencies else library_differences(environment.requirements)
        return _installed(image_spec(environment, launcher, mlflow_script, mirrors), environment), (*told, *libraries)
    if environment.build is None:
        return existing_image_spec(environment), told
    content = read_context(environment.build)
    dockerfile, told = choices.base_images.in_dockerfile(content.dockerfile)
    return build_context_spec(environment, content, dockerfile), told


def _installed(spec: ImageSpec, environment: Environment) -> ImageSpec:
    if environment.runs_own_command:
        spec = _changed(replace(spec, dockerfile=_START.sub("", spec.dockerfile)), "own command")
    if environment.platform:
        spec = _changed(replace(spec, platform=environment.platform), environment.platform)
    return spec


def _changed(spec: ImageSpec, how: str) -> ImageSpec:
    return replace(spec, digest=hashlib.sha256(f"{spec.digest} {how}".encode()).hexdigest())
