"""JSON Schema as editors like it, and as tolerant as the models: numbers as texts, enumerations in any case.

pydantic writes the schema of what it holds; what its validators take besides is put in here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DRAFT = "http://json-schema.org/draft-07/schema#"
"""The draft that both the YAML and the TOML extension of VS Code know."""
_DIGITS = r"^\s*[+-]?\d+\s*$"
_BOUNDS = {"ge": "minimum", "le": "maximum"}

Json = dict[str, Any]


def tidied(schema: Mapping[str, Any], title: str) -> Json:
    """The schema of a whole file."""
    rest: Json = _tidied(schema)
    return {"$schema": DRAFT, "title": title, **rest}


def _tidied(node: Any) -> Any:
    if isinstance(node, list):
        return [_tidied(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    found = {}
    for key, value in node.items():
        if key in ("properties", "$defs"):  # their keys are names, not words of JSON Schema
            found[key] = {name: _tidied(child) for name, child in value.items()}
        elif key not in ("title", "default"):
            found[_BOUNDS.get(key, key)] = _tidied(value)
    if "default" in node and node["default"] not in (None, "", {}, []):
        found["default"] = node["default"]
    return _tolerant(found)


def _tolerant(node: Json) -> Json:
    if node.get("type") == "integer":
        return _with(node, {"type": "string", "pattern": _DIGITS})
    if "enum" in node and node.get("type") != "string":
        return _with(node, *_spellings(node["enum"]))
    return node


def _with(node: Json, *others: Json) -> Json:
    """`node` or one of the others; what describes it stays outside."""
    told: Json = {key: node[key] for key in ("description", "default") if key in node}
    plain = {key: value for key, value in node.items() if key not in told}
    return {**told, "anyOf": [plain, *others]}


def _spellings(names: list[str]) -> list[Json]:
    """Each name in any case, also in CamelCase; true and false are values of YAML's own.

    >>> _spellings(["a_b"])
    [{'type': 'string', 'pattern': '^([Aa](_|(?=[A-Z]))[Bb])$'}]
    """
    words = ["".join(map(_letter, name)) for name in names]
    found: list[Json] = [{"type": "string", "pattern": f"^({'|'.join(words)})$"}]
    return [*found, {"type": "boolean"}] if {"true", "false"} <= set(names) else found


def _letter(character: str) -> str:
    return "(_|(?=[A-Z]))" if character == "_" else f"[{character.upper()}{character.lower()}]"
