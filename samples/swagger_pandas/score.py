import os

import joblib
import pandas as pd
from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema, output_schema


def init():
    global model
    model = joblib.load(os.path.join(os.getenv("AZUREML_MODEL_DIR"), "diabetes_pipeline.pkl"))


input_sample = pd.DataFrame(
    [
        {"age": 59, "sex": "group 2", "bmi": 32.1, "bp": 101.0},
        {"age": 48, "sex": "group 1", "bmi": 21.6, "bp": 87.0},
    ]
)
output_sample = [206.1, 68.1]


@input_schema("data", PandasParameterType(input_sample))
@output_schema(StandardPythonParameterType(output_sample))
def run(data):
    # data is a DataFrame with the sample's columns and dtypes here.
    return model.predict(data).tolist()
