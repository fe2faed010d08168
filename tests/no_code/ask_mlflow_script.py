"""Calls the script's own functions with models that are none, and prints what they say as JSON; runs beside mlflow."""

import json
import sys

sys.path.insert(0, sys.argv[1])

import mlflow_score_script as script
import numpy as np
import pandas as pd


class Old:
    def predict(self, data):
        return ["old", data]


class New:
    def predict(self, data, params=None):
        return ["new", data, params]


class Full:
    def collect(self, data, context=None):
        raise ValueError("the disk is full")


class Kept:
    def collect(self, data, context=None):
        return [type(data).__name__, len(data), context]


def kind(data, *flavors):
    return type(script.model_input(data, frozenset(flavors))).__name__


script.collectors.update(full=Full(), kept=Kept())
print(
    json.dumps(
        {
            "predict": [script.predict(Old(), 1, {"a": 2}), script.predict(New(), 1, {"a": 2})],
            "jsonable": [
                script.jsonable(np.array([[1, 2]])),
                script.jsonable(pd.DataFrame({"x": [1], "y": ["z"]})),
                script.jsonable(pd.Series([1, 2], name="s")),
                script.jsonable({"as": "it is"}),
            ],
            "kinds": {
                "list": kind([[1, 2]]),
                "split": kind({"columns": ["a"], "index": [0], "data": [[1]]}),
                "named": kind({"a": [1], "b": [2]}),
                "json": kind("[1, 2]"),
                "text": kind("a question", "langchain"),
                "texts": kind(["a", "b"], "langchain"),
                "chat": kind([{"role": "user", "content": ["hi"]}], "openai"),
                "plain": kind([1, 2], "hftransformersv2"),
                "numbers": kind([1, 2], "langchain"),
            },
            "collect": [script.collect(name, [1, 2], "context") for name in ("full", "kept", "nothing")],
        }
    )
)
