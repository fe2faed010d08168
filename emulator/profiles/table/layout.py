"""The parity table of files: where code and models come to lie below /var/azureml-app, and which of them.

Templates: `{code}` is the base name of the code folder, `{script_name}` that of the script, `{model}` and `{version}`
one deployed model, `{model_dir}` its folder.
"""

from __future__ import annotations

from emulator.profiles.facts import Row, assumed, documented, observed, row
from emulator.profiles.sources import (
    DEPLOYMENT_INFO,
    FOLDER_NAME,
    LOCAL_WEBSERVICE,
    MANAGED_YAML,
    MODEL_SPECIFICATION,
    SDK,
    SDK_V1_MODEL,
    V1_AKS,
    V1_ENTRY_SCRIPT,
    V1_NOTEBOOK,
)
from emulator.profiles.table.common import AS_MANAGED

_ONE_LOCAL_MODEL = MODEL_SPECIFICATION.at("Deployment for a single local model")
_ONE_MODEL_V1 = V1_ENTRY_SCRIPT.at("Single model")
_MODELS_V1 = V1_ENTRY_SCRIPT.at("Multiple models")

LAYOUT_ROWS: tuple[Row, ...] = (
    row(
        "layout.code_folder",
        "The code folder keeps its base name below /var/azureml-app.",
        documented("{code}", SDK_V1_MODEL, V1_NOTEBOOK),
        managed=observed("{code}", DEPLOYMENT_INFO),
        kubernetes=assumed("{code}", AS_MANAGED, DEPLOYMENT_INFO),
        local=documented("{code}", LOCAL_WEBSERVICE),
    ),
    row(
        "layout.script_alone",
        "The places of a script for which the user named no source directory. None: its folder is the source"
        " directory.",
        v2=documented((), MANAGED_YAML.at("YAML syntax"), note="the script is relative to `code`, a folder"),
        v1=documented(("{script_name}",), SDK_V1_MODEL, note="nothing but the script is uploaded"),
        local=documented(("main.py", "{script_name}"), LOCAL_WEBSERVICE),
    ),
    row(
        "layout.ignore_files",
        "The ignore files that the code folder is read with: the first that its root has; those of sub-folders do not"
        " count.",
        documented((), SDK_V1_MODEL, V1_AKS, note="the page claims that it reads them, the SDK does not"),
        v2=documented((".amlignore", ".gitignore"), SDK.at("_utils/_asset_utils.py")),
    ),
    row(
        "layout.tool_folders",
        "What tools keep in the code folder goes along: .git, caches such as __pycache__, virtual environments. What"
        " is left out is said as a difference.",
        assumed(False, "nothing public says it; a virtual environment of another machine cannot work"),
    ),
    row(
        "layout.model_file",
        "A model registered from a file lies in its folder under its own name.",
        documented("{model_dir}/{file}", _ONE_MODEL_V1),
        v2=documented("{model_dir}/{file}", _ONE_LOCAL_MODEL),
    ),
    row(
        "layout.model_folder",
        "A model registered from a folder keeps the folder's name: one level more than many scripts expect.",
        documented("{model_dir}/{folder}/…", _ONE_MODEL_V1),
        v2=documented("{model_dir}/{folder}/…", MODEL_SPECIFICATION, FOLDER_NAME),
    ),
    row(
        "layout.several_models",
        "The place of each of several models below azureml-models.",
        documented("{model}/{version}", _MODELS_V1),
        v2=assumed("{model}/{version}", "a v2 deployment has one model; as v1", _MODELS_V1),
    ),
    row(
        "layout.only_deployed_models",
        "No other model and no other version lies beside the deployed ones.",
        documented(True, _MODELS_V1, note="version 1 of the sample's second model has no path"),
        v2=documented(True, _ONE_LOCAL_MODEL),
    ),
)
