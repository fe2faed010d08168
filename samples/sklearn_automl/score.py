import json
import logging
import os

import joblib
import numpy as np
import pandas as pd
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema, output_schema

logger = logging.getLogger("automl_scoring")

data_sample = pd.DataFrame(
    {
        "alcohol": pd.Series([13.0], dtype="float64"),
        "malic_acid": pd.Series([2.3], dtype="float64"),
        "color_intensity": pd.Series([5.1], dtype="float64"),
        "hue": pd.Series([1.0], dtype="float64"),
        "proline": pd.Series([750.0], dtype="float64"),
    }
)
method_sample = StandardPythonParameterType("predict")
result_sample = NumpyParameterType(np.array(["example_value"]))


def init():
    global model
    model_path = os.path.join(os.getenv("AZUREML_MODEL_DIR"), "model.pkl")
    try:
        logger.info("Loading model from %s", model_path)
        model = joblib.load(model_path)
    except Exception:
        logger.exception("The model could not be loaded.")
        raise


@input_schema("method", method_sample, convert_to_provided_type=False)
@input_schema("data", PandasParameterType(data_sample, enforce_shape=False))
@output_schema(result_sample)
def run(data, method="predict"):
    try:
        if method == "predict_proba":
            result = model.predict_proba(data)
        elif method == "predict":
            result = model.predict(data)
        else:
            raise ValueError("Invalid method: " + method)
        return json.dumps({"result": result.tolist()})
    except Exception as error:
        return json.dumps({"error": str(error)})
