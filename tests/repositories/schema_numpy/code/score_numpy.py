import numpy as np
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.schema_decorators import input_schema, output_schema


def init():
    print("init")


@input_schema(param_name="points", param_type=NumpyParameterType(np.array([[3.0, 4.0]])))
@output_schema(output_type=NumpyParameterType(np.array([5.0])))
def run(points):
    return np.sqrt((points**2).sum(axis=1)).tolist()
