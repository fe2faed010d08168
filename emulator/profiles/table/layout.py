"""The parity table of files: where code and models come to lie below /var/azureml-app, and which of them.

Templates: `{code}` is the base name of the code folder, `{script_name}` that of the script, `{model}` and `{version}`
one deployed model, `{model_dir}` its folder.
"""

from __future__ import annotations

from emulator.profiles.facts import Row, assumed, documented, everywhere, observed, row

_V2_IGNORES = documented((".amlignore", ".gitignore"), "contract/managed §11.2 T27: SDK asset upload")
_V1_IGNORES_NOT = documented((), "contract/v1 §7: SDK:core/model.py; the AKS page claims that it does")
_V2_CODE_IS_A_FOLDER = documented((), "contract/managed §5.2: the script is relative to `code`, a folder")
_V1_SCRIPT_ALONE = documented(("{script_name}",), "contract/v1 §7: SDK:core/model.py uploads nothing but the script")
_V1_PLACES = documented("{model}/{version}", "contract/v1 §1.2")
_ONE_MODEL_ONLY = assumed("{model}/{version}", "contract/v1 §1.2; v2 has one model")
_ONLY_DEPLOYED_V2 = documented(True, "contract/managed §11.4 T50: only the asset")
_ONLY_DEPLOYED_V1 = documented(True, "contract/v1 §1.2: version 1 of the second model is not shipped")
_ALIKE = "nobody documents it; a virtual environment of another machine cannot work"

LAYOUT_ROWS: tuple[Row, ...] = (
    row(
        "layout.code_folder",
        "The code folder keeps its base name below /var/azureml-app.",
        managed=observed("{code}", "contract/managed §6.2"),
        kubernetes=assumed("{code}", "contract/managed §6.2, as managed"),
        aks=documented("{code}", "contract/v1 §2.1: the source directory is a child with its own base name"),
        aci=documented("{code}", "contract/v1 §2.1: the source directory is a child with its own base name"),
        local=documented("{code}", "contract/v1 §8"),
    ),
    row(
        "layout.script_alone",
        "The places of a script for which the user named no source directory. None: its folder is the source"
        " directory.",
        managed=_V2_CODE_IS_A_FOLDER,
        kubernetes=_V2_CODE_IS_A_FOLDER,
        aks=_V1_SCRIPT_ALONE,
        aci=_V1_SCRIPT_ALONE,
        local=documented(("main.py", "{script_name}"), "contract/v1 §8"),
    ),
    row(
        "layout.ignore_files",
        "The ignore files that the code folder is read with: the first that its root has; those of sub-folders do not"
        " count.",
        managed=_V2_IGNORES,
        kubernetes=_V2_IGNORES,
        aks=_V1_IGNORES_NOT,
        aci=_V1_IGNORES_NOT,
        local=_V1_IGNORES_NOT,
    ),
    everywhere(
        "layout.tool_folders",
        "What tools keep in the code folder goes along: .git, caches such as __pycache__, virtual environments. What"
        " is left out is said as a difference.",
        assumed(False, _ALIKE),
    ),
    row(
        "layout.model_file",
        "A model registered from a file lies in its folder under its own name.",
        managed=documented("{model_dir}/{file}", "contract/managed §6.2"),
        kubernetes=documented("{model_dir}/{file}", "contract/managed §6.2"),
        aks=documented("{model_dir}/{file}", "contract/v1 §1.2"),
        aci=documented("{model_dir}/{file}", "contract/v1 §1.2"),
        local=documented("{model_dir}/{file}", "contract/v1 §1.2"),
    ),
    row(
        "layout.model_folder",
        "A model registered from a folder keeps the folder's name: one level more than many scripts expect.",
        managed=documented("{model_dir}/{folder}/…", "contract/managed §6.2, §11.2 T26"),
        kubernetes=documented("{model_dir}/{folder}/…", "contract/managed §6.2, §11.2 T26"),
        aks=documented("{model_dir}/{folder}/…", "contract/v1 §1.2"),
        aci=documented("{model_dir}/{folder}/…", "contract/v1 §1.2"),
        local=documented("{model_dir}/{folder}/…", "contract/v1 §1.2"),
    ),
    row(
        "layout.several_models",
        "The place of each of several models below azureml-models.",
        managed=_ONE_MODEL_ONLY,
        kubernetes=_ONE_MODEL_ONLY,
        aks=_V1_PLACES,
        aci=_V1_PLACES,
        local=_V1_PLACES,
    ),
    row(
        "layout.only_deployed_models",
        "No other model and no other version lies beside the deployed ones.",
        managed=_ONLY_DEPLOYED_V2,
        kubernetes=_ONLY_DEPLOYED_V2,
        aks=_ONLY_DEPLOYED_V1,
        aci=_ONLY_DEPLOYED_V1,
        local=_ONLY_DEPLOYED_V1,
    ),
)
