"""JSON Schema of the files that amlemu reads, made of the models that read them; editors check and complete by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emulator.azure_files.schemas.environment_file import EnvironmentPart
from emulator.azure_files.schemas.json_schema import DRAFT, tidied
from emulator.azure_files.v2.deployment import KubernetesDeploymentFile, ManagedDeploymentFile
from emulator.azure_files.v2.endpoint import EndpointFile
from emulator.azure_files.v2.fields import AzureFile
from emulator.azure_files.v2.model import ModelFile
from emulator.config.settings_docs import settings_schema
from emulator.entities.base import TextOr


class _Managed(ManagedDeploymentFile):
    """A managed online deployment."""

    environment: TextOr[EnvironmentPart] | None = None  # type: ignore[assignment]


class _Kubernetes(KubernetesDeploymentFile):
    """A Kubernetes online deployment."""

    environment: TextOr[EnvironmentPart] | None = None  # type: ignore[assignment]


_MODELS: Mapping[str, type[AzureFile]] = {
    "endpoint": EndpointFile,
    "managed-deployment": _Managed,
    "kubernetes-deployment": _Kubernetes,
    "model": ModelFile,
    "environment": EnvironmentPart,
}
KINDS = ("settings", *_MODELS)


def schema_of(kind: str) -> dict[str, Any]:
    """The schema of one of KINDS, a whole document."""
    if kind == "settings":
        return {"$schema": DRAFT, "title": "amlemu.toml", **settings_schema()}
    return tidied(_MODELS[kind].model_json_schema(by_alias=True), f"Azure ML {kind.replace('-', ' ')} for amlemu")
