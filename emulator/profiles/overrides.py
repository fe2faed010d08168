"""What settings may put in place of assumed facts: checked against the table, all faults at once.

Only what nobody has written down is up for choice.  A documented or observed behaviour is what amlemu is for, so it is
refused, with its source.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any, get_args, get_type_hints

from emulator.entities import Target
from emulator.errors import did_you_mean
from emulator.profiles.facts import Answer, Fact, Row
from emulator.profiles.profile import PARTS, Overrides, row_of_field, rows
from emulator.profiles.values import Unfit, fit

TARGETS: tuple[Target, ...] = get_args(Target)
# What no list of headers may name: without them nobody could tell where a message ends, or whom it is for.
_FRAMING = frozenset({"connection", "content-length", "host", "transfer-encoding"})
# What the texts of rows lie below that name a place.
_PLACES = {"layout.": "/var/azureml-app", "collection.rolled": "the folder of its collection"}
# RFC 9110 §5.6.2
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


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
        except Unfit as unfit:
            misfits.append(Misfit(str(unfit), target, row_id))
    return taken


def _override(target: Target, row_id: str, value: Any) -> Any:
    row = _rows_by_id().get(row_id)
    if row is None:
        raise Unfit(_unknown("row", row_id, _rows_by_id()))
    fact = row.facts[target]
    if fact.certainty != "assumed":
        raise Unfit(f"this is not assumed but {fact.certainty} ({fact.basis}), so it is not up for choice")
    taken = fit(value, _without_none(type_of_row(row_id)) if is_dataclass(fact.value) else type_of_row(row_id))
    _check_template(row, taken)
    if row_id in ("headers.end_to_end", "probes.no_auth"):
        _check_headers(taken)
    return taken


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


def type_of_row(row_id: str) -> Any:
    """The type of what a row that is read says."""
    return _types()[row_id]


def _without_none(kind: Any) -> Any:
    """What must be answered is answered somehow: a None among answers is for targets that have no front door."""
    return next(k for k in get_args(kind) if k is not type(None)) if get_args(kind) else kind


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    near = did_you_mean(name, known)
    listed = f"; known: {', '.join(known)}" if what == "target" else "; docs/parity.md lists them"
    return f"unknown {what} '{name}'" + (f", {near}" if near else listed)


def _check_template(row: Row, value: Any) -> None:
    """Texts may name in braces what the row's own texts name, and nothing else; places may not lead outside."""
    known = {name for fact in row.facts.values() for text in _texts(fact.value) for name in _placeholders(text)}
    for text in _texts(value):
        if not text.isprintable():
            raise Unfit(f"{text!r} has characters that cannot be printed")
        unknown = _placeholders(text) - known
        if unknown:
            told = ", ".join(f"{{{name}}}" for name in sorted(known)) or "none"
            raise Unfit(f"'{text}' has {{{min(unknown)}}}; what may be in braces here: {told}")
        place = next((place for prefix, place in _PLACES.items() if row.id.startswith(prefix)), "")
        if place and (text.startswith("/") or ".." in text.split("/")):
            raise Unfit(f"'{text}' must be a relative path that stays below {place}")


def _check_headers(names: Iterable[str]) -> None:
    for name in names:
        if not _TOKEN.fullmatch(name):
            raise Unfit(f"'{name}' cannot be the name of a header")
        if name.lower() in _FRAMING:
            raise Unfit(f"'{name}' is not up for choice: it says where a message ends or whom it is for")


def _texts(value: Any) -> list[str]:
    """The texts in a value; an answer's body is not one, for it holds what it likes."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Answer):
        return []
    if is_dataclass(value):
        return _texts(tuple(getattr(value, f.name) for f in fields(value)))
    if isinstance(value, Mapping):
        return _texts(tuple(value.values()))
    return [text for item in value for text in _texts(item)] if isinstance(value, tuple | frozenset) else []


def _placeholders(text: str) -> set[str]:
    try:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    except ValueError as error:
        raise Unfit(f"'{text}' has a brace without its other one: {error}") from error
