"""Models, environments, endpoints and deployments as frozen values, in Azure ML's own words and units."""

from emulator.entities.access import ROLES, AccessToken, AccessTokens, Caller, Role, SigningSecret
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
    EndpointRequest,
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
from emulator.entities.model import Model, ModelFile, ModelRequest
from emulator.entities.reference import (
    AssetKind,
    AssetReference,
    is_arm_id,
    not_found,
    parse_model_reference,
    parse_reference,
)
from emulator.entities.resources import ResourceRequirements
from emulator.entities.upload import (
    UPLOAD_PREFIX,
    LongList,
    Sha256,
    Upload,
    UploadedFile,
    check_upload_path,
)
from emulator.names import (
    check_asset_name,
    check_deployment_name,
    check_endpoint_name,
    legal_endpoint_name,
)

__all__ = [
    "ANONYMOUS",
    "AZUREML_ROUTES",
    "ROLES",
    "UPLOAD_PREFIX",
    "AccessToken",
    "AccessTokens",
    "AssetKind",
    "AssetReference",
    "AuthMode",
    "BuildContext",
    "Caller",
    "CodeConfiguration",
    "Collection",
    "DataCollector",
    "DeploymentRequest",
    "EndpointKeys",
    "EndpointRequest",
    "EndpointToken",
    "Entity",
    "Environment",
    "InferenceConfig",
    "LongList",
    "Model",
    "ModelFile",
    "ModelRequest",
    "OnlineDeployment",
    "OnlineEndpoint",
    "OnlineRequestSettings",
    "ProbeSettings",
    "ProvisioningState",
    "ResourceRequirements",
    "Role",
    "Route",
    "Sha256",
    "SigningSecret",
    "Target",
    "Upload",
    "UploadedFile",
    "check_asset_name",
    "check_deployment_name",
    "check_dockerfile_path",
    "check_endpoint_name",
    "check_upload_path",
    "is_arm_id",
    "legal_endpoint_name",
    "not_found",
    "parse_model_reference",
    "parse_reference",
]
