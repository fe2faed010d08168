"""The parity table of MLflow models that are deployed without a script, and of Triton repositories.

Templates: `{model_dir}` is AZUREML_MODEL_DIR, `{folder}` the base name of the model's folder.

The script of the no-code container is amlemu's own; what it is to do is told by Microsoft's pages and by the script
that the cloud's image holds, which is public (Azure/azureml-assets, mlflow-py312-inference).  The scoring server and
inference-schema that it stands on are the real ones.
"""

from __future__ import annotations

from emulator.profiles.rows import Answer, Fact, Row, assumed, documented, observed, row

_PAGE = "page how-to-deploy-mlflow-models-online-endpoints"
_SCRIPT = "azureml-assets: mlflow-py312-inference, mlflow_score_script.py"
_IMAGE = "azureml-assets: mlflow-py312-inference, Dockerfile"
_FAILED = '{"message": "An unexpected error occurred in scoring script. Check the logs for more info."}'
_NOT_JSON = '{"message": "An unexpected internal error occurred. Check the logs for more info."}'


def _no_code(id: str, what: str, fact: Fact) -> Row:
    """A row whose fact is of v2; v1 is assumed to be served by the same container."""
    v1 = assumed(fact.value, "as managed: amlemu has one container for models without a script")
    return row(id, what, managed=fact, kubernetes=fact, aks=v1, aci=v1, local=v1)


MLFLOW_ROWS: tuple[Row, ...] = (
    row(
        "mlflow.no_code",
        "An MLflow model may be deployed without a scoring script and without an environment.",
        managed=documented(True, f"contract/managed §10; {_PAGE}"),
        kubernetes=assumed(True, "contract/managed §10, as managed"),
        aks=assumed(True, "nobody documents it for v1 but the azureml-mlflow plugin, which brings a script along"),
        aci=assumed(True, "nobody documents it for v1 but the azureml-mlflow plugin, which brings a script along"),
        local=documented(False, "contract/managed §10.7: no-code cannot be run with --local"),
    ),
    row(
        "mlflow.script_needs_environment",
        "An MLflow model that has a scoring script must have an environment too.",
        managed=documented(True, f"contract/managed §10.7; {_PAGE}"),
        kubernetes=documented(True, f"contract/managed §10.7; {_PAGE}"),
        aks=assumed(False, "contract/v1 §7: an InferenceConfig goes without an environment"),
        aci=assumed(False, "contract/v1 §7: an InferenceConfig goes without an environment"),
        local=assumed(False, "contract/v1 §7: an InferenceConfig goes without an environment"),
    ),
    _no_code(
        "mlflow.flavor",
        "The flavour that a model must have to be deployed without a script.",
        documented("python_function", f"contract/managed §10.5; {_PAGE}"),
    ),
    _no_code(
        "mlflow.script",
        "Where the no-code script lies; AML_APP_ROOT is its folder, AZUREML_ENTRY_SCRIPT its name.",
        documented("/var/mlflow_resources/mlflow_score_script.py", _IMAGE),
    ),
    row(
        "mlflow.model_folder",
        "MLFLOW_MODEL_FOLDER of a model without a script: the base name of its folder.",
        managed=documented("{folder}", "contract/managed §6.1"),
        kubernetes=assumed("{folder}", "contract/managed §6.1, as managed"),
        aks=assumed("{folder}", "contract/managed §6.1, as managed"),
        aci=assumed("{folder}", "contract/managed §6.1, as managed"),
        local=assumed("{folder}", "contract/managed §6.1, as managed"),
    ),
    row(
        "mlflow.extra_conda_yaml",
        "AZUREML_EXTRA_CONDA_YAML_ABS_PATH of a model without a script. None: it is not set.",
        managed=documented("{model_dir}/{folder}/conda.yaml", "contract/managed §6.1"),
        kubernetes=assumed("{model_dir}/{folder}/conda.yaml", "contract/managed §6.1, as managed"),
        aks=assumed("{model_dir}/{folder}/conda.yaml", "contract/managed §6.1, as managed"),
        aci=assumed("{model_dir}/{folder}/conda.yaml", "contract/managed §6.1, as managed"),
        local=assumed("{model_dir}/{folder}/conda.yaml", "contract/managed §6.1, as managed"),
    ),
    _no_code(
        "mlflow.environment",
        "What goes first where the model's own files and the no-code image name the same package: the model's file. The"
        " image's packages are there whatever the file lists, and amlemu installs both when it builds the image.",
        assumed(
            "the model's own version",
            "contract/managed §10.6: the model's file is installed over the image's environment, and what that does to"
            " the image's versions is not documented; reports of an environment made of the model's file alone exist",
        ),
    ),
    _no_code(
        "mlflow.python_version",
        "The Python of a model without an environment: the conda file's, else python_env.yaml's, else the MLmodel's.",
        observed("the model's own", "a public account of a deployment: python=3.8 of conda.yaml beside a py312 image"),
    ),
    _no_code(
        "mlflow.base_packages",
        "What the no-code image has, beside the model's own packages.",
        documented(
            ("azureml-inference-server-http", "azureml-ai-monitoring", "mlflow", "pandas", "numpy"),
            "azureml-assets: mlflow-py312-inference, conda_dependencies.yaml; contract/managed §10.6",
        ),
    ),
    _no_code(
        "mlflow.input_forms",
        "What `input_data` may be: a table as {columns, index, data}, a tensor as nested lists, named tensors by name.",
        documented(("split table", "tensor", "named tensors"), f"contract/managed §10.1; {_PAGE}"),
    ),
    _no_code(
        "mlflow.other_forms",
        "dataframe_split, dataframe_records, instances, inputs and CSV are not taken, nor are records as `input_data`"
        " of a table: the status of the container's answer to each.",
        documented((400, 415, 500), f"contract/managed §10.2; {_SCRIPT}; the server asked directly"),
    ),
    _no_code(
        "mlflow.input_data_missing",
        "The container's answer to a body without `input_data`.",
        observed(
            Answer(400, '{"message": "A value is not provided for the \'input_data\' parameter."}'),
            "contract/managed §10.3: azureml-examples#3385",
        ),
    ),
    _no_code(
        "mlflow.params",
        "`params` beside `input_data` are those of the signature; what is left out has its default.",
        documented("optional", _SCRIPT),
    ),
    _no_code(
        "mlflow.answer",
        "The answer is the bare prediction: a list of values, or of records for a table.",
        documented("list", f"contract/managed §10.4; {_SCRIPT}"),
    ),
    _no_code(
        "mlflow.signature",
        "The answer where a column that the signature names is missing, or a value has not its type. Columns that it"
        " does not name are left out.",
        documented(Answer(500, _FAILED), f"contract/managed §10.5; {_SCRIPT}; the server asked directly"),
    ),
    _no_code(
        "mlflow.not_json",
        "The answer where the model's result is not JSON, such as ONNX's dictionary of arrays.",
        observed(Answer(500, _NOT_JSON), "contract/managed §10.9: mlflow#8220; the server asked directly"),
    ),
    _no_code(
        "mlflow.swagger",
        "The Swagger document is made of the model's input example, else of its signature.",
        documented("signature", _SCRIPT),
    ),
    _no_code(
        "triton.repository",
        "What the folder of a triton_model holds: a folder for each model, with config.pbtxt or numbered versions.",
        documented("<model>/<version>/<file>", "contract/managed §10.10; page how-to-deploy-with-triton"),
    ),
    _no_code(
        "triton.no_code",
        "A triton_model without an environment runs on the cloud's Triton image. amlemu has no such image: it asks for"
        " an environment with an image and its three routes.",
        documented("no environment", "contract/managed §10.10; page how-to-deploy-with-triton"),
    ),
)
