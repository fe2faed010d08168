import json

import joblib
from azureml.core.model import Model


def init():
    global model
    # The registered name, not the file name; without a version the highest one that was deployed.
    model_path = Model.get_model_path("diabetes_ridge")
    print("Model.get_model_path says", model_path)
    model = joblib.load(model_path)


def run(raw_data):
    data = json.loads(raw_data)["data"]
    return model.predict(data).tolist()
