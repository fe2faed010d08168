"""Scores an MLflow model that is deployed without a script: what AZUREML_ENTRY_SCRIPT names in a no-code container.

Runs inside the scoring container, under the model's own Python (3.8 and later) and its own mlflow.  It starts, refuses
and answers as the script of the cloud's no-code image does (rows mlflow.*; azureml-assets,
mlflow-py312-inference), also where that is no help to anybody: a model that the cloud's script cannot describe by a
sample must not serve here.  Which bodies are refused, and with which words, is up to the scoring server and
inference-schema, which are the real ones.  tests/no_code holds it against the cloud's script.
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
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.pyfunc import load_model
from mlflow.types.schema import ColSpec, Schema
from mlflow.types.utils import _infer_schema

logger = logging.getLogger(__name__)

MODEL_PATH = os.path.join(os.environ["AZUREML_MODEL_DIR"], os.environ["MLFLOW_MODEL_FOLDER"])
# Models of these flavours take texts as they are.
TEXT_FLAVORS = frozenset({"transformers", "langchain", "openai"})
# A flavour of Microsoft's own, whose models take any JSON as it is.
PLAIN_FLAVOR = "hftransformersv2"
SPLIT_KEYS = frozenset({"columns", "index", "data"})
ONE_TEXT = Schema([ColSpec("string")])
# What stands for a value of a type in the Swagger document.
SAMPLE_VALUES = {"boolean": True, "string": "sample string", "integer": 42, "long": 42, "float": 0.15, "double": 0.15}


class AnyParameterType(AbstractParameterType):
    """Takes what comes: for models that do not say what they take."""

    def __init__(self):
        super().__init__(None)

    def deserialize_input(self, input_data):
        return input_data

    def input_to_swagger(self):
        return {"type": "object", "example": {}}


def read_table(content, orient="split"):
    """The table that JSON describes.

    As in the cloud it is read by pandas' own reader of JSON, which takes columns called `date`, `created_at` and the
    like for times, and which from pandas 3 on takes JSON for the name of a file, and fails.
    """
    try:
        return pandas.read_json(json.dumps(content), orient=orient, dtype=False)
    except FileNotFoundError as error:
        message = (
            "pandas {} reads no table from JSON text, in the cloud either: log the model with a signature, or pandas<3"
        )
        raise ValueError(message.format(pandas.__version__)) from error


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
    orient = "split" if "columns" in content else "values"  # an example that is a number fails here
    if kind == "dataframe":
        return read_table(content, orient)
    return _arrays(content["inputs"]) if kind == "ndarray" else content


def _arrays(inputs):
    if isinstance(inputs, dict):
        return {name: numpy.asarray(value) for name, value in inputs.items()}
    return numpy.asarray(inputs)


def sample_of_inputs(schema, example, is_transformers):
    """What a request's input_data looks like, as the model's example or else its signature has it.

    Raises ValueError, here and in what it calls, where the cloud's script ends too: such a model does not start.
    """
    if schema is None:
        raise ValueError("the model's signature has no inputs: log it with infer_signature(inputs, outputs)")
    first = schema.inputs[0]
    if is_transformers and isinstance(first, ColSpec) and (first.name is not None or schema == ONE_TEXT):
        return sample_of_columns(schema)
    if example is not None:
        return example
    if schema.is_tensor_spec():
        return sample_of_tensors(schema, "input")
    try:
        return sample_of_table(schema)
    except Exception as error:  # of whatever type of column has none of pandas'
        if first.name is not None and not is_transformers:
            raise ValueError(_no_table(schema, "input")) from error
        return sample_of_columns(schema)


def sample_of_outputs(schema):
    """What an answer looks like; None where the signature does not say."""
    if schema is None:
        return None
    if schema.is_tensor_spec():
        return sample_of_tensors(schema, "output")
    try:
        return sample_of_table(schema)
    except Exception as error:
        raise ValueError(_no_table(schema, "output")) from error


def _no_table(schema, side):
    types = ", ".join(sorted({str(column.type).replace("DataType.", "") for column in schema.inputs}))
    return (
        f"no table of pandas' can be made of the {side} columns, whose types are: {types}; they need a scoring script"
    )


def sample_of_tensors(schema, side):
    """Zeros: one array, or one for each name."""
    tensors = {spec.name: _zeros(spec, side) for spec in schema.inputs}
    return tensors if schema.has_input_names() else tensors[schema.inputs[0].name]


def _zeros(spec, side):
    shape = list(spec.shape)
    if shape and shape[0] == -1:
        shape[0] = 1  # a batch, of any length
    if any(length < 0 for length in shape):
        message = (
            "the {} tensor{} has the shape {}: no dimension but the first may be variable (-1) without a scoring script"
        )
        raise ValueError(message.format(side, "" if spec.name is None else " " + repr(spec.name), tuple(spec.shape)))
    return numpy.zeros(shape, dtype=spec.type)


def sample_of_table(schema):
    """A table with the schema's columns, and without rows."""
    # Schemas had columns before they had inputs (mlflow 1.24).
    names = schema.input_names() if hasattr(schema, "input_names") else schema.column_names()
    types = dict(zip(names, schema.pandas_types()))  # noqa: B905 - strict came with Python 3.10
    return pandas.DataFrame(columns=names).astype(types)


def sample_of_columns(schema):
    """A value for each named column, a list of columns without names; not a table."""
    if schema.inputs[0].name is None:
        value = _value_of_type(schema.inputs[0].type)
        return [value] if value == SAMPLE_VALUES["string"] else []
    sample, value = {}, None
    for column in schema.inputs:
        value = _value_of_type(column.type, value)  # a type without one gets what its neighbour has
        if value is None:
            message = "there is no sample of the input column {!r}, whose type is {}; it needs a scoring script"
            raise ValueError(message.format(column.name, column.type))
        sample[column.name] = value
    return sample


def sample_of_params(schema):
    """The parameters of a signature with their defaults; those without either are left out.  None without any."""
    if schema is None:
        return None
    given = ((param, param.default) for param in schema.params)
    made = {param.name: _value_of_type(param.dtype) if value is None else value for param, value in given}
    return {name: value for name, value in made.items() if value is not None}


def _value_of_type(kind, otherwise=None):
    return SAMPLE_VALUES.get(getattr(kind, "name", None), otherwise)


def input_type(sample, is_transformers):
    """How inference-schema reads, and describes in the Swagger document, input_data that looks like `sample`."""
    if sample is None:
        return AnyParameterType()
    try:
        _infer_schema(sample)  # what fails in another way than mlflow's own ends the start, as in the cloud
    except (MlflowException, ImportError) as error:  # mlflow looks for scipy, which the cloud's image always has
        logger.info("the sample has no schema: %s", error)
    if is_transformers and isinstance(sample, (dict, list)):
        return StandardPythonParameterType(sample)
    return parameter_type(sample)


def parameter_type(sample, orient="split"):
    """The same of arrays and tables alone."""
    if isinstance(sample, numpy.ndarray):
        return NumpyParameterType(sample, enforce_shape=False)
    if isinstance(sample, pandas.DataFrame):
        return PandasParameterType(sample, enforce_shape=False, orient=orient)
    if isinstance(sample, dict):
        if not all(isinstance(value, numpy.ndarray) for value in sample.values()):
            message = "the model's input_example is a mapping of values ({}), not of arrays: log it as a DataFrame"
            raise ValueError(message.format(", ".join(map(str, sample))))
        tensors = {name: NumpyParameterType(value, enforce_shape=False) for name, value in sample.items()}
        return StandardPythonParameterType(tensors)
    return AnyParameterType()


def split_parameters(data, params, is_transformers):
    """The input and the parameters of a request; transformers may have `parameters` within the input too."""
    # The order is the cloud's: a bare number, in which nothing can be looked for, fails whatever the flavour.
    if params is None and "parameters" in data and is_transformers:
        params = data.pop("parameters")
        if list(data.keys()) == ["input_string"]:
            data = data["input_string"]
    return data, params


def model_input(data, flavors=frozenset()):
    """What the model is asked with: `data` as inference-schema made it, or JSON in one of the forms of the flavour."""
    if _is_read(data):
        return data
    takes_text = bool(TEXT_FLAVORS & set(flavors))
    if isinstance(data, str):
        data = _parsed(data, takes_text)
    if (isinstance(data, dict) or not takes_text) and "input_data" in data:
        data = data["input_data"]
    if PLAIN_FLAVOR in flavors or (takes_text and _is_text(data)):
        return data
    if isinstance(data, list):
        return numpy.asarray(data)
    if isinstance(data, dict) and SPLIT_KEYS.issubset(data):
        return read_table(data)
    if takes_text and not isinstance(data, dict):
        return data
    return {name: numpy.asarray(value) for name, value in data.items()}


def _is_read(data):
    """Whether inference-schema has made arrays or a table of it; of named arrays the first one tells."""
    if isinstance(data, dict):
        return isinstance(next(iter(data.values()), None), numpy.ndarray)
    return isinstance(data, (numpy.ndarray, pandas.DataFrame))


def _parsed(text, takes_text):
    try:
        return json.loads(text)
    except ValueError:
        if takes_text:
            return text
        raise


def _is_text(data):
    """Whether it is a text, texts, texts by name, or a list of these last.

    Raises ValueError for a list of mappings in which anything else is: in the cloud such a request fails.
    """
    if isinstance(data, dict):
        return not SPLIT_KEYS.issubset(data) and _are_named_texts(data)
    if not isinstance(data, list):
        return isinstance(data, (str, bytes))
    if data and all(isinstance(item, dict) for item in data):
        if not all(map(_are_named_texts, data)):
            raise ValueError("a list of mappings may hold texts and lists of texts only")
        return True
    return all(isinstance(item, str) for item in data)


def _are_named_texts(data):
    values = (value if isinstance(value, list) else [value] for value in data.values())
    return all(isinstance(item, str) for value in values for item in value)


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
flavors = frozenset(description.flavors)
is_transformers = "transformers" in flavors
signature = description.signature
input_sample = sample_of_example(description, MODEL_PATH)
output_sample = params_sample = None
if signature:
    input_sample = sample_of_inputs(signature.inputs, input_sample, is_transformers)
    output_sample = sample_of_outputs(signature.outputs)
    params_sample = sample_of_params(getattr(signature, "params", None))
params_type = AnyParameterType() if params_sample is None else StandardPythonParameterType(params_sample)
collectors = {}
model = load_model(MODEL_PATH)


def init():
    try:
        collectors.update({name: Collector(name=name) for name in ("model_inputs", "model_outputs")})
    except Exception as error:
        logger.info("nothing is collected: %s", error)


@input_schema("input_data", input_type(input_sample, is_transformers))
@input_schema("params", params_type, optional=True)
@output_schema(parameter_type(output_sample, orient="records"))
def run(input_data, params=None):
    data, params = split_parameters(input_data, params, is_transformers)
    data = model_input(data, flavors)
    context = collect("model_inputs", data)
    result = predict(model, data, params)
    collect("model_outputs", result, context)
    return jsonable(result)
