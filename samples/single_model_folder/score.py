import json
import os

import joblib


def init():
    global model, features
    # One model that was registered from a folder: the folder lies in AZUREML_MODEL_DIR under its own name.
    model_folder = os.path.join(os.getenv("AZUREML_MODEL_DIR"), "my_model_folder")
    model = joblib.load(os.path.join(model_folder, "sklearn_regression_model.pkl"))
    with open(os.path.join(model_folder, "features.json")) as file:
        features = json.load(file)


def run(raw_data):
    data = json.loads(raw_data)["data"]
    return {"features": features, "predictions": model.predict(data).tolist()}
