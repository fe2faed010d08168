"""The parity table of images of the user's own: custom containers, and Azure ML's prebuilt inference images.

`{base}` is where the endpoint answers, `{path}` the scoring route's path; `{mount}` is the deployment's
model_mount_path, `{model}` and `{version}` its model.
"""

from __future__ import annotations

from emulator.profiles.facts import UNCHANGED, Row, assumed, documented, everywhere, observed, row

_V1_HAS_NONE = "contract/v1 §7: a v1 Environment has no inference_config; amlemu treats it as v2 does"
_PYTHON_EXTENSIONS = "contract/v1 §7: page how-to-prebuilt-docker-images-inference-python-extensibility"
_NO_FILE = documented(None, "contract/v1 §8 has it for LocalWebservice only")
_SCRIPT_OF_THE_IMAGE = "contract/managed §6.3.4"

OWN_IMAGE_ROWS: tuple[Row, ...] = (
    row(
        "custom.taken",
        "An environment may have inference_config, the routes of a custom container.",
        managed=documented(True, "contract/managed §5.5"),
        kubernetes=documented(True, "contract/managed §5.3, §5.5"),
        aks=assumed(False, _V1_HAS_NONE),
        aci=assumed(False, _V1_HAS_NONE),
        local=documented(True, "contract/v1 §8: container_override_config.json has such routes"),
    ),
    row(
        "custom.routes_may_change",
        "An update of a deployment may bring another inference_config.",
        managed=assumed(True, "contract/managed §11.5 T61 is of Kubernetes only"),
        kubernetes=observed(False, "contract/managed §11.5 T61: AML-K8s#251"),
        aks=assumed(True, _V1_HAS_NONE),
        aci=assumed(True, _V1_HAS_NONE),
        local=assumed(True, _V1_HAS_NONE),
    ),
    row(
        "custom.scoring_uri",
        "The scoring_uri ends in the scoring route's path, wherever that route's port is.",
        managed=documented("{base}{path}", "contract/managed §11 T13"),
        kubernetes=documented("{base}{path}", "contract/managed §11 T13: behind /api/v1/endpoint/<name>"),
        aks=assumed("{base}{path}", _V1_HAS_NONE),
        aci=assumed("{base}{path}", _V1_HAS_NONE),
        local=documented("{base}{path}", "contract/v1 §8: scorePath"),
    ),
    row(
        "custom.probes",
        "The probes of a custom container GET its liveness_route and its readiness_route, each at its own port; a start"
        " succeeds when both pass.",
        managed=documented(UNCHANGED, "contract/managed §11 T19, T20"),
        kubernetes=documented(UNCHANGED, "contract/managed §11 T19, T20"),
        aks=documented(UNCHANGED, "contract/v1 §7: the web server cannot be replaced"),
        aci=documented(UNCHANGED, "contract/v1 §7: the web server cannot be replaced"),
        local=documented(UNCHANGED, "contract/v1 §8: healthPath, internalTargetPort"),
    ),
    row(
        "custom.override_file",
        "The file in a build context that says where its container answers, where no inference_config does. None: there"
        " is no such file.",
        managed=_NO_FILE,
        kubernetes=_NO_FILE,
        aks=_NO_FILE,
        aci=_NO_FILE,
        local=documented("container_override_config.json", "contract/v1 §8: scorePath, healthPath, internalTargetPort"),
    ),
    everywhere(
        "custom.routes_needed",
        "An image without inference_config is asked as Azure ML's own: port 5001, / and /score.",
        documented((5001, "/", "/score"), "contract/managed §11 T19: the block is required; §6.4"),
    ),
    everywhere(
        "custom.model_mount_path",
        "Where a model lies with model_mount_path, and AZUREML_MODEL_DIR leads.",
        documented("{mount}/{model}/{version}", "contract/managed §5.2 (against an older page: deployment name), T50"),
    ),
    everywhere(
        "custom.script_variables",
        "What a custom container with code_configuration is told of its script.",
        documented(("AML_APP_ROOT", "AZUREML_ENTRY_SCRIPT"), "contract/managed §6.1"),
    ),
    everywhere(
        "custom.command",
        "An image of the user's own runs its own command, in its own working directory and as its own user.",
        documented(UNCHANGED, "contract/managed §5.5: image used as is"),
    ),
    row(
        "prebuilt.extra_requirements",
        "AZUREML_EXTRA_REQUIREMENTS_TXT names a file, relative to the script's folder, that is installed at the start.",
        managed=observed("AZUREML_EXTRA_REQUIREMENTS_TXT", _SCRIPT_OF_THE_IMAGE),
        kubernetes=observed("AZUREML_EXTRA_REQUIREMENTS_TXT", _SCRIPT_OF_THE_IMAGE),
        aks=documented("AZUREML_EXTRA_REQUIREMENTS_TXT", _PYTHON_EXTENSIONS),
        aci=documented("AZUREML_EXTRA_REQUIREMENTS_TXT", _PYTHON_EXTENSIONS),
        local=documented("AZUREML_EXTRA_REQUIREMENTS_TXT", _PYTHON_EXTENSIONS),
    ),
    row(
        "prebuilt.extra_lib_path",
        "AZUREML_EXTRA_PYTHON_LIB_PATH names a folder, relative to the script's, that goes before installed packages.",
        managed=observed("AZUREML_EXTRA_PYTHON_LIB_PATH", _SCRIPT_OF_THE_IMAGE),
        kubernetes=observed("AZUREML_EXTRA_PYTHON_LIB_PATH", _SCRIPT_OF_THE_IMAGE),
        aks=documented("AZUREML_EXTRA_PYTHON_LIB_PATH", _PYTHON_EXTENSIONS),
        aci=documented("AZUREML_EXTRA_PYTHON_LIB_PATH", _PYTHON_EXTENSIONS),
        local=documented("AZUREML_EXTRA_PYTHON_LIB_PATH", _PYTHON_EXTENSIONS),
    ),
)
