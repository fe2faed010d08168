"""An environment: a base image, a Python, packages and variables."""

from __future__ import annotations

from pydantic import Field

from emulator.entities.base import Entity


class Environment(Entity):
    """What a scoring script runs in.

    `requirements` are pip requirement lines, `system_packages` Debian packages that stand in for conda packages which
    are not on PyPI.  `channels` and `conda_dependencies` are a conda file's as they are written, beside its pip section
    as `requirements`; both are empty where PyPI stands in.  `image` is the base image that the user named, None for the
    `python:X.Y` that fits.  `differences` says where this departs from what the cloud would build.  `source` names the
    file it was read from.
    """

    name: str
    version: str = "1"
    image: str | None = None
    python_version: str = Field(pattern=r"^3\.\d+$")
    requirements: tuple[str, ...] = ()
    system_packages: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    conda_dependencies: tuple[str, ...] = ()
    variables: dict[str, str] = {}
    differences: tuple[str, ...] = ()
    source: str = ""
    description: str = ""
    tags: dict[str, str] = {}

    @property
    def id(self) -> str:
        """`name:version`."""
        return f"{self.name}:{self.version}"
