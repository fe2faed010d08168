"""What is said of a body that a model without a script refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from emulator.diagnosis import input_data_hint
from emulator.profiles import rows

(MISSING,) = (row.facts["managed"].value.body.encode() for row in rows() if row.id == "mlflow.input_data_missing")
ROWS = [[1, "x"], [2, "y"]]
TABLE = {"columns": ["a", "b"], "index": [0, 1], "data": ROWS}


@pytest.mark.parametrize(
    ("body", "instead"),
    [
        ({"dataframe_split": {"columns": ["a", "b"], "data": ROWS}}, {"input_data": TABLE}),
        ({"dataframe_split": {**TABLE, "index": [7, 8]}}, {"input_data": {**TABLE, "index": [7, 8]}}),
        ({"dataframe_records": [{"a": 1, "b": "x"}, {"b": "y", "a": 2}]}, {"input_data": TABLE}),
        ({"dataframe_records": [{"a": 1}, {"b": "y"}]}, {"input_data": {**TABLE, "data": [[1, None], [None, "y"]]}}),
        ({"instances": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]}, {"input_data": TABLE}),
        ({"instances": [[1, 2]]}, {"input_data": [[1, 2]]}),
        ({"inputs": [[1.0, 2.0]], "params": {"n": 1}}, {"input_data": [[1.0, 2.0]], "params": {"n": 1}}),
        ({"inputs": {"p": [[1]]}}, {"input_data": {"p": [[1]]}}),
        ({"inputs": ["hello"]}, {"input_data": ["hello"]}),
    ],
)
def test_the_body_to_send_instead(body: Any, instead: Any) -> None:
    hint = input_data_hint(json.dumps(body).encode(), MISSING)
    assert hint
    form, _, said = hint.partition("the body is ")
    assert json.loads(said) == instead
    assert next(iter(body)) in form


@pytest.mark.parametrize(
    "body",
    [b'{"data": [1]}', b"{}", b"[1]", b"5", b"", b"{", b"\xff"],
    ids=["other", "empty", "list", "number", *"nbu"],
)
def test_bodies_of_no_form_at_all(body: bytes) -> None:
    assert 'has to be {"input_data": …}' in (input_data_hint(body, MISSING) or "")


@pytest.mark.parametrize(
    ("form", "named"),
    [
        ({"dataframe_split": {"columns": ["a"], "data": [[n] for n in range(200)]}}, '"columns": […]'),
        ({"inputs": [list(range(200))]}, '{"input_data": […]}'),
    ],
    ids=["table", "tensor"],
)
def test_a_long_body_is_told_by_its_form(form: Any, named: str) -> None:
    hint = input_data_hint(json.dumps(form).encode(), MISSING)
    assert hint
    assert named in hint
    assert len(hint) < 300


@pytest.mark.parametrize("answer", [b"", b'{"message": "Expects Content-Type to be application/json"}', b"\xff"])
def test_another_answer_is_none_of_it(answer: bytes) -> None:
    assert input_data_hint(b'{"instances": [1]}', answer) is None
