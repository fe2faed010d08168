"""Stand-ins for images of Python, where one has the real one's name: what `docker compose` builds from asks for that.

`.ci/base-image` gives it the name where no registry answers.  It is marked, so that it passes for the real one nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import docker
import docker.errors

from emulator.difference import Difference, only_here
from emulator.engines.docker.errors import docker_errors

_LABEL = "amlemu.stand_in"
# Not more: images that are built from a stand-in have its label too.
_NAMES = re.compile(r"(?<![\w./-])(?:docker\.io/)?(?:library/)?python:3\.\d+-slim-bookworm(?![\w.-])")


def is_in_disguise(client: docker.DockerClient, name: str) -> bool:
    """Whether the image of that name is here, and is the stand-in for it."""
    if not _NAMES.fullmatch(name):
        return False
    with docker_errors(f"image {name}"):
        try:
            return bool(client.images.get(name).labels.get(_LABEL))
        except docker.errors.ImageNotFound:
            return False


def base_images(client: docker.DockerClient) -> list[str]:
    """The names of the images here that environments are built upon: those of Python, and their stand-ins."""
    with docker_errors("the images"):
        tags = [tag for image in client.images.list() for tag in image.tags]
    return sorted(tag for tag in tags if _NAMES.fullmatch(tag.removeprefix("amlemu/")))


def stand_in_differences(client: docker.DockerClient, text: str) -> tuple[Difference, ...]:
    """What to say of an image that `text`, its name or its Dockerfile, makes of stand-ins."""
    names: Iterable[str] = dict.fromkeys(_NAMES.findall(text))
    return tuple(
        only_here("image.stand_in", f"image {name} is a local stand-in for it")
        for name in names
        if is_in_disguise(client, name)
    )
