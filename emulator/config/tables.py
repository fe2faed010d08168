"""The settings that are tables, `[assumed.TARGET]` and `[curated_environments.NAME]`.

Unlike other settings they are merged from all files and the variable, and one can have several faults.  Their readers
are loaded only when a table is there: most settings have none.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from emulator.errors import Fault

if TYPE_CHECKING:
    from emulator.environments import CuratedMisfit
    from emulator.profiles import Misfit

Json = dict[str, Any]
TableValue = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Origin:
    """A file with its text, or a variable, which has no lines."""

    name: str
    text: str | None = None

    def at(self, line_in: Callable[[str], int]) -> str:
        """The place that a fault names; `line_in` finds the line in a file's text."""
        return self.name if self.text is None else f"{self.name}:{line_in(self.text)}"


@dataclass(frozen=True)
class Table:
    """How one table is checked, merged over what earlier places say, and described by JSON Schema."""

    faults: Callable[[Any, Origin], list[Fault]]
    merge: Callable[[TableValue, TableValue], TableValue]
    schema: Callable[[], Json]


def line_of(name: str, text: str) -> int:
    """The 1-based line where a key or a table of that name begins."""
    found = re.search(rf"^\s*\[*\s*[\"']?{re.escape(name)}\b", text, re.MULTILINE)
    return text.count("\n", 0, found.end()) + 1 if found else 1


# [assumed.TARGET]


def _assumed_faults(value: Any, origin: Origin) -> list[Fault]:
    from emulator.profiles import read_overrides

    misfits = read_overrides(value)[1]
    return [Fault(misfit.message, origin.at(partial(_line_of_row, misfit)), misfit.field) for misfit in misfits]


def _line_of_row(misfit: Misfit, text: str) -> int:
    """The 1-based line where the row's value stands in its target's table, else where the table or `assumed` begins."""
    header = re.search(rf"^\s*\[\s*assumed\s*\.\s*[\"']?{re.escape(misfit.target)}[\"']?\s*\]", text, re.MULTILINE)
    start = header.end() if header else 0
    key = re.search(rf"[\"']?{re.escape(misfit.row_id)}[\"']?\s*=", text[start:]) if misfit.row_id else None
    end = start + key.start() if key else start if header else 0
    return text.count("\n", 0, end) + 1 if end else line_of("assumed", text)


def _merge_rows(earlier: TableValue, later: TableValue) -> TableValue:
    """Row by row; the later one that names a row has it."""
    return {**earlier, **{target: {**earlier.get(target, {}), **rows} for target, rows in later.items()}}


def _assumed_schema() -> Json:
    from emulator.profiles.overrides import assumed_facts, type_of_row

    targets: dict[str, Json] = {}
    for row, target, _ in assumed_facts():
        targets.setdefault(target, {})[row.id] = {"description": row.what, **_type_schema(type_of_row(row.id))}
    tables = {
        target: {"type": "object", "additionalProperties": False, "properties": rows}
        for target, rows in targets.items()
    }
    return {"type": "object", "additionalProperties": False, "properties": tables}


_TYPES: Mapping[Any, str] = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}


def _type_schema(of: Any) -> Json:
    """The JSON type of a profile's field; what is inside of lists and tables is checked when it is read."""
    origin, arguments = get_origin(of), get_args(of)
    if of in _TYPES:
        return {"type": _TYPES[of]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, types.UnionType):  # TOML has no null: a value that may be none is left out
        return {"anyOf": [_type_schema(one) for one in arguments if one is not type(None)]}
    return {"type": "array"} if origin in (tuple, list, frozenset) else {"type": "object"}


# [curated_environments.NAME]


_CURATED = "curated_environments"


def _curated_faults(value: Any, origin: Origin) -> list[Fault]:
    from emulator.environments import read_curated

    misfits = read_curated(value)[1]
    return [Fault(m.message, origin.at(partial(_line_of_environment, m)), f"{_CURATED}{m.path}") for m in misfits]


def _line_of_environment(misfit: CuratedMisfit, text: str) -> int:
    """The 1-based line where the field stands in its environment's table, else where that begins."""
    name = re.escape(misfit.name)
    header = re.search(rf"^\s*\[\s*{_CURATED}\s*\.\s*(\"{name}\"|'{name}'|{name})\s*[\].]", text, re.MULTILINE)
    start = header.end() if header else 0
    table = text[start:].partition("\n[")[0] if header else text
    wanted = re.escape(misfit.field if header else misfit.name)
    key = re.search(rf"^\s*[\"']?{wanted}[\"']?\s*=", table, re.MULTILINE) if wanted else None
    end = start + key.end() if key else start
    return text.count("\n", 0, end) + 1 if end else line_of(_CURATED, text)


def _merge_environments(earlier: TableValue, later: TableValue) -> TableValue:
    """Environment by environment."""
    return {**earlier, **later}


def _curated_schema() -> Json:
    environment = {
        "type": "object",
        "additionalProperties": False,
        "required": ["python_version", "packages"],
        "properties": {
            "python_version": {"type": "string", "pattern": r"^3\.\d+$"},
            "packages": {"type": "array", "items": {"type": "string"}},
        },
    }
    return {"type": "object", "additionalProperties": environment}


TABLES: Mapping[str, Table] = {
    "assumed": Table(_assumed_faults, _merge_rows, _assumed_schema),
    _CURATED: Table(_curated_faults, _merge_environments, _curated_schema),
}
