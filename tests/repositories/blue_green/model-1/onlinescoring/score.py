import json
import logging
import os


def init():
    global fares
    path = os.path.join(os.getenv("AZUREML_MODEL_DIR"), "model", "fares.json")
    with open(path) as file:
        fares = json.load(file)
    logging.info("fares read from %s", path)


def run(raw_data):
    trips = json.loads(raw_data)["trips"]
    return [fares["base"] + fares["per_km"] * trip["km"] for trip in trips]
