"""What settings may put in place of assumed facts: checked against the table, all faults at once.

Only what nobody has written down is up for choice.  A documented or observed behaviour is what amlemu is for, so it is
refused, with its source.
"""

from __future__ import annotations

import difflib
import string
import types
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from emulator.entities import Target
from emulator.profiles.profile import PARTS, Overrides, row_of_field, rows
from emulator.profiles.rows import Fact, Row

NONE = "none"
"""How a setting says None, for which TOML has no word; JSON's null means it too."""

TARGETS: tuple[Target, ...] = get_args(Target)
# What has assumed facts and only one behaviour so far, with the reason why there is no other.
NO_OTHER_BEHAVIOUR: Mapping[str, str] = {
    "routing.paths": "amlemu passes every path on as it came",
    "headers.authorization": "amlemu passes the header on as it came",
}


@dataclass(frozen=True)
class Misfit:
    """What is wrong with one override: `target` and `row_id` say which, '' where it is not about one."""

    message: str
    target: str = ""
    row_id: str = ""

    @property
    def field(self) -> str:
        """Its dotted path in the settings."""
        row = f'."{self.row_id}"' if self.row_id else ""
        return f"assumed.{self.target}{row}" if self.target else "assumed"


class _Unfit(Exception):
    """A value of the wrong type."""


def read_overrides(given: Any) -> tuple[Overrides, list[Misfit]]:
    """`given[target][row id] = value` as the profiles take it, and everything that is wrong with it."""
    if not isinstance(given, Mapping):
        return {}, [Misfit("must be a table of targets")]
    taken: dict[Target, Mapping[str, Any]] = {}
    misfits: list[Misfit] = []
    for name, values in given.items():
        target = next((t for t in TARGETS if t == name), None)
        if target is None:
            misfits.append(Misfit(_unknown("target", str(name), TARGETS), str(name)))
        elif not isinstance(values, Mapping):
            misfits.append(Misfit("must be a table of rows", target))
        else:
            taken[target] = _of_target(target, values, misfits)
    return taken, misfits


def _of_target(target: Target, given: Mapping[str, Any], misfits: list[Misfit]) -> Mapping[str, Any]:
    taken = {}
    for row_id, value in given.items():
        try:
            taken[row_id] = _override(target, row_id, value)
        except _Unfit as unfit:
            misfits.append(Misfit(str(unfit), target, row_id))
    return taken


def _override(target: Target, row_id: str, value: Any) -> Any:
    row = _rows_by_id().get(row_id)
    if row is None:
        raise _Unfit(_unknown("row", row_id, _rows_by_id()))
    fact = row.facts[target]
    if fact.certainty != "assumed":
        raise _Unfit(f"this is not assumed but {fact.certainty} ({fact.source}), so it is not up for choice")
    if not is_overridable(row_id):
        raise _Unfit(f"there is nothing to choose from: {NO_OTHER_BEHAVIOUR.get(row_id, 'only this is built')}")
    taken = _fit(value, _without_none(_type_of(row_id)) if is_dataclass(fact.value) else _type_of(row_id))
    _check_template(row, taken)
    return taken


def is_overridable(row_id: str) -> bool:
    """Whether anything reads the row, so that another value of it would make a difference."""
    return row_id in _types() and row_id not in NO_OTHER_BEHAVIOUR


def assumed_facts() -> list[tuple[Row, Target, Fact]]:
    """Every assumed fact of the table, in its order."""
    return [(row, t, fact) for row in rows() for t, fact in row.facts.items() if fact.certainty == "assumed"]


@cache
def _rows_by_id() -> Mapping[str, Row]:
    return {row.id: row for row in rows()}


@cache
def _types() -> Mapping[str, Any]:
    """The type of each row that is read, from the profile's field that reads it."""
    found: dict[str, Any] = {}
    for cls in PARTS.values():
        hints = get_type_hints(cls)
        found |= {row_id: hints[name] for name, row_id in row_of_field(cls).items()}
    return found


def _type_of(row_id: str) -> Any:
    return _types()[row_id]


def _without_none(kind: Any) -> Any:
    """What must be answered is answered somehow: a None among answers is for targets that have no front door."""
    return next(k for k in get_args(kind) if k is not type(None)) if get_args(kind) else kind


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    listed = f"; known: {', '.join(known)}" if what == "target" else "; docs/parity.md lists them"
    return f"unknown {what} '{name}'" + (f", did you mean '{near[0]}'?" if near else listed)


# values


def _fit(value: Any, kind: Any) -> Any:
    """`value` as a value of the type `kind`; _Unfit says what it must be."""
    if get_origin(kind) in (Union, types.UnionType):
        return _fit_one_of(value, get_args(kind))
    if get_origin(kind) is Literal:
        return _fit_word(value, get_args(kind))
    if get_origin(kind) in (tuple, frozenset):
        return _fit_list(value, get_origin(kind), get_args(kind)[0])
    if is_dataclass(kind):
        return _fit_table(value, kind)
    return _fit_plain(value, kind)


def _fit_one_of(value: Any, kinds: tuple[Any, ...]) -> Any:
    if type(None) in kinds and value in (None, NONE):
        return None
    others = [kind for kind in kinds if kind is not type(None)]
    problem = _Unfit()
    for kind in others:
        try:
            return _fit(value, kind)
        except _Unfit as unfit:
            problem = unfit
    raise _Unfit(f'{problem}, or "{NONE}"' if type(None) in kinds else str(problem))


def _fit_word(value: Any, words: tuple[Any, ...]) -> Any:
    if value not in words:
        raise _Unfit(f"must be one of {', '.join(map(repr, words))}, not {value!r}")
    return value


def _fit_list(value: Any, collection: Any, kind: Any) -> Any:
    if not isinstance(value, list | tuple):
        raise _Unfit(f"must be a list, not {value!r}")
    return collection(_fit(item, kind) for item in value)


def _fit_table(value: Any, cls: Any) -> Any:
    """A table with the fields of a dataclass, such as `{ status = 403, body = "no" }`."""
    names = [f.name for f in fields(cls)]
    required = [f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING]
    shape = f"a table with {' and '.join(required)}"
    if not isinstance(value, Mapping):
        raise _Unfit(f"must be {shape}, not {value!r}")
    if unknown := [name for name in value if name not in names]:
        raise _Unfit(f"'{unknown[0]}' is no part of it; it is {shape}")
    if missing := [name for name in required if name not in value]:
        raise _Unfit(f"must be {shape}; {' and '.join(missing)} is missing")
    hints = get_type_hints(cls)
    found = {name: _fit_field(name, item, hints[name]) for name, item in value.items()}
    return cls(**found)


def _fit_field(name: str, value: Any, kind: Any) -> Any:
    try:
        taken = _fit(value, kind)
    except _Unfit as unfit:
        raise _Unfit(f"{name} {unfit}") from unfit
    if name == "status" and not 200 <= taken <= 599:
        raise _Unfit(f"status must be from 200 to 599, not {taken}")
    return taken


_WORDS: Mapping[Any, str] = {bool: "true or false", int: "a whole number from 0", float: "a number", str: "a text"}


def _fit_plain(value: Any, kind: Any) -> Any:
    word = _WORDS.get(kind)
    accepted = (int, float) if kind is float else kind
    if word is None or not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise _Unfit(f"must be {word or 'of another kind'}, not {value!r}")
    if kind in (int, float) and value < 0:
        raise _Unfit(f"must be {word}, not {value!r}")
    return kind(value)


def _check_template(row: Row, value: Any) -> None:
    """Texts may name in braces what the row's own texts name, and nothing else; places may not lead outside."""
    known = {name for fact in row.facts.values() for text in _texts(fact.value) for name in _placeholders(text)}
    for text in _texts(value):
        if not text.isprintable():
            raise _Unfit(f"{text!r} has characters that cannot be printed")
        unknown = _placeholders(text) - known
        if unknown:
            told = ", ".join(f"{{{name}}}" for name in sorted(known)) or "none"
            raise _Unfit(f"'{text}' has {{{min(unknown)}}}; what may be in braces here: {told}")
        if row.id.startswith("layout.") and (text.startswith("/") or ".." in text.split("/")):
            raise _Unfit(f"'{text}' must be a relative path that stays below /var/azureml-app")


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [item for item in value if isinstance(item, str)] if isinstance(value, tuple | frozenset) else []


def _placeholders(text: str) -> set[str]:
    try:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    except ValueError as error:
        raise _Unfit(f"'{text}' has a brace without its other one: {error}") from error
