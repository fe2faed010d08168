"""Decorated with a table whose columns have types."""

import pandas as pd
from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
from inference_schema.schema_decorators import input_schema, output_schema

SAMPLE = pd.DataFrame({"width": [1.5], "name": ["iris"], "count": [2]})


def init():
    pass


@input_schema("data", PandasParameterType(SAMPLE))
@output_schema(PandasParameterType(SAMPLE))
def run(data):
    return data.assign(width=data["width"] * 2).to_dict(orient="records")
