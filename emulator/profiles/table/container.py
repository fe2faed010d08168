"""The parity table of the scoring container: what the cloud sets and places before the server starts.

Values are templates: `{code}` is the base name of the code folder, `{script}` the scoring script's path below it,
`{script_name}` its base name, `{script_folder}` its folder below `{code}` with a leading '/' or nothing, `{model}` and
`{version}` the one deployed model, `{endpoint}` the endpoint.  None means that the variable is not set.
"""

from __future__ import annotations

from emulator.profiles.facts import Row, assumed, documented, observed, row
from emulator.profiles.sources import (
    AKS_TIMEOUT,
    BYOC,
    DEPLOYMENT_INFO,
    IMAGE_SCRIPTS,
    LOCAL_WEBSERVICE,
    MEDIMAGE,
    MIGRATE,
    MINIMAL_IMAGE,
    MODEL_SPECIFICATION,
    SDK_V1_MODEL,
    SERVER,
    SERVER_BLUEPRINT,
    SERVER_CONFIG,
    SERVER_GUIDE,
    SERVER_MISSING,
    SERVER_PAGE,
    SERVER_SWAGGER,
    V1_ACI,
    V1_AKS,
    V1_BUILD_LOG,
    V1_DEPLOY,
    V1_ENTRY_SCRIPT,
    V1_MODEL_DIR,
    V1_MODEL_PATH,
    V1_NOTEBOOK,
    V1_PREBUILT,
    V1_TROUBLESHOOT,
    V1_WORKING_DIR,
)
from emulator.profiles.table.common import AS_MANAGED

_MODELS = "/var/azureml-app/azureml-models"
_ONE_MODEL = _MODELS + "/{model}/{version}"
_MODELS_OF_V1 = V1_ENTRY_SCRIPT.at("AZUREML_MODEL_DIR")
_NOT_SEEN = "not among the variables of the deployments that have been published"
_MANY_V1_ONLY = "a v2 deployment has one model; as v1"
_NONE_OF_V2 = assumed(None, "it is described with a model only", MODEL_SPECIFICATION)
_USER_SETS_IT = assumed(None, _NOT_SEEN, DEPLOYMENT_INFO, MEDIMAGE)
_LOCAL_HAS_NOT = documented(None, LOCAL_WEBSERVICE)
_READ_ONLY = "an image's script copies a file away first, because it has no write access to the user's folder"
_WINNER_UNKNOWN = "nothing public says which wins; as LocalWebservice"

CONTAINER_ROWS: tuple[Row, ...] = (
    row(
        "container.app_root",
        "AML_APP_ROOT.",
        managed=observed("/var/azureml-app/{code}{script_folder}", DEPLOYMENT_INFO),
        kubernetes=assumed("/var/azureml-app/{code}{script_folder}", AS_MANAGED, DEPLOYMENT_INFO),
        v1=observed("/var/azureml-app", V1_WORKING_DIR, V1_TROUBLESHOOT.at("Function fails: get_model_path()")),
        local=documented("/var/azureml-app", LOCAL_WEBSERVICE, SERVER_CONFIG, note="the server's default"),
    ),
    row(
        "container.working_dir",
        "The working directory of the server: AML_APP_ROOT.",
        documented("{app_root}", V1_NOTEBOOK),
        managed=observed("{app_root}", IMAGE_SCRIPTS),
        kubernetes=assumed("{app_root}", AS_MANAGED, IMAGE_SCRIPTS),
    ),
    row(
        "container.entry_script",
        "AZUREML_ENTRY_SCRIPT.",
        documented("{code}/{script}", SDK_V1_MODEL),
        managed=observed("{script_name}", DEPLOYMENT_INFO),
        kubernetes=assumed("{script_name}", AS_MANAGED, DEPLOYMENT_INFO),
    ),
    row(
        "container.entry_script_alone",
        "AZUREML_ENTRY_SCRIPT where the user named no source directory. v1 takes the script alone then; in v2 a"
        " script has a folder always, and amlemu takes the one that it lies in.",
        documented("{script_name}", SDK_V1_MODEL),
        managed=observed("{script_name}", DEPLOYMENT_INFO),
        kubernetes=assumed("{script_name}", AS_MANAGED, DEPLOYMENT_INFO),
    ),
    row(
        "container.source_directory",
        "AZUREML_SOURCE_DIRECTORY.",
        documented("{code}", SDK_V1_MODEL),
        v2=assumed(None, _NOT_SEEN, DEPLOYMENT_INFO, MEDIMAGE),
    ),
    row(
        "container.source_directory_alone",
        "AZUREML_SOURCE_DIRECTORY where the user named no source directory.",
        documented(None, SDK_V1_MODEL),
        v2=assumed(None, _NOT_SEEN, DEPLOYMENT_INFO, MEDIMAGE),
    ),
    row(
        "container.model_dir",
        "AZUREML_MODEL_DIR with one model.",
        v2=documented(_ONE_MODEL, MODEL_SPECIFICATION, DEPLOYMENT_INFO, MEDIMAGE),
        v1=observed(_ONE_MODEL, V1_MODEL_PATH, V1_MODEL_DIR),
        local=documented("azureml-models/{model}/{version}", LOCAL_WEBSERVICE),
    ),
    row(
        "container.model_dir_many",
        "AZUREML_MODEL_DIR with several models.",
        v2=assumed(_MODELS, _MANY_V1_ONLY, _MODELS_OF_V1),
        v1=documented(_MODELS, _MODELS_OF_V1, SERVER.at("server/appinsights_client.py")),
        local=documented("azureml-models/", LOCAL_WEBSERVICE),
    ),
    row(
        "container.model_dir_none",
        "AZUREML_MODEL_DIR without a model.",
        v2=_NONE_OF_V2,
        v1=assumed(_MODELS, "as with several, like LocalWebservice", LOCAL_WEBSERVICE),
        local=documented("azureml-models/", LOCAL_WEBSERVICE),
    ),
    row(
        "container.max_models",
        "How many models a deployment may have. None: no limit.",
        v2=documented(1, MODEL_SPECIFICATION.at("Deployment for several local models")),
        aks=documented(1000, V1_AKS.at("Deploy to AKS")),
        aci=documented(1000, V1_ACI),
        local=assumed(None, "the SDK names no limit", LOCAL_WEBSERVICE),
    ),
    row(
        "container.service_name",
        "SERVICE_NAME, the title of the Swagger document.",
        _USER_SETS_IT,
        v1=assumed("{endpoint}", "the server reads it, and only LocalWebservice is known not to set it", SERVER_CONFIG),
        local=_LOCAL_HAS_NOT,
    ),
    row(
        "container.service_path_prefix",
        "SERVICE_PATH_PREFIX, the path in front of those of the Swagger document.",
        _USER_SETS_IT,
        aks=assumed(
            "api/v1/service/{endpoint}",
            "the server puts it before its paths; the URL of a service has it",
            SERVER_SWAGGER,
        ),
        aci=assumed(None, "the URL of a service has no prefix", MIGRATE),
        local=_LOCAL_HAS_NOT,
    ),
    row(
        "container.scoring_timeout_ms",
        "SCORING_TIMEOUT_MS, in milliseconds: the deployment's own time-out, so that the server gives up too.",
        _USER_SETS_IT,
        aks=observed("{request_timeout_ms}", AKS_TIMEOUT),
        aci=assumed(None, "seen on AKS only", AKS_TIMEOUT),
        local=_LOCAL_HAS_NOT,
    ),
    row(
        "container.read_only_mounts",
        "Code and models cannot be written to.",
        assumed(True, _READ_ONLY, IMAGE_SCRIPTS),
        v1=assumed(
            True, "models are mounted from blob storage, and the prebuilt images have few writable folders", V1_PREBUILT
        ),
        local=assumed(True, "amlemu mounts one layout for all targets"),
    ),
    row(
        "container.user_variables_win",
        "A variable that the deployment sets goes before one of the same name that the platform sets.",
        assumed(True, _WINNER_UNKNOWN, LOCAL_WEBSERVICE),
        local=documented(True, LOCAL_WEBSERVICE),
    ),
    row(
        "container.port",
        "The port that the server listens on.",
        documented(5001, SERVER_GUIDE),
        v2=documented(5001, SERVER_PAGE.at("Review inference server routes"), MINIMAL_IMAGE),
    ),
    row(
        "container.user",
        "The server and the script do not run as root.",
        documented("dockeruser", V1_PREBUILT, note="of the prebuilt images"),
        v2=documented("dockeruser", MINIMAL_IMAGE, note="the image's own user"),
    ),
    row(
        "container.environment_folder",
        "The folder that the environment's Python lies below.",
        observed("/azureml-envs", V1_BUILD_LOG),
        v2=documented("/azureml-envs", BYOC),
    ),
    row(
        "container.library_path",
        "LD_LIBRARY_PATH begins with the lib folder of an environment that is made of conda packages.",
        observed("{folder}/lib:$LD_LIBRARY_PATH", BYOC, IMAGE_SCRIPTS),
    ),
    row(
        "container.server_missing",
        "What happens when the environment has no scoring server: the log says so, and the container ends.",
        documented("the container ends", V1_DEPLOY, note="azureml-defaults is mandatory"),
        v2=observed("A required package azureml-inference-server-http is missing.", SERVER_MISSING),
    ),
    row(
        "container.init_exit_code",
        "The exit code of a container whose script cannot be imported or whose init() raises.",
        documented(3, SERVER_BLUEPRINT),
    ),
)
