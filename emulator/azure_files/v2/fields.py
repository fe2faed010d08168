"""The kinds of values in Azure ML's files, as azure-ai-ml takes them: enumerations in any case, numbers as texts.

What a field may hold is said by pydantic types; what is wrong is told in one sentence without "Value error".
"""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
)
from pydantic_core.core_schema import CoreSchema, no_info_before_validator_function

from emulator.entities.base import rule
from emulator.names import check_deployment_name, check_endpoint_name, check_version, in_small_letters

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:(?!\\).*", re.DOTALL)
_TEXT_OR_WHOLE = {"anyOf": [{"type": "string"}, {"type": "integer"}]}
_SCALARS = {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]}


class AzureFile(BaseModel):
    """A file or a part of one: keys that are not known are refused, `$schema` is ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), populate_by_name=True)


def _snake(value: Any) -> Any:
    """azure-ai-ml compares enumerations in lower case, after CamelCase has become snake_case."""
    text = str(value) if isinstance(value, bool) else value
    return _CAMEL.sub("_", text).lower() if isinstance(text, str) else text


def _whole(value: Any) -> Any:
    """A whole number, also as a text, or as a number with a point, whose fraction goes: as marshmallow takes them."""
    if isinstance(value, float) and math.isfinite(value):
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d+\s*", value):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{_shown(value)} is not a whole number")
    return value


def _text(value: Any) -> Any:
    """A scalar as the REST client writes it into a map of texts: `true` becomes 'True'."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, dict | list):
        raise ValueError(f"{_shown(value)} is not a text")
    return str(value)


def _version(value: Any) -> Any:
    if isinstance(value, float):
        raise ValueError(f'{value} is a number with a point: quote the version, as in "{value}"')
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _local(path: Any) -> Any:
    if not isinstance(path, str):
        raise ValueError(f"{_shown(path)} is not a path")
    path = path.removeprefix("file://")
    if _REMOTE.fullmatch(path) and not re.match(r"[A-Za-z]:[\\/]", path):
        raise ValueError(f"'{path}' is not on this machine: download it, and name the local path")
    if not path.strip() or "\0" in path:
        raise ValueError("the path is empty")
    return path


def _script(path: str) -> str:
    plain = posixpath.normpath(path.replace("\\", "/"))
    if posixpath.isabs(plain) or plain.split("/")[0] in ("", ".", ".."):
        raise ValueError(f"'{path}' must be a path below the code folder")
    return plain


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return f"'{value}'"


def _mapping(value: Any) -> Any:
    return {} if value is None else value


def _pair_of_texts(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): item for key, item in value.items()}
    return value


@dataclass(frozen=True)
class OneOf:
    """The metadata of an enumeration in any case: `Annotated[str, OneOf("a", "b")]`."""

    names: tuple[str, ...]

    def __init__(self, *names: str) -> None:
        object.__setattr__(self, "names", names)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_before_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"enum": list(self.names)}

    def _check(self, value: Any) -> Any:
        taken = _snake(value)
        if taken not in self.names:
            raise ValueError(f"{_shown(value)} is not one of: {', '.join(self.names)}")
        return taken


@dataclass(frozen=True)
class Elsewhere:
    """The metadata of a key that belongs elsewhere; `reason` says where."""

    reason: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_before_validator_function(self._refuse, handler(source))

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"not": {}}

    def _refuse(self, _value: Any) -> Any:
        raise ValueError(self.reason)


Whole = Annotated[int, BeforeValidator(_whole)]
AtLeastOne = Annotated[int, Field(ge=1), BeforeValidator(_whole)]
FromZero = Annotated[int, Field(ge=0), BeforeValidator(_whole)]
Text = Annotated[str, BeforeValidator(_text), WithJsonSchema(_SCALARS)]
Texts = Annotated[dict[str, Text], BeforeValidator(_pair_of_texts), BeforeValidator(_mapping)]
Anything = Annotated[dict[str, Any], BeforeValidator(_mapping)]
Version = Annotated[str, BeforeValidator(_version), rule(check_version), WithJsonSchema(_TEXT_OR_WHOLE)]
LocalPath = Annotated[str, BeforeValidator(_local)]
ScriptPath = Annotated[str, AfterValidator(_script)]
# azure-ai-ml makes the capitals of both small (row names.case).
EndpointName = Annotated[str, rule(check_endpoint_name), AfterValidator(in_small_letters)]
DeploymentName = Annotated[str, rule(check_deployment_name), AfterValidator(in_small_letters)]
OnOff = Annotated[str, OneOf("enabled", "disabled")]

# The default of a key that is taken and not offered: one of the cloud's answers, or one that belongs elsewhere.
Unsaid: Any = Field(None, exclude=True)
