"""Request bodies of MLflow's own scoring server, which the no-code script rejects: the same data as `input_data`.

The cloud's answer does not say more than that `input_data` is missing (row mlflow.other_forms), and mlflow writes such
bodies beside each model, as serving_input_example.json.
"""

from __future__ import annotations

import json
from typing import Any

_MISSING = "A value is not provided for the 'input_data' parameter"
_ANY_FORM = (
    'the body has to be {"input_data": …}: a table as {"columns": […], "index": […], "data": [[…]]}, a tensor as nested'
    " lists, named tensors by name"
)
_MOST_CHARACTERS = 300


def input_data_hint(body: bytes, answer: bytes) -> str | None:
    """Return the body to send instead, where `answer` says that `input_data` is missing; None for other answers."""
    if _MISSING not in answer.decode(errors="replace"):
        return None
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError):
        return _ANY_FORM
    form = next((name for name in _FORMS if name in sent), None) if isinstance(sent, dict) else None
    if form is None:
        return _ANY_FORM
    told = f"'{form}' is what mlflow's own server takes; here, as in the cloud, the body is"
    instead: dict[str, Any] = {"input_data": _input_data(sent[form])}
    if "params" in sent:
        instead["params"] = sent["params"]
    text = json.dumps(instead)
    return f"{told} {text if len(text) <= _MOST_CHARACTERS else _FORMS[form]}"


_TABLE = '{"input_data": {"columns": […], "index": […], "data": [[…]]}}'
_FORMS = {
    "dataframe_split": _TABLE,
    "dataframe_records": _TABLE,
    "instances": '{"input_data": […]}, or with tensors by name {"input_data": {"name": […]}}',
    "inputs": '{"input_data": […]}, or with tensors by name {"input_data": {"name": […]}}',
}


def _input_data(data: Any) -> Any:
    """Return a `split` or `records` value as a table, any other value unchanged."""
    if isinstance(data, dict) and isinstance(data.get("data"), list) and "columns" in data:
        rows = data["data"]
        return {"columns": data["columns"], "index": data.get("index", list(range(len(rows)))), "data": rows}
    if isinstance(data, list) and data and all(isinstance(row, dict) for row in data):
        columns = list(dict.fromkeys(name for row in data for name in row))
        rows = [[row.get(name) for name in columns] for row in data]
        return {"columns": columns, "index": list(range(len(rows))), "data": rows}
    return data
