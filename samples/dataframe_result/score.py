import os

import joblib
import pandas as pd
from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
from inference_schema.schema_decorators import input_schema, output_schema


def init():
    global model, columns
    saved = joblib.load(os.path.join(os.getenv("AZUREML_MODEL_DIR"), "linnerud.pkl"))
    model, columns = saved["model"], saved["columns"]


input_sample = pd.DataFrame(data=[{"Chins": 5.0, "Situps": 162.0, "Jumps": 60.0}])
output_sample = pd.DataFrame(data=[{"Weight": 191.0, "Waist": 36.0, "Pulse": 50.0}])


def predict(data):
    return pd.DataFrame(model.predict(data), columns=columns, index=data.index)


@input_schema("data", PandasParameterType(input_sample))
@output_schema(PandasParameterType(output_sample))
def run(data):
    result = predict(data)
    # The output decorator describes a DataFrame but does not convert one, and a DataFrame is not JSON serializable.
    return result.to_dict(orient="records")
