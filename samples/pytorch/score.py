import json
import os

import torch

from network import DigitNetwork


def init():
    global network
    model_path = os.path.join(os.getenv("AZUREML_MODEL_DIR"), "digits.pt")
    network = DigitNetwork()
    network.load_state_dict(torch.load(model_path, map_location="cpu", weights_only=True))
    network.eval()


def run(raw_data):
    data = torch.tensor(json.loads(raw_data)["data"], dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
    with torch.no_grad():
        probabilities = network(data).softmax(dim=1)
    digits = probabilities.argmax(dim=1)
    return {"digits": digits.tolist(), "certain": (probabilities.amax(dim=1) > 0.5).tolist()}
