"""The small bodies of requests; the large ones are entities."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic.alias_generators import to_camel

from emulator.entities import Entity, Environment, Role
from emulator.entities.base import check_local_path, rule
from emulator.entities.deployment import CondaChoice

Percent = Annotated[int, Field(ge=0, le=100)]
LocalPath = Annotated[str, rule(check_local_path)]


class _CamelCase(Entity):
    """Fields as Azure's REST resources spell them."""

    model_config = Entity.model_config | {"alias_generator": to_camel}


class ShutdownRequest(Entity):
    """How the server ends: with its containers, or without them."""

    keep_containers: bool = False


class PruneRequest(Entity):
    """Whether to remove, or only to say what would go."""

    dry_run: bool = False


class TokenRequest(Entity):
    """A token to make: its name, and what its bearer may do."""

    name: str
    role: Role


class ModelUpdate(_CamelCase):
    """What may change of a version."""

    is_archived: bool


class EnvironmentSource(Entity):
    """An environment as its own document, or by the absolute path of a file of the server's machine."""

    file: LocalPath | None = None
    environment: Environment | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> EnvironmentSource:
        if (self.file is None) == (self.environment is None):
            raise ValueError("file or environment must say what it is, and not both")
        return self


class EnvironmentChoice(Entity):
    """An environment by its file, its document or `name[:version]`, and where its conda packages come from."""

    file: LocalPath | None = None
    environment: Environment | None = None
    name: str | None = None
    conda: CondaChoice | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> EnvironmentChoice:
        if [self.file, self.environment, self.name].count(None) != 2:
            raise ValueError("file, environment or name must say which environment, and only one of them")
        return self


class BuildRequest(EnvironmentChoice):
    """The environment to build, and for which platform, such as linux/amd64."""

    platform: str | None = None


class EndpointUpdate(_CamelCase):
    """Percents by the names of deployments; None leaves what is."""

    traffic: dict[str, Percent] | None = None
    mirror_traffic: dict[str, Percent] | None = None

    @model_validator(mode="after")
    def _something(self) -> EndpointUpdate:
        if self.traffic is None and self.mirror_traffic is None:
            raise ValueError("the body names neither traffic nor mirrorTraffic")
        return self


class AnsweredRequest(_CamelCase):
    """How a request to an endpoint was answered: by which deployment, and what a caller saw of it.

    `status` is the caller's, `model_status` the container's own, 0 where it gave none or that was the same; `reason` is
    the front door's word, `message` the beginning of the body, `asked` the deployment that the request named.
    """

    deployment: str | None = None
    status: int = Field(ge=100, le=999)
    model_status: int = Field(0, ge=0, le=999)
    reason: str = Field("", max_length=200)
    message: str = Field("", max_length=4000)
    asked: str = Field("", max_length=200)
    content_type: str = Field("", max_length=200)
    method: str = Field("POST", max_length=40)


class RegenerateKeys(_CamelCase):
    """Which key, and its new value; without one it is drawn."""

    key_type: Literal["Primary", "Secondary", "primary", "secondary"]
    key_value: str | None = Field(None, repr=False)
