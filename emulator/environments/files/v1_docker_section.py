"""The `docker` section of v1's Environment: which image it comes to, and what of it is not acted upon."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from emulator.difference import differs, only_here
from emulator.documents.values import ANY, FLAG, LIST, SECTION, TEXT, Keys, Reading
from emulator.documents.yaml_document import Path

DEFAULT_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"
_DEFAULT_SHM = "2g"
_REGISTRY: Path = ("docker", "baseImageRegistry")
_PLATFORM: Path = ("docker", "platform")
REGISTRY_CREDENTIALS = only_here(
    "v1.registry_credentials", "its credentials are not used: `docker login` gives this machine its own"
)
_MICROSOFT = ("mcr.microsoft.com/azureml/", "mcr.microsoft.com/azureml:")

DOCKER_KEYS: Keys = {
    ("docker",): SECTION,
    ("docker", "baseImage"): TEXT,
    ("docker", "baseDockerfile"): TEXT,
    ("docker", "buildContext"): ANY,
    _REGISTRY: SECTION,
    (*_REGISTRY, "address"): TEXT,
    (*_REGISTRY, "username"): TEXT,
    (*_REGISTRY, "password"): TEXT,
    (*_REGISTRY, "registryIdentity"): ANY,
    _PLATFORM: SECTION,
    (*_PLATFORM, "os"): TEXT,
    (*_PLATFORM, "architecture"): TEXT,
    ("docker", "shmSize"): TEXT,
    ("docker", "arguments"): LIST,
    # Of runs only (azureml-core `core/environment.py`): nothing in serving reads them, there or here.
    ("docker", "sharedVolumes"): ANY,
    ("docker", "enabled"): FLAG,
    ("docker", "gpuSupport"): FLAG,
}


def image_of(values: Mapping[Path, Any], dockerfile: str | None, reading: Reading, *, is_built: bool) -> str | None:
    """Return the base image that the section names, None for the default one of amlemu.

    `dockerfile` is the text of the one beside the file, `is_built` that it is built as it is.
    """
    _settings(values, reading)
    image, inline = values.get(("docker", "baseImage")), values.get(("docker", "baseDockerfile"))
    where: Path = ("docker", "baseDockerfile")
    if image and (inline or dockerfile):
        # InferenceConfig.validate_configuration
        reading.fault(where, "only one of baseDockerfile or baseImage should be provided to the environment's docker")
        return None
    if is_built:
        return None
    if inline or dockerfile:
        return _image_of_dockerfile(str(inline or dockerfile), where, values, reading)
    if not image:
        text = f"not named: the SDK's default is {DEFAULT_IMAGE}, which this is not"
        reading.note(("docker", "baseImage"), differs("v1.default_image", text))
        return None
    if not image.startswith(_MICROSOFT) and not values.get(("inferencingStackVersion",)):
        told = "the cloud adds no serving stack to this image while inferencingStackVersion is not 'latest'"
        reading.note(("docker", "baseImage"), differs("v1.no_serving_stack", told))
    return named_image(str(image), values.get((*_REGISTRY, "address")))


def named_image(image: str, registry: str | None) -> str:
    """Return the image with its registry before it, as `docker pull` takes it.

    >>> named_image("iris:1", "https://me.azurecr.io/"), named_image("me.azurecr.io/iris:1", "me.azurecr.io")
    ('me.azurecr.io/iris:1', 'me.azurecr.io/iris:1')
    """
    host = re.sub(r"^https?://", "", registry or "").rstrip("/")
    return image if not host or image.startswith(f"{host}/") else f"{host}/{image}"


def _image_of_dockerfile(text: str, where: Path, values: Mapping[Path, Any], reading: Reading) -> str | None:
    """Return what a Dockerfile that only names an image comes to; of any other, its last image and a difference."""
    steps = _steps(text)
    images = [words[0] for step, words in steps if step == "FROM" and words]
    if not images or "$" in images[-1]:
        reading.fault(where, "the Dockerfile must name an image with FROM, without variables")
        return None
    others = sorted({step for step, _ in steps} - {"FROM"})
    if others or len(images) > 1:
        left = f"its other steps ({', '.join(others) or 'FROM'})"
        if values.get(("python", "userManagedDependencies")):
            told = f"{left} cannot be run here, and the packages are in them: build the image, and name it in baseImage"
            reading.fault(where, told)
        else:
            text = f"the packages are installed upon {images[-1]}, without {left}"
            reading.note(where, differs("v1.dockerfile_steps", text))
    return images[-1]


def _steps(text: str) -> list[tuple[str, list[str]]]:
    """(INSTRUCTION, words) of each line of a Dockerfile, options left out.

    >>> _steps("# a\\nFROM --platform=linux/amd64 ubuntu AS base\\nRUN apt-get update \\\\\\n  && true\\n")
    [('FROM', ['ubuntu', 'AS', 'base']), ('RUN', ['apt-get', 'update', '&&', 'true'])]
    """
    plain = re.sub(r"^\s*#.*\n?", "", text, flags=re.MULTILINE)
    lines = [line.split() for line in re.sub(r"\\[ \t]*\r?\n", " ", plain).splitlines()]
    return [(words[0].upper(), [w for w in words[1:] if not w.startswith("--")]) for words in lines if words]


def _settings(values: Mapping[Path, Any], reading: Reading) -> None:
    """What the section says beside its image."""
    if values.get(("docker", "buildContext")):
        told = "a build context that lies in the cloud cannot be had here: name an image in docker.baseImage"
        reading.fault(("docker", "buildContext"), told)
    if str(values.get((*_PLATFORM, "os"), "linux")).lower() != "linux":
        reading.fault((*_PLATFORM, "os"), "only Linux environments can be run")
    if str(values.get((*_PLATFORM, "architecture"), "amd64")).lower() != "amd64":
        text = "the architecture is that of this machine"
        reading.note((*_PLATFORM, "architecture"), only_here("v1.architecture", text))
    if any(values.get((*_REGISTRY, key)) for key in ("username", "password", "registryIdentity")):
        # Only that they are there is told, never what they are.
        reading.note(_REGISTRY, REGISTRY_CREDENTIALS)
    if values.get(("docker", "shmSize"), _DEFAULT_SHM) != _DEFAULT_SHM:
        text = "no effect: the container has the engine's own shared memory"
        reading.note(("docker", "shmSize"), differs("v1.shm_size", text))
    if values.get(("docker", "arguments")):
        text = "no effect: they are arguments of a run, not of a service"
        reading.note(("docker", "arguments"), differs("v1.docker_arguments", text))
