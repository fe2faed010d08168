import json
import logging
import os

import joblib


def init():
    global first_model, second_model
    models_root = os.getenv("AZUREML_MODEL_DIR")

    # Several models: AZUREML_MODEL_DIR holds a folder $MODEL_NAME/$VERSION for each of them.
    first_model_name = "my_first_model"
    first_model_version = "1"
    first_model_path = os.path.join(models_root, first_model_name, first_model_version, "my_first_model.pkl")
    second_model_name = "my_second_model"
    second_model_version = "2"
    second_model_path = os.path.join(models_root, second_model_name, second_model_version, "my_second_model.pkl")

    first_model = joblib.load(first_model_path)
    second_model = joblib.load(second_model_path)
    logging.info("Loaded %s and %s", first_model_path, second_model_path)


def run(raw_data):
    data = json.loads(raw_data)["data"]
    return {
        "my_first_model": first_model.predict(data).tolist(),
        "my_second_model": second_model.predict(data).tolist(),
        "my_second_model_is_a": type(second_model).__name__,
    }
