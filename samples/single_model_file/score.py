import json
import os

import joblib


def init():
    global model
    # One model that was registered from a file: the file lies in AZUREML_MODEL_DIR under its own name.
    model_path = os.path.join(os.getenv("AZUREML_MODEL_DIR"), "sklearn_regression_model.pkl")
    model = joblib.load(model_path)


def run(raw_data):
    data = json.loads(raw_data)["data"]
    return model.predict(data).tolist()
