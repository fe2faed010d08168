"""The source of an export: the control API's document of an endpoint, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emulator.containers.usage import Machine
from emulator.entities import Environment, Model, OnlineDeployment, OnlineEndpoint


@dataclass(frozen=True)
class DeploymentSource:
    """A deployment with its environment, models and files.

    Its secrets, and credentials in URLs, are there only with `has_values`; else they are masked.
    `code_files` are paths below the code folder, `image` is the engine's own name for the environment, '' without one.
    """

    deployment: OnlineDeployment
    environment: Environment
    environment_is_registered: bool
    models: tuple[Model, ...]
    platform_variables: Mapping[str, str]
    code_files: tuple[str, ...]
    image: str
    has_values: bool

    @property
    def name(self) -> str:
        """The deployment's name."""
        return self.deployment.name

    @property
    def variables(self) -> Mapping[str, str]:
        """The user's variables; placeholders for values that are not exported."""
        return {
            name: value.reveal() if self.has_values else placeholder(name)
            for name, value in self.deployment.environment_variables.items()
        }


@dataclass(frozen=True)
class EndpointSource:
    """An endpoint with its deployments and its machine; `left_out` names deployments that have never served."""

    endpoint: OnlineEndpoint
    deployments: tuple[DeploymentSource, ...]
    machine: Machine
    left_out: tuple[str, ...] = field(default=())


def placeholder(name: str) -> str:
    """Return the placeholder for the value of a variable, as `--set` fills it.

    >>> placeholder("TOKEN")
    '{{TOKEN}}'
    """
    return f"{{{{{name}}}}}"


def read_source(document: Mapping[str, Any], *, has_values: bool, only: str | None = None) -> EndpointSource:
    """Read the control API's document of an endpoint; with `only`, that deployment alone."""
    deployments = tuple(_deployment(one, has_values) for one in document["deployments"])
    return EndpointSource(
        endpoint=OnlineEndpoint.parse(document["endpoint"]),
        deployments=tuple(one for one in deployments if only in (None, one.name)),
        machine=Machine(**document["machine"]),
        left_out=tuple(document["left_out"]) if only is None else (),
    )


def _deployment(document: Mapping[str, Any], has_values: bool) -> DeploymentSource:
    return DeploymentSource(
        deployment=OnlineDeployment.parse(document["deployment"]),
        environment=Environment.parse(document["environment"]),
        environment_is_registered=document["environment_is_registered"],
        models=tuple(Model.parse(model) for model in document["models"]),
        platform_variables=document["platform_variables"],
        code_files=tuple(document["code_files"]),
        image=document["image"],
        has_values=has_values,
    )
