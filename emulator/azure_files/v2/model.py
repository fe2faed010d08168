"""A model's YAML, alone or inside of a deployment's (Microsoft's page reference-yaml-model)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from emulator.azure_files.v2.fields import Anything, AzureFile, LocalPath, OneOf, Texts, Unsaid, Version
from emulator.entities.base import rule
from emulator.names import check_asset_name


class ModelPart(AzureFile):
    """A model inside of a deployment: without a name it is anonymous."""

    schema_: Annotated[str | None, Field(alias="$schema")] = None
    name: Annotated[str, rule(check_asset_name)] | None = None
    version: Version | None = None
    path: LocalPath
    type: Annotated[str, OneOf("custom_model", "mlflow_model", "triton_model")] = "custom_model"
    description: str = ""
    tags: Texts = {}
    properties: Texts = {}
    flavors: Anything = {}
    stage: str | None = None
    datastore: str | None = None
    system_metadata: Anything = {}
    default_deployment_template: Any = None
    allowed_deployment_templates: list[Any] = []
    id: str | None = Unsaid
    job_name: str | None = Unsaid
    creation_context: Any = Unsaid


class ModelFile(ModelPart):
    """A model's own file."""

    name: Annotated[str, rule(check_asset_name)]
