import json
import os

from azureml.core.model import Model
from sklearn.utils import check_array


def init():
    global prices
    with open(Model.get_model_path("pizza-prices")) as file:
        prices = json.load(file)


def run(data):
    try:
        toppings = check_array(json.loads(data)["toppings"], ensure_2d=False)
        return [prices["margherita"] + prices["topping"] * count for count in toppings.tolist()]
    except Exception as error:
        return {"error": str(error)}
