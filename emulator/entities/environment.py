"""An environment: a base image, a Python, packages and variables; or an image as it is; or a Dockerfile."""

from __future__ import annotations

import posixpath
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PrivateAttr

from emulator.entities.base import Differences, Entity, check_local_path, rule
from emulator.names import check_asset_name, check_environment_version
from emulator.secret import Secret

ANONYMOUS = "CliV2AnonymousEnvironment"  # azure-ai-ml's own name for an inline one (row environment.anonymous_version)


def _check_route_path(path: str) -> str:
    if not path.startswith("/") or not path.isprintable() or " " in path:
        raise ValueError(f"'{path}' is not the path of a route: it begins with '/' and has no spaces")
    return path


class Route(Entity):
    """Where a container answers: its own port, and a path."""

    port: int = Field(ge=1, le=65535)
    path: Annotated[str, AfterValidator(_check_route_path)]


class InferenceConfig(Entity):
    """The three routes of a custom container (row custom.taken: all of them, or no block)."""

    liveness_route: Route
    readiness_route: Route
    scoring_route: Route

    @property
    def is_azureml(self) -> bool:
        """Return whether these are the routes of Azure ML's own server (row custom.routes_needed)."""
        return self == AZUREML_ROUTES

    @property
    def ports(self) -> tuple[int, ...]:
        """Return the ports of the routes, that of the scoring route first."""
        routes = (self.scoring_route, self.readiness_route, self.liveness_route)
        return tuple(dict.fromkeys(route.port for route in routes))


AZUREML_ROUTES = InferenceConfig(
    liveness_route=Route(port=5001, path="/"),
    readiness_route=Route(port=5001, path="/"),
    scoring_route=Route(port=5001, path="/score"),
)


def check_dockerfile_path(path: str) -> str:
    """Return the normalized `path` if it stays below its build context, else raise ValueError."""
    plain = posixpath.normpath(path.replace("\\", "/"))
    if posixpath.isabs(plain) or plain.split("/")[0] in ("", ".", "..") or "\0" in path:
        raise ValueError(f"'{path}' is not the path of a Dockerfile below the build context")
    return plain


class BuildContext(Entity):
    """A folder with a Dockerfile: `path` is absolute, `dockerfile_path` below it, with '/'."""

    path: Annotated[str, rule(check_local_path)]
    dockerfile_path: Annotated[str, AfterValidator(check_dockerfile_path)] = "Dockerfile"


def _check_platform(platform: str) -> str:
    if not re.fullmatch(r"linux/[a-z0-9_]+(/v[0-9]+)?", platform):
        raise ValueError(f"'{platform}' is not a container platform such as linux/amd64")
    return platform


Platform = Annotated[str, AfterValidator(_check_platform)]
"""Docker's word for what an image is made for, such as linux/amd64."""


def _check_name(name: str) -> str:
    return check_asset_name(name, "environment")


class Environment(Entity):
    """What a scoring script, or a server of the user's own, runs in.

    `requirements` are pip requirement lines, `system_packages` Debian packages that stand in for conda packages which
    are not on PyPI.  `channels` and `conda_dependencies` are a conda file's as they are written, beside its pip section
    as `requirements`; both are empty where PyPI stands in.  `image` is the base image that the user named, None for the
    `python:X.Y` that fits.  Without `python_version` nothing is installed: `image` runs as it is, or what `build`
    makes.  `platform` None is the engine's own.  `no_code` is the kind of model for which the script is in the image.
    `packages_setting` is the setting that replaces the packages of an environment which is not the user's to edit, ''
    for the user's own.  `differences` says where this departs from what the cloud would build.  `source` names the file
    it was read from.
    """

    name: Annotated[str, rule(_check_name)]
    version: Annotated[str, rule(check_environment_version)] = "1"
    image: str | None = None
    build: BuildContext | None = None
    python_version: str | None = Field(None, pattern=r"^3\.\d+$")
    requirements: tuple[str, ...] = ()
    system_packages: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    conda_dependencies: tuple[str, ...] = ()
    variables: dict[str, Secret] = {}
    inference_config: InferenceConfig | None = None
    platform: Platform | None = None
    no_code: Literal["mlflow"] | None = None
    packages_setting: str = ""
    differences: Differences = ()
    source: str = ""
    description: str = ""
    tags: dict[str, str] = {}

    @property
    def id(self) -> str:
        """Return `name:version`; `name@latest` for a curated one of unknown version."""
        return f"{self.name}@latest" if self.version == "latest" else f"{self.name}:{self.version}"

    # Which a conda file gave it and no environment can have: it has none, and cannot be registered.
    _refused_name: str = PrivateAttr("")

    def refused_as(self, name: str) -> Environment:
        """Return the environment with a name that is not allowed, to be refused later; '' for none."""
        nameless = self.model_copy()
        nameless._refused_name = name
        return nameless

    def check_name(self) -> None:
        """Raise BadArgument for an environment with a name that is not allowed."""
        _check_name(self._refused_name or self.name)

    @property
    def is_anonymous(self) -> bool:
        """Return whether the environment has no name of its own."""
        return self.name == ANONYMOUS

    @property
    def runs_own_command(self) -> bool:
        """Return whether the image's own command starts the server: where nothing is installed, and where packages go
        into an image with its own routes."""
        if self.python_version is None:
            return True
        return self.image is not None and self.inference_config is not None and not self.inference_config.is_azureml
