"""The smallest project of a data scientist: a script, a model, an environment, Azure's file of a deployment."""

from __future__ import annotations

SCRIPT = """\
import json, os, pathlib

def init():
    global bias
    bias = json.loads(next(pathlib.Path(os.environ["AZUREML_MODEL_DIR"]).glob("*.json")).read_text())["bias"]
    print("init has read the bias", bias)

def run(data):
    print("run was asked; the script knows the key", "-".join(["the-key", "of-this-test"]))
    return [sum(row) + bias for row in json.loads(data)["data"]]
"""
DEPLOYMENT = """\
name: green
endpoint_name: of-the-file
model:
  path: model.json
code_configuration:
  code: src
  scoring_script: score.py
environment: azureml:of_tests:1
instance_type: Standard_DS3_v2
instance_count: 1
"""
PROJECT = {
    "src/score.py": SCRIPT,
    "model.json": '{"bias": 0}',
    "requirements.txt": "azureml-inference-server-http==1.5.1\n",
    "deployment.yml": DEPLOYMENT,
    "pytest.ini": "[pytest]\nfilterwarnings = error\n",
}
ENDPOINT = 'amlemu_endpoint(entry="src/score.py", models={"my_model": "model.json"}, environment="requirements.txt")'
