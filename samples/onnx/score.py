import json
import os
import time

import numpy as np
import onnxruntime


def init():
    global session, input_name
    model_path = os.path.join(os.getenv("AZUREML_MODEL_DIR"), "digits.onnx")
    session = onnxruntime.InferenceSession(model_path, providers=["CPUExecutionProvider"])
    input_name = session.get_inputs()[0].name


def preprocess(raw_data):
    return np.array(json.loads(raw_data)["data"], dtype=np.float32).reshape(-1, 64)


def postprocess(outputs):
    labels, probabilities = outputs
    return {"digits": labels.tolist(), "certain": (probabilities.max(axis=1) > 0.5).tolist()}


def run(raw_data):
    start = time.time()
    results = postprocess(session.run(None, {input_name: preprocess(raw_data)}))
    print("Inference took %.1f ms" % ((time.time() - start) * 1000))
    return results
