import csv
import json
import os
from pathlib import Path


def init():
    global prices
    folder = Path(os.environ["AZUREML_MODEL_DIR"])
    with open(folder / "prices" / "zones.csv", newline="") as file:
        prices = {row["zone"]: float(row["price"]) for row in csv.DictReader(file)}


def run(raw_data):
    parcels = json.loads(raw_data)
    unknown = sorted({parcel["zone"] for parcel in parcels} - prices.keys())
    if unknown:
        raise ValueError(f"no price for {unknown}")
    return {"sum": sum(prices[parcel["zone"]] for parcel in parcels), "currency": os.environ["CURRENCY"]}
