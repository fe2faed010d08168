import json
import os

import keras
import numpy as np


def init():
    global model
    model_path = os.path.join(os.getenv("AZUREML_MODEL_DIR"), "digits.keras")
    model = keras.models.load_model(model_path)


def run(raw_data):
    data = np.array(json.loads(raw_data)["data"], dtype="float32").reshape(-1, 8, 8, 1) / 16
    probabilities = model.predict(data, verbose=0)
    return {"digits": probabilities.argmax(axis=1).tolist(), "certain": (probabilities.max(axis=1) > 0.5).tolist()}
