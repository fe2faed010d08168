"""Decorated with plain types, two parameters and the headers."""

from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema, output_schema


def init():
    pass


@input_schema("data", StandardPythonParameterType([[1, 2]]))
@input_schema("method", StandardPythonParameterType("predict"))
@output_schema(StandardPythonParameterType({"result": [3]}))
def run(data, method="predict"):
    return {"method": method, "result": [sum(row) for row in data]}
