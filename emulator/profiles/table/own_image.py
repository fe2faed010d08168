"""The parity table of images of the user's own: custom containers, and Azure ML's prebuilt inference images.

`{base}` is where the endpoint answers, `{path}` the scoring route's path; `{mount}` is the deployment's
model_mount_path, `{model}` and `{version}` its model.
"""

from __future__ import annotations

from emulator.profiles.facts import UNCHANGED, Row, assumed, documented, observed, row
from emulator.profiles.sources import (
    BYOC,
    CUSTOM_CONTAINER,
    ENVIRONMENT_YAML,
    IMAGE_SCRIPTS,
    LOCAL_WEBSERVICE,
    NETWORK_ISSUES,
    PLUMBER,
    ROUTES_CHANGE,
    SDK,
    V1_EXTENSIONS,
    V1_FILES,
)

_ROUTES = ENVIRONMENT_YAML.at("Attributes of the inference_config key")
_V1_HAS_NONE = "a v1 Environment has no inference_config; amlemu treats it as v2 does"
_NO_FILE = documented(None, LOCAL_WEBSERVICE, note="LocalWebservice alone reads such a file")
_OVERRIDE = "container_override_config.json has scorePath, healthPath and internalTargetPort"

OWN_IMAGE_ROWS: tuple[Row, ...] = (
    row(
        "custom.taken",
        "An environment may have inference_config, the routes of a custom container.",
        managed=documented(True, _ROUTES, CUSTOM_CONTAINER.at("Inference config")),
        kubernetes=documented(True, _ROUTES, BYOC),
        v1=assumed(False, "a v1 Environment has no inference_config", V1_FILES),
        local=documented(True, LOCAL_WEBSERVICE, note=_OVERRIDE),
    ),
    row(
        "custom.routes_may_change",
        "An update of a deployment may bring another inference_config.",
        assumed(True, _V1_HAS_NONE),
        managed=assumed(True, "the refusal was seen on Kubernetes only", ROUTES_CHANGE),
        kubernetes=observed(False, ROUTES_CHANGE),
    ),
    row(
        "custom.scoring_uri",
        "The scoring_uri ends in the scoring route's path, wherever that route's port is.",
        managed=documented("{base}{path}", CUSTOM_CONTAINER.at("Scoring route")),
        kubernetes=documented(
            "{base}{path}", CUSTOM_CONTAINER.at("Scoring route"), NETWORK_ISSUES, note="behind /api/v1/endpoint/<name>"
        ),
        v1=assumed("{base}{path}", _V1_HAS_NONE),
        local=documented("{base}{path}", LOCAL_WEBSERVICE, note=_OVERRIDE),
    ),
    row(
        "custom.probes",
        "The probes of a custom container GET its liveness_route and its readiness_route, each at its own port; a start"
        " succeeds when both pass.",
        v2=documented(UNCHANGED, CUSTOM_CONTAINER.at("Readiness route vs liveness route"), _ROUTES),
        v1=documented(UNCHANGED, V1_FILES, note="a v1 Environment has no routes, so its server answers the probes"),
        local=documented(UNCHANGED, LOCAL_WEBSERVICE, note=_OVERRIDE),
    ),
    row(
        "custom.override_file",
        "The file in a build context that says where its container answers, where no inference_config does. None: there"
        " is no such file.",
        _NO_FILE,
        local=documented("container_override_config.json", LOCAL_WEBSERVICE),
    ),
    row(
        "custom.routes_needed",
        "An image without inference_config is asked as Azure ML's own: port 5001, / and /score.",
        documented((5001, "/", "/score"), CUSTOM_CONTAINER.at("Inference config"), BYOC),
    ),
    row(
        "custom.model_mount_path",
        "Where a model lies with model_mount_path, and AZUREML_MODEL_DIR leads.",
        documented(
            "{mount}/{model}/{version}",
            CUSTOM_CONTAINER.at("Locating the mounted model"),
            note="an older revision has the deployment's name in it",
        ),
    ),
    row(
        "custom.script_variables",
        "What a custom container with code_configuration is told of its script.",
        documented(("AML_APP_ROOT", "AZUREML_ENTRY_SCRIPT"), PLUMBER),
    ),
    row(
        "custom.command",
        "An image of the user's own runs its own command, in its own working directory and as its own user.",
        documented(UNCHANGED, CUSTOM_CONTAINER.at("Base image"), SDK.at("entities/_assets/environment.py")),
    ),
    row(
        "prebuilt.extra_requirements",
        "AZUREML_EXTRA_REQUIREMENTS_TXT names a file, relative to the script's folder, that is installed at the start.",
        documented("AZUREML_EXTRA_REQUIREMENTS_TXT", V1_EXTENSIONS),
        v2=observed("AZUREML_EXTRA_REQUIREMENTS_TXT", IMAGE_SCRIPTS),
    ),
    row(
        "prebuilt.extra_lib_path",
        "AZUREML_EXTRA_PYTHON_LIB_PATH names a folder, relative to the script's, that goes before installed packages.",
        documented("AZUREML_EXTRA_PYTHON_LIB_PATH", V1_EXTENSIONS),
        v2=observed("AZUREML_EXTRA_PYTHON_LIB_PATH", IMAGE_SCRIPTS),
    ),
)
