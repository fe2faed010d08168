"""Models, environments, endpoints and deployments as frozen values, in Azure ML's own words and units."""

from emulator.entities.base import Entity
from emulator.entities.deployment import (
    CodeConfiguration,
    Collection,
    DataCollector,
    DeploymentRequest,
    OnlineDeployment,
    OnlineRequestSettings,
    ProbeSettings,
)
from emulator.entities.endpoint import (
    AuthMode,
    EndpointKeys,
    EndpointToken,
    OnlineEndpoint,
    ProvisioningState,
    Target,
)
from emulator.entities.environment import (
    ANONYMOUS,
    AZUREML_ROUTES,
    BuildContext,
    Environment,
    InferenceConfig,
    Route,
    check_dockerfile_path,
)
from emulator.entities.model import Model, ModelFile, ModelReference, ModelRequest, parse_model_reference
from emulator.names import (
    check_asset_name,
    check_deployment_name,
    check_endpoint_name,
    legal_endpoint_name,
)

__all__ = [
    "ANONYMOUS",
    "AZUREML_ROUTES",
    "AuthMode",
    "BuildContext",
    "CodeConfiguration",
    "Collection",
    "DataCollector",
    "DeploymentRequest",
    "EndpointKeys",
    "EndpointToken",
    "Entity",
    "Environment",
    "InferenceConfig",
    "Model",
    "ModelFile",
    "ModelReference",
    "ModelRequest",
    "OnlineDeployment",
    "OnlineEndpoint",
    "OnlineRequestSettings",
    "ProbeSettings",
    "ProvisioningState",
    "Route",
    "Target",
    "check_asset_name",
    "check_deployment_name",
    "check_dockerfile_path",
    "check_endpoint_name",
    "legal_endpoint_name",
    "parse_model_reference",
]
