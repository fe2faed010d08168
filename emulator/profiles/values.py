"""Values of the table as settings spell them: plain TOML or JSON in, the type of a profile's field out, and back."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from emulator.entities import Entity
from emulator.errors import BadDocument

NONE = "none"
"""How a setting says None, for which TOML has no word; JSON's null means it too."""


class Unfit(Exception):
    """A value of the wrong type; the text says what it must be."""


def fit(value: Any, kind: Any) -> Any:
    """`value` as a value of the type `kind`; Unfit says what it must be."""
    if get_origin(kind) is not None:
        return _fit_composed(value, get_origin(kind), get_args(kind))
    if is_dataclass(kind):
        return _fit_table(value, kind)
    if isinstance(kind, type) and issubclass(kind, Entity):
        return _fit_entity(value, kind)
    return _fit_plain(value, kind)


def _fit_composed(value: Any, origin: Any, parts: tuple[Any, ...]) -> Any:
    if origin in (Union, types.UnionType):
        return _fit_one_of(value, parts)
    if origin is Literal:
        return _fit_word(value, parts)
    if origin in (tuple, frozenset):
        return _fit_list(value, origin, parts)
    return _fit_mapping(value, *parts)


def _fit_one_of(value: Any, kinds: tuple[Any, ...]) -> Any:
    optional = type(None) in kinds
    if optional and value in (None, NONE):
        return None
    problem = Unfit()
    for kind in (kind for kind in kinds if kind is not type(None)):
        try:
            return fit(value, kind)
        except Unfit as unfit:
            problem = unfit
    raise Unfit(f'{problem}, or "{NONE}"' if optional else str(problem))


def _fit_word(value: Any, words: tuple[Any, ...]) -> Any:
    if value not in words:
        raise Unfit(f"must be one of {', '.join(words)}, not {value!r}")
    return value


def _fit_list(value: Any, collection: Any, kinds: tuple[Any, ...]) -> Any:
    """A list of one kind, or of as many items as there are kinds."""
    if not isinstance(value, list | tuple):
        raise Unfit(f"must be a list, not {value!r}")
    if collection is frozenset or kinds[-1] is ...:
        return collection(fit(item, kinds[0]) for item in value)
    if len(value) != len(kinds):
        raise Unfit(f"must be a list of {len(kinds)}, not of {len(value)}")
    return tuple(fit(item, kind) for item, kind in zip(value, kinds, strict=True))


def _fit_mapping(value: Any, key_kind: Any, value_kind: Any) -> Mapping[Any, Any]:
    """A table; its keys are texts in TOML and JSON, also where they mean numbers."""
    if not isinstance(value, Mapping):
        raise Unfit(f"must be a table, not {value!r}")
    found = {}
    for key, item in value.items():
        plain = int(key) if key_kind is int and str(key).isdecimal() else key
        found[fit(plain, key_kind)] = fit(item, value_kind)
    return types.MappingProxyType(found)


def _fit_table(value: Any, cls: Any) -> Any:
    """A table with the fields of a dataclass, such as `{ status = 403, body = "no" }`."""
    names = [f.name for f in fields(cls)]
    required = [f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING]
    shape = f"a table with {' and '.join(required)}"
    if not isinstance(value, Mapping):
        raise Unfit(f"must be {shape}, not {value!r}")
    if unknown := [name for name in value if name not in names]:
        raise Unfit(f"'{unknown[0]}' is no part of it; it is {shape}")
    if missing := [name for name in required if name not in value]:
        raise Unfit(f"must be {shape}; {' and '.join(missing)} is missing")
    kinds = get_type_hints(cls)
    return cls(**{name: _fit_field(name, item, kinds[name]) for name, item in value.items()})


def _fit_field(name: str, value: Any, kind: Any) -> Any:
    try:
        taken = fit(value, kind)
    except Unfit as unfit:
        raise Unfit(f"{name} {unfit}") from unfit
    if name == "status" and not 200 <= taken <= 599:
        raise Unfit(f"status must be from 200 to 599, not {taken}")
    return taken


def _fit_entity(value: Any, cls: type[Entity]) -> Any:
    if not isinstance(value, Mapping):
        raise Unfit(f"must be a table, not {value!r}")
    try:
        return cls.parse(value)
    except BadDocument as error:
        raise Unfit(error.message) from error


_WORDS: Mapping[Any, str] = {
    bool: "true or false",
    int: "a whole number from 0",
    float: "a number from 0",
    str: "a text",
}


def _fit_plain(value: Any, kind: Any) -> Any:
    word = _WORDS.get(kind)
    accepted = (int, float) if kind is float else kind
    if word is None or not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise Unfit(f"must be {word or 'of another kind'}, not {value!r}")
    if kind in (int, float) and not 0 <= value < float("inf"):
        raise Unfit(f"must be {word}, not {value!r}")
    return kind(value)


# and back


def toml(value: Any) -> str:
    """A value as amlemu.toml spells it, on one line."""
    if is_dataclass(value):
        shown = {f.name: getattr(value, f.name) for f in fields(value) if getattr(value, f.name) != f.default}
        return _table({name: toml(item) for name, item in shown.items()})
    if isinstance(value, Entity):
        return _table({name: toml(item) for name, item in value.to_document().items()})
    if isinstance(value, Mapping):
        return _table({json.dumps(str(key)): toml(item) for key, item in value.items()})
    if isinstance(value, frozenset | tuple | list):
        items = sorted(value) if isinstance(value, frozenset) else value
        return f"[{', '.join(map(toml, items))}]"
    return json.dumps(NONE if value is None else value, ensure_ascii=False)


def _table(items: Mapping[str, str]) -> str:
    return f"{{ {', '.join(f'{name} = {text}' for name, text in items.items())} }}" if items else "{}"
