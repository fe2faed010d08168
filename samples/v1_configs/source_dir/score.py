import json
import os

import joblib
from columns import row


def init():
    global model
    # One registered model: its file lies in the folder itself.
    model = joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "sklearn_regression_model.pkl"))


def run(data):
    people = json.loads(data)["people"]
    result = model.predict([row(person) for person in people])
    return {"result": result.tolist(), "script": os.environ["AZUREML_ENTRY_SCRIPT"], "who": os.environ["SERVED_BY"]}
