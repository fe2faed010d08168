"""The parity table of MLflow models that are deployed without a script, and of Triton repositories.

Templates: `{model_dir}` is AZUREML_MODEL_DIR, `{folder}` the base name of the model's folder.

The script of the no-code container is amlemu's own; what it is to do is told by Microsoft's pages and by the script
that the cloud's image holds, which is public (Azure/azureml-assets, mlflow-py312-inference), and whose answers are kept
in tests/no_code.  The scoring server and inference-schema that it stands on are the real ones.  There is one such
container for all targets that take it.
"""

from __future__ import annotations

from emulator.profiles.facts import Answer, Row, assumed, documented, everywhere, observed, row

_PAGE = "page how-to-deploy-mlflow-models-online-endpoints"
_ASSETS = "page github.com/Azure/azureml-assets, mlflow-py312-inference"
_SCRIPT = f"{_ASSETS}: mlflow_score_script.py"
_FAILED = '{"message": "An unexpected error occurred in scoring script. Check the logs for more info."}'
_NOT_JSON = '{"message": "An unexpected internal error occurred. Check the logs for more info."}'


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
    everywhere(
        "mlflow.flavor",
        "The flavour that a model must have to be deployed without a script.",
        documented("python_function", f"contract/managed §10.5; {_PAGE}"),
    ),
    everywhere(
        "mlflow.script",
        "Where the no-code script lies; AML_APP_ROOT is its folder, AZUREML_ENTRY_SCRIPT its name.",
        documented("/var/mlflow_resources/mlflow_score_script.py", f"{_ASSETS}: Dockerfile"),
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
    everywhere(
        "mlflow.environment",
        "What the no-code image adds to the packages of the model's own file. A package that the file names is there in"
        " the file's version.",
        assumed(
            (
                # An old mlflow's bounds, on gunicorn above all, would else be met by a server of 2022.
                "azureml-inference-server-http>=1",
                "inference-schema[numpy-support,pandas-support]",
                "azureml-ai-monitoring",
                "mlflow",
                "pandas",
                "numpy",
            ),
            "contract/managed §10.6: the file is installed over the image's environment, whose packages"
            " azureml-assets lists; what becomes of them is not documented, and containers without some were reported",
        ),
    ),
    everywhere(
        "mlflow.python_version",
        "The Python of a model without an environment: the conda file's, else python_env.yaml's, else the MLmodel's.",
        observed("the model's own", "contract/managed §10.6: the model's conda file is installed, and names a Python"),
    ),
    everywhere(
        "mlflow.start",
        "Models with which the no-code script does not start, by what their signature or input example has.",
        documented(
            (
                "a variable dimension (-1) that is not a tensor's first",
                "named columns, or columns of an answer, of which pandas makes no table (Array, Object, Map)",
                "no inputs",
                "an input_example that is a mapping of values",
            ),
            f"{_SCRIPT}; the script and the server asked directly",
        ),
    ),
    everywhere(
        "mlflow.input_forms",
        "What `input_data` may be: a table as {columns, index, data}, a tensor as nested lists, named tensors by name.",
        documented(("split table", "tensor", "named tensors"), f"contract/managed §10.1; {_PAGE}"),
    ),
    everywhere(
        "mlflow.other_forms",
        "dataframe_split, dataframe_records, instances, inputs and CSV are not taken, nor are records as `input_data`"
        " of a table: the status of the container's answer to each.",
        documented((400, 415, 500), f"contract/managed §10.2; {_SCRIPT}; the server asked directly"),
    ),
    everywhere(
        "mlflow.input_data_missing",
        "The container's answer to a body without `input_data`.",
        observed(
            Answer(400, '{"message": "A value is not provided for the \'input_data\' parameter."}'),
            "contract/managed §10.3: azureml-examples#3385",
        ),
    ),
    everywhere(
        "mlflow.params",
        "`params` beside `input_data` are those of the signature; what is left out has its default.",
        documented("optional", _SCRIPT),
    ),
    everywhere(
        "mlflow.answer",
        "The answer is the bare prediction: a list of values, or of records for a table.",
        documented("list", f"contract/managed §10.4; {_SCRIPT}"),
    ),
    everywhere(
        "mlflow.signature",
        "The answer where a column that the signature names is missing, or a value has not its type. Columns that it"
        " does not name are left out.",
        documented(Answer(500, _FAILED), f"contract/managed §10.5; {_SCRIPT}; the server asked directly"),
    ),
    everywhere(
        "mlflow.not_json",
        "The answer where the model's result is not JSON, such as ONNX's dictionary of arrays.",
        observed(Answer(500, _NOT_JSON), "contract/managed §10.9: mlflow#8220; the server asked directly"),
    ),
    everywhere(
        "mlflow.swagger",
        "The Swagger document is made of the model's input example, else of its signature.",
        documented("signature", _SCRIPT),
    ),
    everywhere(
        "triton.repository",
        "What the folder of a triton_model holds: a folder for each model, with config.pbtxt or numbered versions.",
        documented("<model>/<version>/<file>", "contract/managed §10.10; page how-to-deploy-with-triton"),
    ),
    everywhere(
        "triton.no_code",
        "A triton_model without an environment runs on the cloud's Triton image. amlemu has no such image: it asks for"
        " an environment with an image and its three routes.",
        documented("no environment", "contract/managed §10.10; page how-to-deploy-with-triton"),
    ),
)
