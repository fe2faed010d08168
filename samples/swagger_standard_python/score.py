import os

import joblib
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema, output_schema

SPECIES = ["setosa", "versicolor", "virginica"]


def init():
    global model
    model = joblib.load(os.path.join(os.getenv("AZUREML_MODEL_DIR"), "iris_classifier.pkl"))


flower_sample = {"name": "first flower", "sepal": [5.1, 3.5], "petal": {"length": 1.4, "width": 0.2}}
output_sample = {"name": "first flower", "species": "setosa", "certain": True, "probabilities": [0.9, 0.1, 0.0]}


@input_schema("flower", StandardPythonParameterType(flower_sample))
@input_schema("threshold", StandardPythonParameterType(0.9))
@output_schema(StandardPythonParameterType(output_sample))
def run(flower, threshold):
    petal = flower["petal"]
    row = [*flower["sepal"], petal["length"], petal["width"]]
    probabilities = model.predict_proba([row])[0].tolist()
    best = max(probabilities)
    return {
        "name": flower["name"],
        "species": SPECIES[probabilities.index(best)],
        "certain": best >= threshold,
        "probabilities": probabilities,
    }
