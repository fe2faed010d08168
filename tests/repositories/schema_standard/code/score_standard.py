from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema, output_schema


def init():
    print("init")


@input_schema("name", StandardPythonParameterType("Ada"))
@input_schema("numbers", StandardPythonParameterType([1, 2]))
@output_schema(StandardPythonParameterType({"greeting": "Hello Ada", "sum": 3}))
def run(name, numbers):
    return {"greeting": f"Hello {name}", "sum": sum(numbers)}
