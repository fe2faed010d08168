"""The parity table of the scoring container: what the cloud sets and places before the server starts.

Values are templates: `{code}` is the base name of the code folder, `{script}` the scoring script's path below it,
`{script_name}` its base name, `{script_folder}` its folder below `{code}` with a leading '/' or nothing, `{model}` and
`{version}` the one deployed model, `{endpoint}` the endpoint.  None means that the variable is not set.
"""

from __future__ import annotations

from emulator.profiles.facts import Row, assumed, documented, observed, row

_MODELS = "/var/azureml-app/azureml-models"
_ONE_MODEL = _MODELS + "/{model}/{version}"
_V1_LOCAL = "contract/v1 §8: SDK:local.py"
_USER_SETS_IT = documented(None, "contract/managed §6.1: only if the user sets it")
_LOCAL_HAS_NOT = documented(None, _V1_LOCAL)
_V1_SOURCE_DIRECTORY = "contract/v1 §7: SDK:core/model.py"
_READ_BY_SERVER = "contract/v1 §7, §8: the server reads it, only LocalWebservice is known not to set it"
_SERVER_MISSING = "A required package azureml-inference-server-http is missing."
_V2_SAYS = documented(_SERVER_MISSING, "contract/managed §6.3.6")
_V1_ENDS = documented("the container ends", "contract/v1 §7: azureml-defaults is mandatory; §10.16")
_V2_ENVIRONMENTS = documented("/azureml-envs", "contract/managed §6.2")
_LIBRARY_PATH = observed(
    "{folder}/lib:$LD_LIBRARY_PATH",
    "contract/v1 §7: conda env create; ENV LD_LIBRARY_PATH in generated Dockerfiles that users keep in public",
)
_V1_ENVIRONMENTS = observed("/azureml-envs", "contract/v1 §7: CLI#21363")
_WINNER_UNKNOWN = assumed(True, "contract/managed §6.1, §12: the winner is not documented")
_READ_ONLY = "contract/managed §6.2, §12; contract/v1 §10.21"

CONTAINER_ROWS: tuple[Row, ...] = (
    row(
        "container.app_root",
        "AML_APP_ROOT.",
        managed=observed("/var/azureml-app/{code}{script_folder}", "contract/managed §6.1"),
        kubernetes=assumed("/var/azureml-app/{code}{script_folder}", "contract/managed §6.1, as managed"),
        aks=observed("/var/azureml-app", "contract/v1 §2.1, §10.12"),
        aci=observed("/var/azureml-app", "contract/v1 §2.1, §10.12"),
        local=documented("/var/azureml-app", "contract/v1 §2.1, §8; the server's default"),
    ),
    row(
        "container.working_dir",
        "The working directory of the server: AML_APP_ROOT.",
        managed=observed("{app_root}", "contract/managed §6.3.4"),
        kubernetes=assumed("{app_root}", "contract/managed §6.3.4, as managed"),
        aks=documented("{app_root}", "contract/v1 §2.1"),
        aci=documented("{app_root}", "contract/v1 §2.1"),
        local=documented("{app_root}", "contract/v1 §2.1"),
    ),
    row(
        "container.entry_script",
        "AZUREML_ENTRY_SCRIPT.",
        managed=observed("{script_name}", "contract/managed §6.1"),
        kubernetes=assumed("{script_name}", "contract/managed §6.1, as managed"),
        aks=documented("{code}/{script}", _V1_SOURCE_DIRECTORY),
        aci=documented("{code}/{script}", _V1_SOURCE_DIRECTORY),
        local=documented("{code}/{script}", _V1_SOURCE_DIRECTORY),
    ),
    row(
        "container.entry_script_alone",
        "AZUREML_ENTRY_SCRIPT where the user named no source directory. v1 takes the script alone then; in v2 a"
        " script has a folder always, and amlemu takes the one that it lies in.",
        managed=observed("{script_name}", "contract/managed §6.1"),
        kubernetes=assumed("{script_name}", "contract/managed §6.1, as managed"),
        aks=documented("{script_name}", _V1_SOURCE_DIRECTORY),
        aci=documented("{script_name}", _V1_SOURCE_DIRECTORY),
        local=documented("{script_name}", "contract/v1 §7, §8"),
    ),
    row(
        "container.source_directory",
        "AZUREML_SOURCE_DIRECTORY.",
        managed=assumed(None, "contract/managed §6.1: not among the variables seen"),
        kubernetes=assumed(None, "contract/managed §6.1: not among the variables seen"),
        aks=documented("{code}", _V1_SOURCE_DIRECTORY),
        aci=documented("{code}", _V1_SOURCE_DIRECTORY),
        local=documented("{code}", _V1_SOURCE_DIRECTORY),
    ),
    row(
        "container.source_directory_alone",
        "AZUREML_SOURCE_DIRECTORY where the user named no source directory.",
        managed=assumed(None, "contract/managed §6.1: not among the variables seen"),
        kubernetes=assumed(None, "contract/managed §6.1: not among the variables seen"),
        aks=documented(None, _V1_SOURCE_DIRECTORY),
        aci=documented(None, _V1_SOURCE_DIRECTORY),
        local=documented(None, "contract/v1 §7, §8"),
    ),
    row(
        "container.model_dir",
        "AZUREML_MODEL_DIR with one model.",
        managed=documented(_ONE_MODEL, "contract/managed §6.1"),
        kubernetes=documented(_ONE_MODEL, "contract/managed §6.1"),
        aks=observed(_ONE_MODEL, "contract/v1 §1.1"),
        aci=observed(_ONE_MODEL, "contract/v1 §1.1"),
        local=documented("azureml-models/{model}/{version}", "contract/v1 §1.1: SDK:local.py"),
    ),
    row(
        "container.model_dir_many",
        "AZUREML_MODEL_DIR with several models.",
        managed=assumed(_MODELS, "contract/v1 §1.1; v2 has one model"),
        kubernetes=assumed(_MODELS, "contract/v1 §1.1; v2 has one model"),
        aks=documented(_MODELS, "contract/v1 §1.1"),
        aci=documented(_MODELS, "contract/v1 §1.1"),
        local=documented("azureml-models/", "contract/v1 §1.1: SDK:local.py"),
    ),
    row(
        "container.model_dir_none",
        "AZUREML_MODEL_DIR without a model.",
        managed=assumed(None, "contract/managed §6.1 names it with a model only"),
        kubernetes=assumed(None, "contract/managed §6.1 names it with a model only"),
        aks=assumed(_MODELS, "as with several, like LocalWebservice"),
        aci=assumed(_MODELS, "as with several, like LocalWebservice"),
        local=documented("azureml-models/", "contract/v1 §1.1: SDK:local.py"),
    ),
    row(
        "container.max_models",
        "How many models a deployment may have. None: no limit.",
        managed=documented(1, "contract/managed §5.2, §5.4: `model` is one"),
        kubernetes=documented(1, "contract/managed §5.2, §5.4: `model` is one"),
        aks=documented(1000, "contract/v1 §1.4"),
        aci=documented(1000, "contract/v1 §1.4"),
        local=assumed(None, "contract/v1 §8 names no limit"),
    ),
    row(
        "container.service_name",
        "SERVICE_NAME, the title of the Swagger document.",
        managed=_USER_SETS_IT,
        kubernetes=assumed(None, "contract/managed §6.1, as managed"),
        aks=assumed("{endpoint}", _READ_BY_SERVER),
        aci=assumed("{endpoint}", _READ_BY_SERVER),
        local=_LOCAL_HAS_NOT,
    ),
    row(
        "container.service_path_prefix",
        "SERVICE_PATH_PREFIX, the path in front of those of the Swagger document.",
        managed=_USER_SETS_IT,
        kubernetes=assumed(None, "contract/managed §6.1, as managed"),
        aks=assumed("api/v1/service/{endpoint}", "contract/v1 §3, §8"),
        aci=assumed(None, "contract/v1 §4: ACI has no prefix"),
        local=_LOCAL_HAS_NOT,
    ),
    row(
        "container.scoring_timeout_ms",
        "SCORING_TIMEOUT_MS, in milliseconds: the deployment's own time-out, so that the server gives up too.",
        managed=_USER_SETS_IT,
        kubernetes=assumed(None, "contract/managed §6.1, as managed"),
        aks=observed("{request_timeout_ms}", "contract/v1 §6: MLN#1624"),
        aci=assumed(None, "contract/v1 §6 names it for AKS only"),
        local=_LOCAL_HAS_NOT,
    ),
    row(
        "container.read_only_mounts",
        "Code and models cannot be written to.",
        managed=assumed(True, _READ_ONLY),
        kubernetes=assumed(True, _READ_ONLY),
        aks=observed(True, "contract/v1 §1.2, §10.21: models; assumed for code"),
        aci=assumed(True, _READ_ONLY),
        local=assumed(True, "amlemu mounts one layout for all targets"),
    ),
    row(
        "container.user_variables_win",
        "A variable that the deployment sets goes before one of the same name that the platform sets.",
        managed=_WINNER_UNKNOWN,
        kubernetes=_WINNER_UNKNOWN,
        aks=assumed(True, "contract/v1 §1.1: not found for the cloud, as LocalWebservice"),
        aci=assumed(True, "contract/v1 §1.1: not found for the cloud, as LocalWebservice"),
        local=documented(True, "contract/v1 §1.1: SDK:local.py"),
    ),
    row(
        "container.port",
        "The port that the server listens on.",
        managed=documented(5001, "contract/managed §6.2, §6.4"),
        kubernetes=documented(5001, "contract/managed §5.3, §6.4"),
        aks=documented(5001, "contract/v1 §4"),
        aci=documented(5001, "contract/v1 §4"),
        local=documented(5001, "contract/v1 §4"),
    ),
    row(
        "container.user",
        "The server and the script do not run as root.",
        managed=documented("dockeruser", "contract/managed §6.2, §11.2 T29"),
        kubernetes=documented("dockeruser", "contract/managed §6.2: the image's own user"),
        aks=documented("dockeruser", "contract/v1 §7, §10.21"),
        aci=documented("dockeruser", "contract/v1 §7, §10.21"),
        local=documented("dockeruser", "contract/v1 §7: the image's own user"),
    ),
    row(
        "container.environment_folder",
        "The folder that the environment's Python lies below.",
        managed=_V2_ENVIRONMENTS,
        kubernetes=_V2_ENVIRONMENTS,
        aks=_V1_ENVIRONMENTS,
        aci=_V1_ENVIRONMENTS,
        local=_V1_ENVIRONMENTS,
    ),
    row(
        "container.library_path",
        "LD_LIBRARY_PATH begins with the lib folder of an environment that is made of conda packages.",
        managed=_LIBRARY_PATH,
        kubernetes=_LIBRARY_PATH,
        aks=_LIBRARY_PATH,
        aci=_LIBRARY_PATH,
        local=_LIBRARY_PATH,
    ),
    row(
        "container.server_missing",
        "What happens when the environment has no scoring server: the log says so, and the container ends.",
        managed=_V2_SAYS,
        kubernetes=_V2_SAYS,
        aks=_V1_ENDS,
        aci=_V1_ENDS,
        local=_V1_ENDS,
    ),
    row(
        "container.init_exit_code",
        "The exit code of a container whose script cannot be imported or whose init() raises.",
        managed=documented(3, "contract/managed §6.3.7"),
        kubernetes=documented(3, "contract/managed §6.3.7"),
        aks=documented(3, "contract/v1 §2.1"),
        aci=documented(3, "contract/v1 §2.1"),
        local=documented(3, "contract/v1 §2.1"),
    ),
)
