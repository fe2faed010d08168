"""The base of all entities: frozen, without unknown fields, with faults as BadDocument."""

from __future__ import annotations

import copy
import json
import ntpath
import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PrivateAttr,
    Tag,
    ValidationError,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from emulator.difference import Difference, read_difference
from emulator.errors import BadArgument, BadDocument, Fault
from emulator.names import shown
from emulator.secret import REVEALED, mask_credentials, masked_values

E = TypeVar("E", bound="Entity")
T = TypeVar("T")


class _TextOrDifference:
    """A Difference, or its text alone: so earlier versions stored it, and older clients send it."""

    @staticmethod
    def __get_pydantic_core_schema__(source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def of_text(value: Any) -> Any:
            return read_difference(value) if isinstance(value, str) else value

        return core_schema.no_info_before_validator_function(of_text, handler(source))

    @staticmethod
    def __get_pydantic_json_schema__(schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string"}, handler(schema)]}


Differences = tuple[Annotated[Difference, _TextOrDifference], ...]
"""The differences of an entity."""
_TEXT_TAG, _OTHER_TAG = "<text>", "<other>"
_WINDOWS_PATH = re.compile(r"[A-Za-z]:[\\/]|\\\\")


class Entity(BaseModel):
    """A frozen value that refuses fields it does not know, and masks credentials where it is printed."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    # Fields of a newer version, which this one keeps and writes back; None for none.
    _unknown: Mapping[str, Any] | None = PrivateAttr(None)

    @classmethod
    def of_store(cls: type[E], document: Mapping[str, Any]) -> E:
        """Return the entity of a stored document, with unknown fields of a newer version; raise BadDocument."""
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            unknown = [e["loc"] for e in error.errors(include_url=False) if e["type"] == "extra_forbidden"]
        if not unknown:
            return cls.parse(document)  # for its faults
        known = copy.deepcopy(dict(document))
        taken = [(loc, _holder(known, loc).pop(loc[-1])) for loc in unknown]
        entity = cls.parse(known)
        for loc, value in taken:
            inner = _holder(entity, loc)
            inner._unknown = {**(inner._unknown or {}), str(loc[-1]): value}
        return entity

    def to_stored(self) -> dict[str, Any]:
        """Return the entity as plain JSON values, with its secrets and with unknown fields of a newer version."""
        document = self.revealed_document()
        _put_back(self, document)
        return document

    def keeping_unknown_of(self: E, before: Entity) -> E:
        """Return this entity with the unknown fields of `before`, which it replaces."""
        if before._unknown is None:
            return self
        successor = self.model_copy()
        successor._unknown = {**before._unknown, **(self._unknown or {})}
        return successor

    @classmethod
    def parse(cls: type[E], document: Mapping[str, Any], *, target: str = "", strict: bool = False) -> E:
        """Return the entity of `document`; raise BadDocument with all faults at once.

        `strict` converts no types: the text "1" is not a number then, and a number is not a text.
        """
        try:
            if strict:
                return cls.model_validate_json(json.dumps(document), strict=True)
            return cls.model_validate(dict(document))
        except ValidationError as error:
            faults = [
                Fault(
                    e["msg"].removeprefix("Value error, "), field=".".join(shown(str(p)) for p in field_path(e["loc"]))
                )
                for e in error.errors()
            ]
            first = faults[0]
            message = f"{first.field}: {first.message}" if first.field else first.message
            raise BadDocument(message, target=target, faults=faults if len(faults) > 1 else ()) from error

    def to_document(self) -> dict[str, Any]:
        """Return the entity as plain JSON values, with secrets, and credentials in texts, masked."""
        found: dict[str, Any] = masked_values(self.model_dump(mode="json"))
        return found

    def revealed_document(self, *, exclude_unset: bool = False) -> dict[str, Any]:
        """Return the entity as plain JSON values with its secrets, for stores, deployments and authorized callers."""
        return self.model_dump(mode="json", context=dict(REVEALED), exclude_unset=exclude_unset)

    def __repr__(self) -> str:
        return mask_credentials(super().__repr__())

    __str__ = __repr__


def _holder(value: Any, loc: tuple[int | str, ...]) -> Any:
    """Return the object that holds the field at `loc`, in plain values or in entities."""
    for part in loc[:-1]:
        value = getattr(value, str(part)) if isinstance(value, Entity) else value[part]
    return value


def _put_back(value: Any, document: Any) -> None:
    if isinstance(value, Entity):
        for name in type(value).model_fields:
            _put_back(getattr(value, name), document[name])
        for name, unknown in (value._unknown or {}).items():
            document.setdefault(name, unknown)
    elif isinstance(value, tuple) and value and isinstance(value[0], Entity):
        for inner, plain in zip(value, document, strict=True):
            _put_back(inner, plain)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, Entity):
                _put_back(inner, document[key])


def _tag(value: Any) -> str:
    return _TEXT_TAG if isinstance(value, str) else _OTHER_TAG


TextOr = Annotated[Annotated[str, Tag(_TEXT_TAG)] | Annotated[T, Tag(_OTHER_TAG)], Discriminator(_tag)]
"""A text or a T: faults are those of the matching member."""


def field_path(loc: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Return the path of a fault, without the tags of union members."""
    return tuple(part for part in loc if part not in (_TEXT_TAG, _OTHER_TAG))


def rule(check: Callable[[str], str]) -> AfterValidator:
    """Return a validator for a check that raises BadArgument: its fault is reported with those of other fields."""

    def validate(value: str) -> str:
        try:
            return check(value)
        except BadArgument as error:
            raise ValueError(error.message) from error

    return AfterValidator(validate)


def check_local_path(path: str) -> str:
    """Return `path` if it is absolute and not the root of a disk, else raise BadArgument."""
    system = ntpath if _WINDOWS_PATH.match(path) else posixpath
    if not system.isabs(path) or not system.basename(system.normpath(path)) or "\0" in path:
        raise BadArgument(f"'{path}' is not the absolute path of a file or folder")
    return path
