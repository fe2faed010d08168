"""Undecorated: returns of every kind, chosen by ?kind=; some of them no JSON can be made of."""

import datetime
import json

import numpy as np
import pandas as pd


def init():
    pass


KINDS = {
    "none": lambda: None,
    "bytes": lambda: b"bytes",
    "text": lambda: "text",
    "json_text": lambda: json.dumps({"twice": "encoded"}),
    "empty": lambda: "",
    "nan": lambda: float("nan"),
    "infinity": lambda: [float("inf"), float("-inf")],
    "number": lambda: 0.1 + 0.2,
    "large_number": lambda: 2**70,
    "yes": lambda: True,
    "unicode": lambda: "grüße 世界 \U0001f600 \ud800",
    "nested": lambda: {"a": [{"b": [1, [2, [3, {"c": None}]]]}], "1": {}},
    "other_keys": lambda: {1: "a", None: "b", 1.5: "c"},
    "tuple": lambda: (1, 2),
    "set": lambda: {1},
    "list": lambda: list(range(1000)),
    "numpy_array": lambda: np.arange(3),
    "numpy_number": lambda: np.float64(1.5),
    "data_frame": lambda: pd.DataFrame({"a": [1]}),
    "frame_as_json": lambda: pd.DataFrame({"a": [1.5, None]}).to_json(),
    "date": lambda: datetime.date(2020, 1, 1),
    "huge": lambda: "x" * 5_000_000,
    "exception": lambda: ValueError("returned, not raised"),
    "generator": lambda: (number for number in range(3)),
}


def run(data):
    return KINDS[json.loads(data)["kind"]]()
