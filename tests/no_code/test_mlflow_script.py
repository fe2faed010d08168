"""What the script of models without one makes of requests: asked on the real scoring server, with the real mlflow."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pairs import TABLE
from scoring import Scored

from emulator.profiles import Answer, rows

Ask = Callable[..., Scored]

FORMS: dict[str, tuple[str, Any, Any]] = {
    "a table": ("records", TABLE, [{"twice": 2, "text": "x"}, {"twice": 4, "text": "y"}]),
    "a table without an index": ("table", {"columns": ["a", "b"], "data": [[1, "x"]]}, [10]),
    "columns in another order": ("table", {"columns": ["b", "a"], "index": [0], "data": [["x", 3]]}, [30]),
    "a column too many": ("table", {"columns": ["a", "b", "c"], "index": [0], "data": [[3, "x", 1]]}, [30]),
    "a number as text": ("table", {"columns": ["a", "b"], "index": [0], "data": [["3", "x"]]}, [30]),
    "a tensor": ("tensor", [[1, 2], [3, 4]], [3.0, 7.0]),
    "named tensors": ("named", {"p": [[1, 2]], "q": [[3, 4]]}, [[4.0, 6.0]]),
    "a table of a model with an example": ("example", TABLE, [{"twice": 2, "text": "x"}, {"twice": 4, "text": "y"}]),
    "a tensor of a model without a signature": (
        "unsigned",
        [[1, 2]],
        [["array", "int64", [1, 2], "[[1, 2]]"], ["NoneType", "None"]],
    ),
    "named tensors of a model without a signature": (
        "unsigned",
        {"p": [1]},
        [{"p": ["array", "int64", [1], "[1]"]}, ["NoneType", "None"]],
    ),
}
OTHER_FORMS: dict[str, tuple[int, str, str]] = {
    "dataframe_split": (400, "application/json", json.dumps({"dataframe_split": TABLE})),
    "dataframe_records": (400, "application/json", json.dumps({"dataframe_records": [{"a": 1, "b": "x"}]})),
    "instances": (400, "application/json", json.dumps({"instances": [[1, "x"]]})),
    "inputs": (400, "application/json", json.dumps({"inputs": {"a": [1], "b": ["x"]}})),
    "csv": (415, "text/csv", "a,b\n1,x\n"),
    "records": (500, "application/json", json.dumps({"input_data": [{"a": 1, "b": "x"}]})),
}
MISFITS: dict[str, tuple[str, Any]] = {
    "a missing column": ("table", {"columns": ["a"], "index": [0], "data": [[1]]}),
    "a column of another name": ("table", {"columns": ["A", "b"], "index": [0], "data": [[1, "x"]]}),
    "a text for a number": ("table", {"columns": ["a", "b"], "index": [0], "data": [["one", "x"]]}),
    "a tensor for a table": ("table", [[1, 2]]),
    "a number": ("table", 5),
    "nothing": ("table", None),
    "a table for a tensor": ("tensor", TABLE),
    "a tensor of another shape": ("tensor", [[1, 2, 3]]),
    "a tensor of texts": ("tensor", [["a", "b"]]),
    "a missing tensor": ("named", {"p": [[1, 2]]}),
}


def fact(row_id: str) -> Any:
    """The value that all targets have."""
    (row,) = (row for row in rows() if row.id == row_id)
    return row.facts["managed"].value


@pytest.mark.row("mlflow.input_forms", "mlflow.answer")
@pytest.mark.parametrize("form", FORMS)
def test_what_input_data_may_be(ask: Ask, form: str) -> None:
    kind, data, expected = FORMS[form]
    answer = ask(kind, json.dumps({"input_data": data}))
    assert (answer.status, json.loads(answer.body)) == (200, expected)


@pytest.mark.row("mlflow.other_forms")
@pytest.mark.parametrize("form", OTHER_FORMS)
def test_what_is_not_taken(ask: Ask, form: str) -> None:
    status, content_type, body = OTHER_FORMS[form]
    assert ask("table", body, content_type).status == status
    assert status in fact("mlflow.other_forms")


@pytest.mark.row("mlflow.input_data_missing")
@pytest.mark.parametrize("kind", ["table", "tensor", "unsigned"])
def test_input_data_must_be_there(ask: Ask, kind: str) -> None:
    expected: Answer = fact("mlflow.input_data_missing")
    answer = ask(kind, json.dumps({"data": TABLE}))
    assert answer == (expected.status, expected.body)


@pytest.mark.row("mlflow.params")
@pytest.mark.parametrize(
    ("params", "expected"),
    [({}, [10, 20]), ({"params": {"factor": 3}}, [3, 6]), ({"params": {"unknown": 3}}, [10, 20])],
)
def test_params_go_along(ask: Ask, params: dict[str, Any], expected: list[int]) -> None:
    answer = ask("table", json.dumps({"input_data": TABLE, **params}))
    assert (answer.status, json.loads(answer.body)) == (200, expected)


@pytest.mark.row("mlflow.signature")
@pytest.mark.parametrize("misfit", MISFITS)
def test_the_signature_is_enforced(ask: Ask, misfit: str) -> None:
    kind, data = MISFITS[misfit]
    expected: Answer = fact("mlflow.signature")
    answer = ask(kind, json.dumps({"input_data": data}))
    assert answer == (expected.status, expected.body)


@pytest.mark.row("mlflow.signature")
def test_the_types_of_params_are_enforced(ask: Ask) -> None:
    answer = ask("table", json.dumps({"input_data": TABLE, "params": {"factor": "three"}}))
    assert answer.status == fact("mlflow.signature").status


@pytest.mark.row("mlflow.not_json")
def test_arrays_in_a_dictionary_are_not_json(ask: Ask) -> None:
    expected: Answer = fact("mlflow.not_json")
    answer = ask("arrays", json.dumps({"input_data": TABLE}))
    assert answer == (expected.status, expected.body)


@pytest.mark.row("mlflow.swagger")
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("table", {"type": "object", "format": "pandas.DataFrame:split"}),
        ("example", {"type": "object", "format": "pandas.DataFrame:split"}),
        ("tensor", {"type": "array", "format": "numpy.ndarray"}),
        ("unsigned", {"type": "object"}),
    ],
)
def test_swagger_is_of_the_signature(ask: Ask, kind: str, expected: dict[str, Any]) -> None:
    found = service_input(ask, kind)["properties"]["input_data"]
    assert {name: found[name] for name in expected} == expected


@pytest.mark.row("mlflow.swagger")
def test_swagger_shows_the_example_and_the_params(ask: Ask) -> None:
    example = service_input(ask, "example")["example"]["input_data"]
    assert example == {"columns": ["a", "b"], "index": [0], "data": [[3, "from the example"]]}
    assert service_input(ask, "table")["properties"]["params"]["properties"]["factor"]["type"] == "integer"


def service_input(ask: Ask, kind: str) -> dict[str, Any]:
    """What the document says of the body."""
    found: dict[str, Any] = json.loads(ask(kind).body)["components"]["schemas"]["ServiceInput"]
    return found


@pytest.mark.row("mlflow.answer", "mlflow.params")
def test_the_scripts_own_functions(ask_script: Callable[[], str]) -> None:
    """With models that are none: one of an mlflow before 2.6, which knows no parameters, and one of today's."""
    said = json.loads(ask_script())
    assert said["predict"] == [["old", 1], ["new", 1, {"a": 2}]]
    assert said["jsonable"] == [[[1, 2]], [{"x": 1, "y": "z"}], [{"s": 1}, {"s": 2}], {"as": "it is"}]
    assert said["kinds"] == {
        "list": "ndarray",
        "split": "DataFrame",
        "named": "dict",
        "json": "ndarray",
        "text": "str",
        "texts": "list",
        "chat": "list",
        "plain": "list",
        "numbers": "ndarray",
    }
    assert said["collect"] == [None, ["DataFrame", 2, "context"], None]
