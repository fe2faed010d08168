"""Our script beside the cloud's: the same models and bodies, on the same server; start or not, status and body.

What the cloud's script answered is recorded (see scoring.py).  There is no pair in which the two differ.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pairs import pairs
from scoring import KINDS, NO_START, Scored, other_kinds, recorded

Answers = Callable[[str, str], Any]
Ask = Callable[..., Scored]

# What the first line of a start that fails must say; the cloud's words are numpy's, pandas' or Python's own.
WHY = {
    "two_variable": "the input tensor has the shape (-1, -1): no dimension but the first may be variable (-1)",
    "images": "the input tensor has the shape (-1, -1, -1, 3)",
    "second_variable": "the input tensor has the shape (2, -1)",
    "named_variable": "the input tensor 'q' has the shape (-1, -1)",
    "output_variable": "the output tensor has the shape (-1, -1)",
    "output_named_variable": "the output tensor 'o' has the shape (-1, -1)",
    "array_column": "no table of pandas' can be made of the input columns, whose types are: Array(double)",
    "array_and_text": "no table of pandas' can be made of the input columns, whose types are: Array(double), string",
    "array_output": "no table of pandas' can be made of the output columns, whose types are: Array(double)",
    "outputs_only": "the model's signature has no inputs",
    "params_only": "the model's signature has no inputs",
    "example_dict_texts": "the model's input_example is a mapping of values (question), not of arrays",
    "transformers_array_first": "there is no sample of the input column 'v'",
}


@pytest.mark.row("mlflow.start", "mlflow.input_forms", "mlflow.signature")
@pytest.mark.parametrize("kind", KINDS)
def test_every_answer_is_the_clouds(answers_with: Answers, kind: str) -> None:
    assert answers_with("pandas2", kind) == recorded("pandas2")[kind]


@pytest.mark.row("mlflow.start", "mlflow.input_forms", "mlflow.signature")
@pytest.mark.parametrize("kind", ["table", "tensor", "named", *other_kinds("pandas3")])
def test_every_answer_is_the_clouds_beside_pandas_3(answers_with: Answers, kind: str) -> None:
    assert answers_with("pandas3", kind) == recorded("pandas3")[kind]


def test_there_is_much_to_compare() -> None:
    """Of the pairs of a model that starts, hundreds are answered, and hundreds refused."""
    answers = [answer for kind in recorded("pandas2").values() if kind != NO_START for answer in kind.values()]
    assert len(pairs()) > 1000
    assert sum(answer[0] == 200 for answer in answers) > 300
    assert sum(answer[0] in (400, 415, 500) for answer in answers) > 300


@pytest.mark.row("mlflow.start")
@pytest.mark.parametrize("kind", WHY)
def test_why_a_model_does_not_start_is_told(ask: Ask, kind: str) -> None:
    assert recorded("pandas2")[kind] == NO_START
    status, body = ask(kind)
    assert status == 0
    assert WHY[kind] in body


def test_tables_of_unsigned_models_are_read_as_the_cloud_does(asker_with: Any) -> None:
    """pandas' reader takes some columns for times, and pandas 3's takes no JSON at all."""
    body = json.dumps({"input_data": {"columns": ["date"], "index": [0], "data": [["2024-01-02"]]}})
    line = {"kind": "unsigned", "body": body, "content_type": "application/json"}
    assert "datetime64[ns]" in asker_with("pandas2").ask(line).body
    assert asker_with("pandas3").ask(line).status == 500
