import json
import os

from night import is_night


def init():
    global fares
    with open(os.path.join(os.getenv("AZUREML_MODEL_DIR"), "model", "fares.json")) as file:
        fares = json.load(file)


def run(raw_data):
    result = []
    for trip in json.loads(raw_data)["trips"]:
        fare = fares["base"] + fares["per_km"] * trip["km"]
        result.append(fare + (fares["night"] if is_night(trip.get("hour", 12)) else 0))
    return result
