import json
import math
import os


def init():
    global tides
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "tides.json")) as file:
        tides = json.load(file)


def run(raw_data):
    hour = json.loads(raw_data)["hour"]
    return {"height": round(tides["height"] * math.cos(2 * math.pi * hour / tides["period"]), 6)}
