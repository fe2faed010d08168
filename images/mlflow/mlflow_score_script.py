"""Scores an MLflow model that is deployed without a script: what AZUREML_ENTRY_SCRIPT names in a no-code container.

Runs inside the scoring container, under the model's own Python (3.8 and later) and its own mlflow.  It behaves as the
script of the cloud's no-code image does (contract/managed 10; azureml-assets, mlflow-py312-inference): the body's
`input_data` is turned into what the model's signature says, `params` go along, and the bare result comes back.  Which
bodies are refused, and with which words, is up to the scoring server and inference-schema, which are the real ones.
"""

import inspect
import json
import logging
import os

import numpy
import pandas
from azureml.ai.monitoring import Collector
from inference_schema.parameter_types.abstract_parameter_type import AbstractParameterType
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema, output_schema
from mlflow.models import Model
from mlflow.pyfunc import load_model

logger = logging.getLogger(__name__)

MODEL_PATH = os.path.join(os.environ["AZUREML_MODEL_DIR"], os.environ["MLFLOW_MODEL_FOLDER"])
# Models of these flavours take texts as they are.
TEXT_FLAVORS = frozenset({"transformers", "langchain", "openai"})
SPLIT_KEYS = frozenset({"columns", "index", "data"})
# A parameter of a signature without a default has this one in the Swagger document.
SAMPLE_VALUES = {"boolean": True, "string": "sample string", "integer": 42, "long": 42, "float": 0.15, "double": 0.15}


class AnyParameterType(AbstractParameterType):
    """Takes what comes: for models that do not say what they take."""

    def __init__(self):
        super().__init__(None)

    def deserialize_input(self, input_data):
        return input_data

    def input_to_swagger(self):
        return {"type": "object", "example": {}}


def sample_of_schema(schema):
    """An empty table, or tensors of zeros, as one side of a signature describes them; None where it cannot be said."""
    if not schema:
        return None
    try:
        return _sample_tensors(schema) if schema.is_tensor_spec() else _sample_table(schema)
    except Exception as error:  # whatever kind of column a later mlflow knows
        logger.warning("the signature gives no sample, so that data is taken as it comes: %s", error)
        return None


def _sample_tensors(schema):
    # -1 stands for any length.
    tensors = {spec.name: numpy.zeros([max(1, n) for n in spec.shape], dtype=spec.type) for spec in schema.inputs}
    return tensors if schema.has_input_names() else tensors[schema.inputs[0].name]


def _sample_table(schema):
    names = schema.input_names()
    types = dict(zip(names, schema.pandas_types()))  # noqa: B905 - strict came with Python 3.10
    return pandas.DataFrame(columns=names).astype(types)


def sample_of_example(model, folder):
    """The input example that was logged with the model, None without one or where it cannot be read."""
    try:
        info = model.saved_input_example_info
        if not info:
            return None
        with open(os.path.join(folder, info["artifact_path"]), encoding="utf-8") as file:
            return _example(info["type"], json.load(file))
    except Exception as error:
        logger.warning("the model's input example cannot be used: %s", error)
        return None


def _example(kind, content):
    if kind == "dataframe":
        return pandas.DataFrame(content["data"], columns=content.get("columns"))
    if kind == "ndarray":
        inputs = content["inputs"]
        if isinstance(inputs, dict):
            return {name: numpy.asarray(value) for name, value in inputs.items()}
        return numpy.asarray(inputs)
    return None


def sample_of_params(schema):
    """The parameters of a signature with their defaults, None without any."""
    if not schema:
        return None
    given = {param.name: param.default for param in schema.params}
    made = {param.name: SAMPLE_VALUES.get(param.dtype.name) for param in schema.params}
    return {name: made[name] if value is None else value for name, value in given.items()}


def parameter_type(sample, orient="split"):
    """How inference-schema reads, and describes in the Swagger document, what looks like `sample`."""
    if isinstance(sample, numpy.ndarray):
        return NumpyParameterType(sample, enforce_shape=False)
    if isinstance(sample, pandas.DataFrame):
        return PandasParameterType(sample, enforce_shape=False, orient=orient)
    if isinstance(sample, dict):
        tensors = {name: NumpyParameterType(value, enforce_shape=False) for name, value in sample.items()}
        return StandardPythonParameterType(tensors)
    return AnyParameterType()


def model_input(data, takes_text=False):
    """What the model is asked with: `data` as inference-schema made it, or JSON in one of the cloud's three forms."""
    if isinstance(data, (numpy.ndarray, pandas.DataFrame)):
        return data
    if takes_text and _is_text(data):
        return data
    if isinstance(data, str):
        data = json.loads(data)
    if isinstance(data, list):
        return numpy.asarray(data)
    if SPLIT_KEYS.issubset(data):
        return pandas.DataFrame(data["data"], columns=data["columns"], index=data["index"])
    return {name: numpy.asarray(value) for name, value in data.items()}


def _is_text(data):
    if isinstance(data, dict):
        return all(isinstance(name, str) and _is_text(value) for name, value in data.items())
    if isinstance(data, list):
        return all(_is_text(value) for value in data)
    return isinstance(data, str)


def jsonable(result):
    """The result as JSON has it; what is neither an array nor a table goes to the server as it is (10.9)."""
    if isinstance(result, numpy.ndarray):
        return result.tolist()
    if isinstance(result, pandas.Series):
        result = pandas.DataFrame(result)
    return result.to_dict(orient="records") if isinstance(result, pandas.DataFrame) else result


def predict(model, data, params=None):
    """The model's answer; an mlflow before 2.6 knows no parameters."""
    if "params" in inspect.signature(model.predict).parameters:
        return model.predict(data, params=params)
    return model.predict(data)


def collect(name, data, context=None):
    """Hand what goes in or out to the data collector, where the deployment has one: a request never fails of it."""
    if name not in collectors:
        return None
    try:
        table = data if isinstance(data, pandas.DataFrame) else pandas.DataFrame(data)
        return collectors[name].collect(table, context)
    except Exception as error:
        logger.error("%s was not collected: %s", name, error)
        return None


description = Model.load(MODEL_PATH)
signature = description.signature
takes_text = bool(TEXT_FLAVORS & set(description.flavors))
input_sample = None if takes_text else sample_of_example(description, MODEL_PATH)
if input_sample is None and signature and not takes_text:
    input_sample = sample_of_schema(signature.inputs)
output_sample = sample_of_schema(signature.outputs) if signature else None
params_sample = sample_of_params(getattr(signature, "params", None))
params_type = AnyParameterType() if params_sample is None else StandardPythonParameterType(params_sample)
collectors = {}
model = None


def init():
    global model  # noqa: PLW0603 - as scoring scripts have it
    model = load_model(MODEL_PATH)
    try:
        collectors.update({name: Collector(name=name) for name in ("model_inputs", "model_outputs")})
    except Exception as error:
        logger.info("nothing is collected: %s", error)


@input_schema("input_data", parameter_type(input_sample))
@input_schema("params", params_type, optional=True)
@output_schema(parameter_type(output_sample, orient="records"))
def run(input_data, params=None):
    data = model_input(input_data, takes_text)
    context = collect("model_inputs", data)
    result = predict(model, data, params)
    collect("model_outputs", result, context)
    return jsonable(result)
