"""A document held against a model of its file: every fault with its line, unknown keys with the nearest known one."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from emulator.azure_files.v2.fields import AzureFile
from emulator.documents.yaml_document import Document, Path, unknown_key
from emulator.entities.base import field_path
from emulator.errors import Fault, did_you_mean

F = TypeVar("F", bound=AzureFile)

IS_REQUIRED = "is required"
_MOST_ROUNDS = 10
_STAND_IN = "stand-in"
_SENTENCES: Mapping[str, str] = {
    "missing": IS_REQUIRED,
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be a text",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "list_type": "must be a list",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
}


def checked(document: Document, kind: type[F]) -> tuple[F | None, list[Fault]]:
    """The file that the document describes, or everything that is wrong with it."""
    try:
        return kind.model_validate(dict(document.data)), []
    except ValidationError as error:
        return None, [_fault(document, kind, details) for details in error.errors(include_url=False)]


def salvaged(document: Document, kind: type[F]) -> F | None:
    """Return a document with faults without its faulty parts; None where nothing is left.

    For whoever looks for more faults, so that all are told in one round: what it names, and whether that is there.
    """
    data = copy.deepcopy(dict(document.data))
    for _ in range(_MOST_ROUNDS):
        try:
            return kind.model_validate(data)
        except ValidationError as error:
            for details in error.errors(include_url=False):
                _take_out(data, field_path(details["loc"]), is_missing=details["type"] == "missing")
    return None


def _take_out(data: dict[str, Any], path: Path, *, is_missing: bool) -> None:
    """Remove what is wrong; of what is missing, the part that lacks it, or a stand-in where that is the whole."""
    if is_missing and len(path) == 1:
        data[str(path[0])] = _STAND_IN
        return
    path = path[:-1] if is_missing else path
    node: Any = data
    for part in path[:-1]:
        inner = node.get(part) if isinstance(node, dict) else None
        if not isinstance(inner, dict):  # in a list, or in what is no mapping: the whole of it goes
            break
        node = inner
    else:
        if isinstance(node, dict) and path[-1] in node:
            del node[path[-1]]
            return
    data.pop(str(path[0]), None)


def _fault(document: Document, kind: type[AzureFile], details: ErrorDetails) -> Fault:
    path = tuple(part for part in field_path(details["loc"]) if part != "[key]")
    if details["type"] == "extra_forbidden":
        return document.fault(path, _unknown(str(path[-1]), kind, path[:-1]))
    sentence = _SENTENCES.get(details["type"])
    if sentence is None:
        message = details["msg"].removeprefix("Value error, ")
    else:
        message = sentence.format(**details.get("ctx", {}))
    return document.fault(path, message)


def _unknown(key: str, kind: type[AzureFile], path: Path) -> str:
    """Name the nearest key at that place, else the nearest one anywhere in the file, with its path."""
    here = _keys_at(kind, path)
    if near_here := did_you_mean(key, here, cutoff=0.5):
        return f"unknown key '{key}', {near_here}"
    inner = {dotted.rpartition(".")[2]: dotted for dotted in _dotted_keys(kind)}
    near = difflib.get_close_matches(key, list(inner), n=1)
    return f"unknown key '{key}', did you mean '{inner[near[0]]}'?" if near else unknown_key(key, here)


def _dotted_keys(kind: Any, prefix: str = "") -> Iterator[str]:
    model = _model(kind)
    for name, info in model.model_fields.items() if model else ():
        dotted = f"{prefix}{info.alias or name}"
        yield dotted
        yield from _dotted_keys(info.annotation, f"{dotted}.")


def _keys_at(kind: Any, path: Path) -> list[str]:
    """The keys that the part of a file at `path` may have."""
    for part in path:
        kind = _child(kind, part)
    model = _model(kind)
    return [info.alias or name for name, info in model.model_fields.items() if _is_told(info)] if model else []


def _is_told(info: FieldInfo) -> bool:
    """Not what only answers of the cloud have, and not what belongs elsewhere."""
    return info.alias != "$schema" and info.exclude is not True


def _child(kind: Any, part: str | int) -> Any:
    model = _model(kind)
    if model is not None:
        named = {info.alias or name: info for name, info in model.model_fields.items()}
        return named[str(part)].annotation
    container = next((one for one in _members(kind) if get_origin(one) in (dict, list)), None)
    return get_args(container)[-1] if container else None


def _model(kind: Any) -> type[BaseModel] | None:
    return next((one for one in _members(kind) if isinstance(one, type) and issubclass(one, BaseModel)), None)


def _members(kind: Any) -> list[Any]:
    """Return the members of a union, or the type of an annotated one."""
    if isinstance(kind, type) and get_origin(kind) is None:
        return [kind]
    if get_origin(kind) in (dict, list):
        return [kind]
    return [member for argument in get_args(kind)[: _annotated(kind)] for member in _members(argument)]


def _annotated(kind: Any) -> int | None:
    """Of Annotated only the first argument is a type."""
    return 1 if hasattr(kind, "__metadata__") else None
