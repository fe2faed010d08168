"""An environment's file as its schema describes it (reference-yaml-environment); `environments` reads the files."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from emulator.azure_files.v2.fields import AzureFile, OneOf, Text, Texts, Version, Whole
from emulator.entities.base import TextOr


class PipPart(AzureFile):
    """The requirements that conda leaves to pip."""

    pip: list[str]


class CondaFile(AzureFile):
    """A conda environment, in the file that `conda_file` names or in its place."""

    name: str | None = None
    channels: list[str] = []
    dependencies: list[TextOr[PipPart]] | None = None
    prefix: str | None = None
    variables: dict[str, Text] | None = None


class BuildPart(AzureFile):
    """A folder with a Dockerfile."""

    path: str
    dockerfile_path: str = "Dockerfile"


class RoutePart(AzureFile):
    """Where a container answers."""

    port: Annotated[Whole, Field(ge=1, le=65535)]
    path: str


class InferenceConfigPart(AzureFile):
    """The three routes of a custom container."""

    liveness_route: RoutePart
    readiness_route: RoutePart
    scoring_route: RoutePart


class EnvironmentPart(AzureFile):
    """An environment inside of a deployment, or in its own file."""

    schema_: Annotated[str | None, Field(alias="$schema")] = None
    name: str | None = None
    version: Version | None = None
    description: str | None = None
    tags: Texts | None = None
    image: str | None = None
    conda_file: TextOr[CondaFile] | None = None
    build: BuildPart | None = None
    os_type: Annotated[str, OneOf("linux")] = "linux"
    inference_config: InferenceConfigPart | None = None
