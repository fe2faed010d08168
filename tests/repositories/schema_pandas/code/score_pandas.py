import pandas as pd
from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
from inference_schema.schema_decorators import input_schema, output_schema

sample_input = pd.DataFrame({"field": ["north"], "kilograms": [120]})
sample_output = pd.DataFrame({"field": ["north"], "tonnes": [0.12]})


def init():
    print("init")


@input_schema("data", PandasParameterType(sample_input))
@output_schema(PandasParameterType(sample_output))
def run(data):
    sums = data.groupby("field", as_index=False)["kilograms"].sum()
    sums["tonnes"] = sums.pop("kilograms") / 1000
    return sums.to_dict(orient="records")
