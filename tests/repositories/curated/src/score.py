import json
import os

import numpy as np


def init():
    global thermostat
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "thermostat.json")) as file:
        thermostat = json.load(file)


def run(raw_data):
    measured = np.asarray(json.loads(raw_data)["measured"], dtype=float)
    valves = np.clip(0.5 + thermostat["gain"] * (thermostat["wanted"] - measured), 0.0, 1.0)
    return {"valves": valves.tolist()}
