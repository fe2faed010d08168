"""What the models of make_mlflow_models.py are asked: the pairs of a model and a body that both no-code scripts get."""

from __future__ import annotations

import json
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple


class Pair(NamedTuple):
    """A kind of model and the name of a body; 'swagger' is no body, but the document about them."""

    kind: str
    body: str


def split(columns: list[Any], *rows: list[Any], index: list[Any] | None = None) -> dict[str, Any]:
    return {"columns": columns, "index": list(range(len(rows))) if index is None else index, "data": list(rows)}


TABLE = split(["a", "b"], [1, "x"], [2, "y"])
ROWS_OF_TYPES = split(["flag", "i", "l", "f", "d", "s"], [True, 1, 2, 0.5, 1.5, "x"])

# What `input_data` is.
TABLES: Mapping[str, Any] = {
    "table": TABLE,
    "no_rows": split(["a", "b"]),
    "no_index": {"columns": ["a", "b"], "data": [[1, "x"]]},
    "other_index": split(["a", "b"], [1, "x"], index=["first"]),
    "other_order": split(["b", "a"], ["x", 3]),
    "column_too_many": split(["a", "b", "c"], [3, "x", 1]),
    "column_missing": split(["a"], [1]),
    "other_case": split(["A", "b"], [1, "x"]),
    "number_as_text": split(["a", "b"], ["3", "x"]),
    "text_for_number": split(["a", "b"], ["one", "x"]),
    "fraction": split(["a", "b"], [1.5, "x"]),
    "null_number": split(["a", "b"], [None, "x"]),
    "null_text": split(["a", "b"], [1, None]),
    "date_in_text": split(["a", "b"], [1, "2024-01-02"]),
    "big_number": split(["a", "b"], [2**53 + 1, "x"]),
    "short_row": split(["a", "b"], [1]),
    "records": [{"a": 1, "b": "x"}],
    "by_name": {"a": [1, 2], "b": ["x", "y"]},
    "extra_key": {**TABLE, "dtypes": []},
}
TENSORS: Mapping[str, Any] = {
    "one_by_two": [[1, 2]],
    "two_by_two": [[1.5, 2], [3, 4]],
    "one_by_three": [[1, 2, 3]],
    "one_by_four": [[1, 2, 3, 4]],
    "flat": [1, 2],
    "ragged": [[1, 2], [3]],
    "text_array": [["a", "b"]],
    "nulls": [[None, 1]],
    "named": {"p": [[1, 2]], "q": [[3, 4]]},
    "named_p": {"p": [[1, 2]]},
    "named_other": {"r": [[1, 2]]},
}
ANYTHING: Mapping[str, Any] = {
    "zero": 0,
    "true": True,
    "empty_text": "",
    "json_array": "[[1, 2]]",
    "json_table": json.dumps(TABLE),
    "list_on_input_data": ["input_data"],
    "nested": {"input_data": [[1, 2]]},
    "nested_table": {"input_data": TABLE},
    "dates": split(["date", "created_at", "updated", "n"], ["2024-01-02", "2024-01-03", "2024-01-04", 1]),
    "timestamps": split(["timestamp", "modified"], [1704153600000, "2024-01-02"]),
    "dates_that_are_none": split(["date"], ["soon"]),
    "year_labels": split(["2020", "2021"], [1.0, 2.0]),
    "number_labels": split([0, 1], [1.0, 2.0]),
}
TEXTS: Mapping[str, Any] = {
    "text": "hello",
    "texts": ["hello", "you"],
    "number_text": "5",
    "json_text": '{"question": "why"}',
    "question": {"question": "why"},
    "questions": {"question": ["why", "how"]},
    "mapping_list": [{"question": "why"}, {"question": "how"}],
    "mapping_list_of_lists": [{"question": ["why"]}],
    "chat": {"messages": [{"role": "user", "content": "hi"}]},
    "chat_list": [{"role": "user", "content": [{"type": "text"}]}],
    "mapping_with_number": {"question": "why", "n": 1},
    "mapping_of_numbers": {"n": [1, 2]},
    "mixed_list": ["a", 1],
    "numbers": [1, 2],
    "number": 5,
    "nothing": None,
    "empty_list": [],
    "empty_mapping": {},
    "parameters": {"input_string": ["hello"], "parameters": {"max_length": 5}},
    "parameters_of_table": {**split(["question"], ["why"]), "parameters": {"max_length": 5}},
    "parameters_beside": {"question": "why", "parameters": {"max_length": 5}},
    "parameters_without": {"input_string": ["hello"]},
    "text_on_parameters": "what are parameters",
    "list_on_parameters": ["parameters"],
    "nested_text": {"input_data": "hello"},
    "nested_texts": {"input_data": ["hello"]},
    "one_column": split(["question"], ["why"]),
    "unnamed_column": split([0], ["why"]),
    "table_with_parameters": split(["input_string", "parameters"], ["hello", "x"]),
    "mixed": {"s": "a", "n": 1, "v": ["b"]},
}
COLUMNS: Mapping[str, Any] = {
    "types": ROWS_OF_TYPES,
    "types_as_text": split(ROWS_OF_TYPES["columns"], ["true", "1", "2", "0.5", "1.5", 5]),
    "bytes": split(["raw"], ["aGVsbG8="]),
    "when": split(["when"], ["2024-01-02T03:04:05"]),
    "when_milliseconds": split(["when"], [1704153600000]),
    "when_never": split(["when"], ["soon"]),
    "dated": split(["date", "amount"], ["2024-01-02", 1.5]),
    "dated_soon": split(["date", "amount"], ["soon", 1.5]),
    "created_at": split(["created_at"], ["2024-01-02"]),
    "years": split(["2020", "2021"], [1.0, 2.0]),
    "one_number": split([0], [1.5]),
    "two_numbers": split([0, 1], [1.5, 2.5]),
    "bare_numbers": [[1.5, 2.5]],
    "bare_texts": ["a", "b"],
    "vectors": split(["v"], [[1.0, 2.0]]),
    "vectors_and_text": split(["s", "v"], ["x", [1.0, 2.0]]),
    "number_texts": split(["a"], ["1"], ["2"]),
}
_GROUPS = (TABLES, TENSORS, ANYTHING, TEXTS, COLUMNS)
INPUT_DATA: Mapping[str, Any] = ChainMap(*map(dict, _GROUPS))

# Bodies as they are sent.
BODIES: Mapping[str, Any] = {
    "dataframe_split": {"dataframe_split": TABLE},
    "dataframe_records": {"dataframe_records": [{"a": 1, "b": "x"}]},
    "instances": {"instances": [[1, 2]]},
    "inputs": {"inputs": {"a": [1], "b": ["x"]}},
    "other_name": {"data": TABLE},
    "without": {},
    "list": [1, 2],
    "two_names": {"input_data": TABLE, "data": TABLE},
    "other_params": {"input_data": TABLE, "params": {"factor": 3}},
    "empty_params": {"input_data": TABLE, "params": {}},
    "null_params": {"input_data": TABLE, "params": None},
    "unknown_params": {"input_data": TABLE, "params": {"unknown": 3}},
    "wrong_params": {"input_data": TABLE, "params": {"factor": "three"}},
    "params_text": {"input_data": TABLE, "params": "three"},
    "params_list": {"input_data": TABLE, "params": [3]},
    "all_params": {"input_data": TABLE, "params": {"text": "u", "flag": False, "whole": 1, "list": [2.0]}},
    "number_and_params": {"input_data": 5, "params": {"max_length": 5}},
    "text_and_params": {"input_data": "hello", "params": {"max_length": 5}},
    "texts_and_params": {"input_data": ["hello"], "params": {"max_length": 5}},
}
NOT_JSON = {"csv": ("text/csv", "a,b\n1,x\n"), "broken": ("application/json", "{"), "empty": ("application/json", "")}

_ANSWERS = ("series", "bytes", "none", "number", "not_a_number", "times", "raises", "arrays")
_OF_TABLES = ("table", "records", "example", "optional", "params", "example_params")
_OF_TENSORS = (
    *("tensor", "named", "four", "two_variable", "images", "second_variable", "named_variable", "one_tensor_named"),
    *("fixed", "zero_long", "texts_tensor", "flags_tensor", "output_variable", "output_named_variable", "output_named"),
    *("example_tensor", "example_two_variable", "example_named", "example_named_texts", "transformers_tensor"),
)
_OF_COLUMNS = (
    *("types", "binary", "when", "one_unnamed", "one_unnamed_text", "two_unnamed", "date_text", "year_labels"),
    *("array_column", "array_and_text", "array_unnamed", "object_column", "map_column", "array_output"),
    *("array_output_unnamed", "outputs_only", "params_only", "params_when", "table_to_tensor", "example_unsigned"),
    *("example_date", "example_created_at", "example_texts", "example_no_columns", "example_dict_texts"),
    *("example_dict_lists", "example_dict_mixed", "example_dict_unsigned", "example_list", "example_numbers"),
    *("example_text", "example_number", "example_array_column", "example_missing"),
)
_FLAVORS = ("transformers", "langchain", "openai", "hftransformersv2")
_OF_TEXTS = (
    *(f"{flavor}_{name}" for flavor in _FLAVORS for name in ("text", "named_text", "unsigned")),
    *("transformers_text_params", "transformers_mixed", "transformers_array_first", "transformers_array_unnamed"),
    *("transformers_example", "langchain_array"),
)


def pairs() -> tuple[Pair, ...]:
    """All of them, each once."""
    some = ("table", "one_by_two", "number", "nothing")
    asked = (
        (_ANSWERS, ("table",)),
        (_OF_TABLES, (*TABLES, *some)),
        (_OF_TENSORS, (*TENSORS, *some, "text")),
        (_OF_COLUMNS, (*COLUMNS, *some, "two_by_two", "texts", "question", "questions")),
        (_OF_TEXTS, (*TEXTS, "text_and_params", "texts_and_params", "number_and_params")),
        (("unsigned",), (*TABLES, *TENSORS, *ANYTHING, *TEXTS, "dated", "number_texts")),
        (("table", "params", "unsigned"), (*BODIES, *NOT_JSON)),
        (("tensor", "transformers_text"), ("dataframe_split", "instances", "inputs", "nested", "nested_table")),
    )
    return tuple(dict.fromkeys(_each(asked)))


def _each(asked: Iterable[tuple[Iterable[str], Iterable[str]]]) -> Iterator[Pair]:
    for kinds, bodies in asked:
        yield from (Pair(kind, body) for kind in kinds for body in ("swagger", *bodies))


def request(pair: Pair) -> dict[str, str]:
    """The line that score_models.py reads."""
    if pair.body == "swagger":
        return {"kind": pair.kind}
    content_type, text = NOT_JSON.get(pair.body, ("application/json", ""))
    if pair.body not in NOT_JSON:
        body = BODIES[pair.body] if pair.body in BODIES else {"input_data": INPUT_DATA[pair.body]}
        text = json.dumps(body)
    return {"kind": pair.kind, "body": text, "content_type": content_type}
