"""Writes MLflow models of every kind of signature below the folder of the first argument; runs beside mlflow."""

import sys
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema, TensorSpec


class Model(mlflow.pyfunc.PythonModel):
    """Answers by its kind, and with what it was asked where that is of interest."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def predict(self, context, model_input, params=None):
        if self.kind == "table":
            return np.asarray(model_input["a"]) * params["factor"]
        if self.kind == "records":
            return pd.DataFrame({"twice": model_input["a"] * 2, "text": model_input["b"]})
        if self.kind == "tensor":
            return model_input.sum(axis=1)
        if self.kind == "named":
            return model_input["p"] + model_input["q"]
        if self.kind == "arrays":
            return {"output": np.zeros(2)}
        return [type(model_input).__name__]


def tensors(*names):
    return Schema([TensorSpec(np.dtype("float64"), (-1, 2), name) for name in names])


COLUMNS = Schema([ColSpec("long", "a"), ColSpec("string", "b")])
SIGNATURES = {
    "table": ModelSignature(COLUMNS, Schema([ColSpec("long")]), ParamSchema([ParamSpec("factor", "long", 10)])),
    "records": ModelSignature(COLUMNS),
    "tensor": ModelSignature(tensors(None), Schema([TensorSpec(np.dtype("float64"), (-1,))])),
    "named": ModelSignature(tensors("p", "q")),
    "arrays": ModelSignature(COLUMNS),
    "unsigned": None,
}

for kind, signature in SIGNATURES.items():
    folder = Path(sys.argv[1], kind)
    mlflow.pyfunc.save_model(folder, python_model=Model(kind), signature=signature, pip_requirements=["mlflow-skinny"])
example = pd.DataFrame({"a": [3], "b": ["from the example"]})
mlflow.pyfunc.save_model(
    Path(sys.argv[1], "example"),
    python_model=Model("records"),
    signature=ModelSignature(COLUMNS),
    input_example=example,
    pip_requirements=["mlflow-skinny"],
)
