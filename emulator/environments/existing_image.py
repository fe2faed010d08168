"""Specifications of images into which nothing is installed: an existing one, or one built from a Dockerfile."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

from emulator.entities import Environment
from emulator.environments.image_spec import check_reference


@dataclass(frozen=True)
class ExistingImageSpec:
    """An image that runs as it is.

    `name` is the image's in a registry or on this machine, `platform` Docker's word for what it must be made for, None
    for what the engine takes by itself.  `digest` names what is asked for; a tag moves, so the Image that an engine
    makes of it has the digest of the image that was found.
    """

    digest: str
    name: str = field(repr=False)
    platform: str | None = None

    @property
    def dockerfile(self) -> str:
        """The same in a Dockerfile's words."""
        return f"FROM {self.name}\n"


@dataclass(frozen=True)
class ContextContent:
    """What a build context holds: the digest of all that .dockerignore leaves, and the Dockerfile's text."""

    digest: str
    dockerfile: str


@dataclass(frozen=True)
class BuildContextSpec:
    """An image built from the user's Dockerfile.

    `context` is the absolute folder, `dockerfile_path` the Dockerfile's path below it, `dockerfile` its text with base
    images as the settings have them, `substituted` whether that differs from the file.  `digest` is the sha256 of all
    that decides what is built: an unchanged context is not built again.  Images that FROM names may move
    nevertheless, as they may in the cloud.
    """

    digest: str
    context: str
    dockerfile_path: str
    dockerfile: str = field(repr=False)
    substituted: bool = False
    platform: str | None = None


def existing_image_spec(environment: Environment) -> ExistingImageSpec:
    """Return the specification of an environment that is an image alone; BadArgument for what cannot be its name."""
    name = check_reference(environment.image or "", environment.id)
    parts = {"kind": "image", "image": name, "platform": environment.platform}
    return ExistingImageSpec(_digest(parts), name, environment.platform)


def build_context_spec(environment: Environment, content: ContextContent, dockerfile: str) -> BuildContextSpec:
    """Return the specification of an environment with a build context; `dockerfile` is what is built of its text."""
    build = environment.build
    assert build is not None
    parts = {
        "kind": "build",
        "content": content.digest,
        "dockerfile_path": build.dockerfile_path,
        "dockerfile": dockerfile,
        "platform": environment.platform,
    }
    substituted = dockerfile != content.dockerfile
    return BuildContextSpec(
        _digest(parts), build.path, build.dockerfile_path, dockerfile, substituted, environment.platform
    )


def _digest(parts: dict[str, str | None]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
