"""The parity table of MLflow models that are deployed without a script, and of Triton repositories.

Templates: `{model_dir}` is AZUREML_MODEL_DIR, `{folder}` the base name of the model's folder.

The script of the no-code container is amlemu's own; what it is to do is told by Microsoft's pages and by the script
that the cloud's image holds, which is public (Azure/azureml-assets, mlflow-py312-inference), and whose answers are kept
in tests/no_code.  The scoring server and inference-schema that it stands on are the real ones.  There is one such
container for all targets that take it.
"""

from __future__ import annotations

from emulator.profiles.facts import Answer, Row, assumed, documented, observed, row
from emulator.profiles.sources import (
    INPUT_DATA,
    MEDIMAGE,
    MLFLOW_FORMS,
    MLFLOW_IMAGE,
    MLFLOW_PACKAGES,
    MLFLOW_PAGE,
    MLFLOW_SCRIPT,
    MLFLOW_START,
    NDARRAY_RESULT,
    TRITON_PAGE,
    V1_FILES,
)
from emulator.profiles.table.common import AS_MANAGED

_ASKED = "the script and the server were asked directly"
_PLUG_IN = "nothing public of v1 but the azureml-mlflow plug-in has it, and that brings a script along"
_FAILED = '{"message": "An unexpected error occurred in scoring script. Check the logs for more info."}'
_NOT_JSON = '{"message": "An unexpected internal error occurred. Check the logs for more info."}'


MLFLOW_ROWS: tuple[Row, ...] = (
    row(
        "mlflow.no_code",
        "An MLflow model may be deployed without a scoring script and without an environment.",
        managed=documented(True, MLFLOW_FORMS.at("No-code deployment"), MLFLOW_PAGE),
        kubernetes=assumed(True, AS_MANAGED, MLFLOW_PAGE),
        v1=assumed(True, _PLUG_IN),
        local=documented(False, MLFLOW_PAGE, note="it cannot be run with --local"),
    ),
    row(
        "mlflow.script_needs_environment",
        "An MLflow model that has a scoring script must have an environment too.",
        assumed(False, "an InferenceConfig goes without an environment", V1_FILES.at("Inference configuration schema")),
        v2=documented(True, MLFLOW_FORMS.at("Customize inference by using a scoring script")),
    ),
    row(
        "mlflow.flavor",
        "The flavour that a model must have to be deployed without a script.",
        documented("python_function", MLFLOW_PAGE.at("Deploy an MLflow model to an online endpoint")),
    ),
    row(
        "mlflow.script",
        "Where the no-code script lies; AML_APP_ROOT is its folder, AZUREML_ENTRY_SCRIPT its name.",
        documented("/var/mlflow_resources/mlflow_score_script.py", MLFLOW_IMAGE),
    ),
    row(
        "mlflow.model_folder",
        "MLFLOW_MODEL_FOLDER of a model without a script: the base name of its folder.",
        assumed("{folder}", AS_MANAGED, MEDIMAGE),
        managed=observed("{folder}", MEDIMAGE),
    ),
    row(
        "mlflow.extra_conda_yaml",
        "AZUREML_EXTRA_CONDA_YAML_ABS_PATH of a model without a script. None: it is not set.",
        assumed("{model_dir}/{folder}/conda.yaml", AS_MANAGED, MEDIMAGE),
        managed=observed("{model_dir}/{folder}/conda.yaml", MEDIMAGE),
    ),
    row(
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
            "the file is installed over the image's environment, whose packages are public; what becomes of them is not"
            " said, and containers without some were reported",
            MLFLOW_PACKAGES,
            MLFLOW_START,
        ),
    ),
    row(
        "mlflow.python_version",
        "The Python of a model without an environment: the conda file's, else python_env.yaml's, else the MLmodel's.",
        observed("the model's own", MEDIMAGE, note="its conda file is installed, and names a Python"),
    ),
    row(
        "mlflow.start",
        "Models with which the no-code script does not start, by what their signature or input example has.",
        documented(
            (
                "a variable dimension (-1) that is not a tensor's first",
                "named columns, or columns of an answer, of which pandas makes no table (Array, Object, Map)",
                "no inputs",
                "an input_example that is a mapping of values",
            ),
            MLFLOW_SCRIPT,
            note=_ASKED,
        ),
    ),
    row(
        "mlflow.input_forms",
        "What `input_data` may be: a table as {columns, index, data}, a tensor as nested lists, named tensors by name.",
        documented(("split table", "tensor", "named tensors"), MLFLOW_PAGE, MLFLOW_FORMS),
    ),
    row(
        "mlflow.other_forms",
        "dataframe_split, dataframe_records, instances, inputs and CSV are not taken, nor are records as `input_data`"
        " of a table: the status of the container's answer to each.",
        documented((400, 415, 500), MLFLOW_FORMS.at("Input formats"), MLFLOW_SCRIPT, note=_ASKED),
    ),
    row(
        "mlflow.input_data_missing",
        "The container's answer to a body without `input_data`.",
        observed(
            Answer(400, '{"message": "A value is not provided for the \'input_data\' parameter."}'),
            INPUT_DATA,
        ),
    ),
    row(
        "mlflow.params",
        "`params` beside `input_data` are those of the signature; what is left out has its default.",
        documented("optional", MLFLOW_SCRIPT),
    ),
    row(
        "mlflow.answer",
        "The answer is the bare prediction: a list of values, or of records for a table.",
        documented("list", MLFLOW_PAGE, MLFLOW_SCRIPT),
    ),
    row(
        "mlflow.signature",
        "The answer where a column that the signature names is missing, or a value has not its type. Columns that it"
        " does not name are left out.",
        documented(Answer(500, _FAILED), MLFLOW_PAGE, MLFLOW_SCRIPT, note=_ASKED),
    ),
    row(
        "mlflow.not_json",
        "The answer where the model's result is not JSON, such as ONNX's dictionary of arrays.",
        observed(Answer(500, _NOT_JSON), NDARRAY_RESULT, note=_ASKED),
    ),
    row(
        "mlflow.swagger",
        "The Swagger document is made of the model's input example, else of its signature.",
        documented("signature", MLFLOW_SCRIPT),
    ),
    row(
        "triton.repository",
        "What the folder of a triton_model holds: a folder for each model, with config.pbtxt or numbered versions.",
        documented("<model>/<version>/<file>", TRITON_PAGE),
    ),
    row(
        "triton.no_code",
        "A triton_model without an environment runs on the cloud's Triton image. amlemu has no such image: it asks for"
        " an environment with an image and its three routes.",
        documented("no environment", TRITON_PAGE),
    ),
)
