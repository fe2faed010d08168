"""An online deployment's YAML, managed and Kubernetes (Microsoft's pages reference-yaml-deployment-*-online)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from emulator.azure_files.v2.fields import (
    AtLeastOne,
    AzureFile,
    DeploymentName,
    Elsewhere,
    EndpointName,
    FromZero,
    LocalPath,
    OneOf,
    OnOff,
    ScriptPath,
    Texts,
    Unsaid,
    Whole,
)
from emulator.azure_files.v2.model import ModelPart
from emulator.entities.base import TextOr
from emulator.entities.resources import ResourceRequirements

_COLLECTIONS = 5  # row collection.most_custom: up to five of the script's own


class CodeFile(AzureFile):
    """`code_configuration`: the folder, and the script below it."""

    code: LocalPath
    scoring_script: ScriptPath


class RequestSettingsFile(AzureFile):
    """`request_settings`; what the target takes at most is checked against it."""

    request_timeout_ms: AtLeastOne | None = None
    max_concurrent_requests_per_instance: AtLeastOne | None = None
    max_queue_wait_ms: FromZero | None = None


class ProbeFile(AzureFile):
    """A probe, in seconds and counts."""

    initial_delay: AtLeastOne | None = None
    period: AtLeastOne | None = None
    timeout: AtLeastOne | None = None
    success_threshold: AtLeastOne | None = None
    failure_threshold: AtLeastOne | None = None


def _succeeds_at_once(probe: ProbeFile) -> ProbeFile:
    if probe.success_threshold not in (None, 1):
        raise ValueError("success_threshold of a liveness probe must be 1")
    return probe


class ScaleFile(AzureFile):
    """`scale_settings`."""

    type: Annotated[str, OneOf("default", "target_utilization")]
    min_instances: AtLeastOne | None = None
    max_instances: AtLeastOne | None = None
    polling_interval: AtLeastOne | None = None
    target_utilization_percentage: Annotated[Whole, Field(ge=1, le=100)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> ScaleFile:
        limits = self.model_dump(exclude_none=True, exclude={"type"})
        if self.type == "default" and limits:
            raise ValueError(f"{', '.join(limits)} belong to type target_utilization")
        if self.min_instances and self.max_instances and self.min_instances > self.max_instances:
            raise ValueError(f"min_instances {self.min_instances} is more than max_instances {self.max_instances}")
        return self


class CollectionFile(AzureFile):
    """One of `data_collector.collections`."""

    enabled: Annotated[str, OneOf("true", "false")]
    data: TextOr[dict[str, Any]] | None = None
    client_id: str | None = None


class RequestLoggingFile(AzureFile):
    """`data_collector.request_logging`."""

    capture_headers: list[str] = []


def _few(collections: dict[str, CollectionFile]) -> dict[str, CollectionFile]:
    own = [name for name in collections if name not in ("request", "response")]
    if len(own) > _COLLECTIONS:
        raise ValueError(f"{len(own)} collections beside request and response; {_COLLECTIONS} is the most")
    return collections


class DataCollectorFile(AzureFile):
    """`data_collector`."""

    collections: Annotated[dict[str, CollectionFile], AfterValidator(_few)]
    rolling_rate: Annotated[str, OneOf("minute", "hour", "day")] | None = None
    sampling_rate: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    request_logging: RequestLoggingFile | None = None


_OF_THE_SDK = "is an argument of the SDK, not a key of the file: write it in code_configuration"


class DeploymentFile(AzureFile):
    """The keys that managed and Kubernetes deployments share."""

    schema_: Annotated[str | None, Field(alias="$schema")] = None
    name: DeploymentName
    endpoint_name: EndpointName
    model: TextOr[ModelPart] | None = None
    model_mount_path: str | None = None
    code_configuration: CodeFile | None = None
    code_path: Annotated[Any, Elsewhere(_OF_THE_SDK)] = Unsaid
    scoring_script: Annotated[Any, Elsewhere(_OF_THE_SDK)] = Unsaid
    environment: TextOr[dict[str, Any]] | None = None
    environment_variables: Texts = {}
    instance_count: AtLeastOne | None = None
    app_insights_enabled: bool = False
    instance_type: str | None = None
    scale_settings: ScaleFile | None = None
    data_collector: DataCollectorFile | None = None
    request_settings: RequestSettingsFile | None = None
    liveness_probe: Annotated[ProbeFile, AfterValidator(_succeeds_at_once)] | None = None
    readiness_probe: ProbeFile | None = None
    description: str = ""
    tags: Texts = {}
    properties: Texts = {}
    id: str | None = Unsaid
    provisioning_state: str | None = Unsaid


class ManagedDeploymentFile(DeploymentFile):
    """A managed online deployment (reference-yaml-deployment-managed-online)."""

    type: Annotated[str, OneOf("managed", "kubernetes")] | None = None
    instance_type: str
    egress_public_network_access: OnOff | None = None
    private_network_connection: bool | None = None
    package_model: bool | None = None
    resources: Annotated[Any, Elsewhere("belongs to Kubernetes deployments: write type: kubernetes")] = Unsaid


class KubernetesDeploymentFile(DeploymentFile):
    """A Kubernetes online deployment (reference-yaml-deployment-kubernetes-online)."""

    type: Annotated[str, OneOf("kubernetes")]
    resources: ResourceRequirements | None = None
