"""An environment: a base image, a Python, packages and variables; or an image as it is; or a Dockerfile."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from emulator.entities.base import Entity, check_local_path, rule

ANONYMOUS = "CliV2AnonymousEnvironment"  # azure-ai-ml's own name for an inline one (contract/managed §5.5)


def _check_route_path(path: str) -> str:
    if not path.startswith("/") or not path.isprintable() or " " in path:
        raise ValueError(f"'{path}' is not the path of a route: it begins with '/' and has no spaces")
    return path


class Route(Entity):
    """Where a container answers: its own port, and a path."""

    port: int = Field(ge=1, le=65535)
    path: Annotated[str, AfterValidator(_check_route_path)]


class InferenceConfig(Entity):
    """The three routes of a custom container (contract/managed §5.5: all of them, or no block)."""

    liveness_route: Route
    readiness_route: Route
    scoring_route: Route


class BuildContext(Entity):
    """A folder with a Dockerfile: `path` is absolute, `dockerfile_path` below it, with '/'."""

    path: Annotated[str, rule(check_local_path)]
    dockerfile_path: str = "Dockerfile"


class Environment(Entity):
    """What a scoring script, or a server of the user's own, runs in.

    `requirements` are pip requirement lines, `system_packages` Debian packages that stand in for conda packages which
    are not on PyPI, `image` the base image that the user named, None for the `python:X.Y` that fits.  Without
    `python_version` nothing is installed: `image` runs as it is, or what `build` makes.  `no_code` is the kind of model
    for which the script is in the image.  `differences` says where this departs from what the cloud would build.
    `source` names the file it was read from.
    """

    name: str
    version: str = "1"
    image: str | None = None
    build: BuildContext | None = None
    python_version: str | None = Field(None, pattern=r"^3\.\d+$")
    requirements: tuple[str, ...] = ()
    system_packages: tuple[str, ...] = ()
    variables: dict[str, str] = {}
    inference_config: InferenceConfig | None = None
    no_code: Literal["mlflow"] | None = None
    differences: tuple[str, ...] = ()
    source: str = ""
    description: str = ""
    tags: dict[str, str] = {}

    @property
    def id(self) -> str:
        """`name:version`."""
        return f"{self.name}:{self.version}"

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody has given it a name."""
        return self.name == ANONYMOUS
