"""Writes MLflow models of every kind below the folder of the first argument; runs beside mlflow.

A model whose name is that of a kind of `ANSWERS` answers in its own way; all others answer with what they were asked.
"""

import datetime
import sys
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pandas as pd
import yaml
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import Array, Map, Object, Property

FOLDER = Path(sys.argv[1])
ANSWERS = {
    "table": lambda data, params: np.asarray(data["a"]) * params["factor"],
    "records": lambda data, params: pd.DataFrame({"twice": data["a"] * 2, "text": data["b"]}),
    "example": lambda data, params: pd.DataFrame({"twice": data["a"] * 2, "text": data["b"]}),
    "tensor": lambda data, params: data.sum(axis=1),
    "named": lambda data, params: data["p"] + data["q"],
    "arrays": lambda data, params: {"output": np.zeros(2)},
    "series": lambda data, params: data["a"],
    "bytes": lambda data, params: b"raw",
    "none": lambda data, params: None,
    "number": lambda data, params: np.float32(1.5),
    "not_a_number": lambda data, params: np.array([1.0, np.nan]),
    "times": lambda data, params: pd.DataFrame({"t": [datetime.datetime(2024, 1, 2)]}),
    "raises": lambda data, params: 1 / 0,
}


def described(data):
    """What data is, down to types and labels, as JSON."""
    if isinstance(data, pd.DataFrame):
        columns = {str(label): [str(data[label].dtype), list(map(repr, data[label]))] for label in data.columns}
        return ["table", [type(label).__name__ for label in data.columns], list(map(str, data.index)), columns]
    if isinstance(data, np.ndarray):
        return ["array", "str" if data.dtype.kind == "U" else str(data.dtype), data.shape, repr(data.tolist())]
    if isinstance(data, dict):
        return {str(name): described(value) for name, value in data.items()}
    return [type(data).__name__, repr(data)]


class Model(mlflow.pyfunc.PythonModel):
    def __init__(self, kind):
        self.kind = kind

    def predict(self, context, model_input, params=None):
        if self.kind in ANSWERS:
            return ANSWERS[self.kind](model_input, params)
        return [described(model_input), described(params)]


def columns(**types):
    return Schema([ColSpec(kind, name) for name, kind in types.items()])


def unnamed(*types):
    return Schema([ColSpec(kind) for kind in types])


def tensor(*shape, dtype="float64", name=None):
    return TensorSpec(np.dtype(dtype), shape, name)


def tensors(*specs):
    return Schema(list(specs))


def signature(inputs=None, outputs=None, params=None):
    return ModelSignature(inputs, outputs, params)


AB = columns(a="long", b="string")
ANY = Schema([ColSpec("long")])
FACTOR = ParamSchema([ParamSpec("factor", "long", 10)])
PARAMS = ParamSchema(
    [
        ParamSpec("text", "string", "t"),
        ParamSpec("number", "double", 0.5),
        ParamSpec("flag", "boolean", None),
        ParamSpec("whole", "long", None),
        ParamSpec("list", "double", [1.0], shape=(-1,)),
    ]
)
WHEN = ParamSchema([ParamSpec("when", "datetime", np.datetime64("2024-01-02"))])
FRAME = pd.DataFrame({"a": [3], "b": ["from the example"]})
DATED = pd.DataFrame({"date": ["2024-01-02"], "amount": [1.5]})

SIGNED = {
    "table": signature(AB, ANY, FACTOR),
    "records": signature(AB),
    "arrays": signature(AB),
    "tensor": signature(tensors(tensor(-1, 2)), tensors(tensor(-1))),
    "named": signature(tensors(tensor(-1, 2, name="p"), tensor(-1, 2, name="q"))),
    "unsigned": None,
    # what is answered
    "series": signature(AB),
    "bytes": signature(AB),
    "none": signature(AB),
    "number": signature(AB),
    "not_a_number": signature(AB),
    "times": signature(AB),
    "raises": signature(AB),
    # tensors
    "four": signature(tensors(tensor(-1, 4, dtype="float32"))),
    "two_variable": signature(tensors(tensor(-1, -1, dtype="float32"))),
    "images": signature(tensors(tensor(-1, -1, -1, 3, dtype="uint8"))),
    "second_variable": signature(tensors(tensor(2, -1))),
    "named_variable": signature(tensors(tensor(-1, 2, name="p"), tensor(-1, -1, name="q"))),
    "one_tensor_named": signature(tensors(tensor(-1, 2, name="p"))),
    "fixed": signature(tensors(tensor(1, 2, dtype="int64"))),
    "zero_long": signature(tensors(tensor(-1, 0))),
    "texts_tensor": signature(tensors(tensor(-1, 1, dtype="str"))),
    "flags_tensor": signature(tensors(tensor(-1, dtype="bool"))),
    "output_variable": signature(tensors(tensor(-1, 2)), tensors(tensor(-1, -1))),
    "output_named_variable": signature(tensors(tensor(-1, 2)), tensors(tensor(-1, -1, name="o"))),
    "output_named": signature(tensors(tensor(-1, 2)), tensors(tensor(-1, 2, name="o"))),
    "table_to_tensor": signature(AB, tensors(tensor(-1, 3))),
    # columns
    "types": signature(columns(flag="boolean", i="integer", l="long", f="float", d="double", s="string")),
    "binary": signature(columns(raw="binary")),
    "when": signature(columns(when="datetime")),
    "optional": signature(Schema([ColSpec("long", "a"), ColSpec("string", "b", required=False)])),
    "one_unnamed": signature(unnamed("double")),
    "one_unnamed_text": signature(unnamed("string")),
    "two_unnamed": signature(unnamed("double", "double")),
    "date_text": signature(columns(date="string", amount="double")),
    "year_labels": signature(columns(**{"2020": "double", "2021": "double"})),
    "array_column": signature(columns(v=Array("double"))),
    "array_and_text": signature(columns(s="string", v=Array("double"))),
    "array_unnamed": signature(unnamed(Array("double"))),
    "object_column": signature(columns(o=Object([Property("x", "long")]))),
    "map_column": signature(columns(m=Map("long"))),
    "array_output": signature(AB, columns(v=Array("double"))),
    "array_output_unnamed": signature(AB, unnamed(Array("string"))),
    # what is left out of the signature
    "outputs_only": signature(None, ANY),
    "params_only": signature(None, None, FACTOR),
    "params": signature(AB, None, PARAMS),
    "params_when": signature(AB, None, WHEN),
}
EXAMPLES = {
    "example": (signature(AB), FRAME),
    "example_unsigned": (None, FRAME),
    "example_date": (signature(columns(date="string", amount="double")), DATED),
    "example_created_at": (signature(columns(created_at="string")), pd.DataFrame({"created_at": ["2024-01-02"]})),
    "example_texts": (signature(columns(a="string")), pd.DataFrame({"a": ["1", "2"]})),
    "example_no_columns": (signature(unnamed("double", "double")), pd.DataFrame([[1.0, 2.0]])),
    "example_tensor": (signature(tensors(tensor(-1, 2))), np.array([[1.0, 2.0]])),
    "example_two_variable": (signature(tensors(tensor(-1, -1))), np.array([[1.0, 2.0]])),
    "example_named": (signature(tensors(tensor(-1, 2, name="p"))), {"p": np.array([[1.0, 2.0]])}),
    "example_named_texts": (signature(tensors(tensor(-1, dtype="str", name="p"))), {"p": np.array(["x"])}),
    "example_dict_texts": (signature(columns(question="string")), {"question": "why"}),
    "example_dict_lists": (signature(columns(question="string")), {"question": ["why", "how"]}),
    "example_dict_mixed": (signature(columns(a="long", b="string")), {"a": 1, "b": "x"}),
    "example_dict_unsigned": (None, {"question": "why"}),
    "example_list": (signature(unnamed("string")), ["a", "b"]),
    "example_numbers": (signature(unnamed("long")), [1, 2]),
    "example_text": (signature(unnamed("string")), "hello"),
    "example_number": (signature(unnamed("long")), 5),
    "example_params": (signature(AB, None, FACTOR), (FRAME, {"factor": 2})),
    "example_array_column": (signature(columns(v=Array("double"))), pd.DataFrame({"v": [[1.0, 2.0]]})),
}
FLAVORED = {
    f"{flavor}_{name}": (flavor, signed)
    for flavor in ("transformers", "langchain", "openai", "hftransformersv2")
    for name, signed in {
        "text": signature(unnamed("string"), unnamed("string")),
        "named_text": signature(columns(question="string"), unnamed("string")),
        "unsigned": None,
    }.items()
}
FLAVORED["transformers_text_params"] = (
    "transformers",
    signature(unnamed("string"), unnamed("string"), ParamSchema([ParamSpec("max_length", "long", 20)])),
)
FLAVORED["transformers_mixed"] = ("transformers", signature(columns(s="string", n="long", v=Array("string"))))
FLAVORED["transformers_array_first"] = ("transformers", signature(columns(v=Array("string"), s="string")))
FLAVORED["transformers_array_unnamed"] = ("transformers", signature(unnamed(Array("string"))))
FLAVORED["transformers_tensor"] = ("transformers", signature(tensors(tensor(-1, 2))))
FLAVORED["langchain_array"] = ("langchain", signature(columns(v=Array("string"))))


def save(kind, signed, example=None):
    mlflow.pyfunc.save_model(
        FOLDER / kind,
        python_model=Model(kind),
        signature=signed,
        input_example=example,
        pip_requirements=["mlflow-skinny"],
    )


def edit(kind, change):
    """Have MLmodel say what mlflow would not write of such a model."""
    file = FOLDER / kind / "MLmodel"
    content = yaml.safe_load(file.read_text())
    change(content)
    file.write_text(yaml.safe_dump(content))


for kind, signed in SIGNED.items():
    save(kind, signed)
for kind, (signed, example) in EXAMPLES.items():
    save(kind, signed, example)
for kind, (flavor, signed) in FLAVORED.items():
    save(kind, signed)
    edit(kind, lambda mlmodel, name=flavor: mlmodel["flavors"].update({name: {}}))
save("transformers_example", signature(columns(question="string")), pd.DataFrame({"question": ["why"]}))
edit("transformers_example", lambda mlmodel: mlmodel["flavors"].update(transformers={}))
save("example_missing", signature(AB))
MISSING = {"artifact_path": "input_example.json", "type": "dataframe", "pandas_orient": "split"}
edit("example_missing", lambda mlmodel: mlmodel.update(saved_input_example_info=MISSING))
for kind in ("example_unsigned", "example_dict_unsigned"):
    edit(kind, lambda mlmodel: mlmodel.pop("signature"))  # mlflow makes one of the example
