"""The parity table of the workspace's assets: models and environments.

The registry of models is the workspace's: v1 and v2 share it, so its rows have one fact for all targets.
"""

from __future__ import annotations

from emulator.profiles.facts import Row, assumed, documented, row
from emulator.profiles.sources import (
    BYOC,
    ENVIRONMENT_YAML,
    MANAGED_YAML,
    MODEL_COMMAND,
    MODEL_SPECIFICATION,
    ROLLOUT,
    SDK,
    SDK_V1,
    SDK_V1_MODEL,
    V1_AKS,
    V1_BUILD_LOG,
    V1_DEPLOY,
    V1_ENVIRONMENTS,
    V1_FILES,
)

_IMAGE_AND_FILE = ENVIRONMENT_YAML.at("YAML syntax")
_HASH = SDK.at("entities/_assets/environment.py")
_V1_HASH = V1_AKS.at("Understand deployment processes")

ASSET_ROWS: tuple[Row, ...] = (
    row(
        "registry.model_name",
        "What may name a model: 1 to 255 letters, digits, '-', '_' or '.', the first a letter or a digit.",
        documented(r"[a-zA-Z0-9][a-zA-Z0-9\-\._]{0,254}", SDK_V1.at("_model_management/_util.py")),
    ),
    row(
        "registry.versions",
        "Registering a name again makes its next version: whole numbers from 1.",
        documented("+1", V1_DEPLOY, SDK_V1_MODEL, SDK.at("operations/_model_operations.py")),
    ),
    row(
        "registry.latest",
        "When a model named without a version, or with @latest, becomes an exact version: a newer one changes nothing"
        " that serves.",
        documented("at the time of the deploy", SDK_V1_MODEL, note="without a version, the latest"),
        v2=documented("at the time of the deploy", SDK.at("_schema/_deployment/deployment.py")),
    ),
    row(
        "registry.archived",
        "An archived version is in no list, and can still be deployed by its number.",
        documented("hidden, not gone", MODEL_COMMAND.at("az ml model archive")),
    ),
    row(
        "registry.references",
        "What a reference to a model or an environment means, in each of its forms: azureml:NAME:VERSION, NAME@latest,"
        " an azureml:// URI or an ARM id.",
        documented("by name and version", SDK_V1_MODEL),
        v2=documented("by name and version", MANAGED_YAML.at("YAML syntax")),
    ),
    row(
        "registry.other_registries",
        "Whether a deployment may name assets of a registry (azureml://registries/…), not only of the workspace.",
        assumed(False, "a model is one of a workspace; nothing public of v1 names a registry", SDK_V1_MODEL),
        managed=documented(
            True, MODEL_SPECIFICATION.at("Deployment for models that are available in your organization's registry")
        ),
        kubernetes=documented(
            False, SDK.at("_schema/_deployment/online/online_deployment.py"), note="exit_if_registry_assets"
        ),
    ),
    row(
        "environment.curated",
        "A curated environment can be named without having been registered; a registered one of its name wins here.",
        documented("taken by name", V1_ENVIRONMENTS),
        v2=documented("taken by name", ROLLOUT, note="the studio offers curated environments by name"),
    ),
    row(
        "environment.anonymous_version",
        "The version of an environment that nobody has named: of CliV2AnonymousEnvironment, a digest of its content.",
        documented("digest", _V1_HASH),
        v2=documented("digest", _HASH),
    ),
    row(
        "environment.base_image",
        "What an environment with an image and a conda file is built of.",
        documented("base image, then its packages", V1_FILES.at("Environment configuration schema")),
        v2=documented("base image, then its packages", _IMAGE_AND_FILE),
    ),
    row(
        "environment.image_reuse",
        "What decides whether an image is built again; the environment's name and version do not.",
        documented("image and packages", _V1_HASH),
        v2=documented("image and packages", _HASH),
    ),
    row(
        "environment.conda_packages",
        "A conda file's packages come from conda channels; its pip section is installed after them.",
        documented("conda, then pip", V1_ENVIRONMENTS, V1_BUILD_LOG),
        v2=documented("conda, then pip", _IMAGE_AND_FILE, BYOC),
    ),
    row(
        "environment.python_version",
        "The Python that runs the scoring script.",
        documented("the conda file's", V1_ENVIRONMENTS, SDK_V1.at("core/conda_dependencies.py")),
        v2=documented("the conda file's", _IMAGE_AND_FILE),
    ),
)
