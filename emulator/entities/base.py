"""What every entity shares: frozen, closed, and faults translated into ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from emulator.errors import BadDocument, Fault

E = TypeVar("E", bound="Entity")


class Entity(BaseModel):
    """A frozen value that refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    @classmethod
    def parse(cls: type[E], document: Mapping[str, Any], *, target: str = "") -> E:
        """The entity that `document` describes; BadDocument lists every fault at once."""
        try:
            return cls.model_validate(dict(document))
        except ValidationError as error:
            faults = [
                Fault(e["msg"].removeprefix("Value error, "), field=".".join(str(p) for p in e["loc"]))
                for e in error.errors()
            ]
            first = faults[0]
            message = f"{first.field}: {first.message}" if first.field else first.message
            raise BadDocument(message, target=target, faults=faults if len(faults) > 1 else ()) from error

    def to_document(self) -> dict[str, Any]:
        """The entity as plain JSON values."""
        return self.model_dump(mode="json")
