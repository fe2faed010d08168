"""`resources` of a Kubernetes deployment: requests and limits of its containers."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ValidationInfo, WithJsonSchema, field_validator, model_validator

from emulator.entities.base import Entity

Resource = Literal["cpu", "memory", "nvidia.com/gpu"]
GPU: Resource = "nvidia.com/gpu"
_QUANTITY = re.compile(r"\+?([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(n|u|m|k|[KMGTPE]i|[MGTPE]|[eE][+-]?[0-9]{1,2})?")
_FACTORS = {"n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "k": Decimal(1000), "": Decimal(1)}
_FACTORS |= {letter: Decimal(1000) ** power for power, letter in enumerate("MGTPE", 2)}
_FACTORS |= {f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", 1)}
# What a container needs to start at all, for Docker too.
_LEAST_MEMORY = 6 * 2**20
_LEAST_CPU = Decimal("0.001")


def quantity(text: str) -> Decimal:
    """Return the number of a Kubernetes quantity; raise ValueError for anything else.

    >>> quantity("100m"), quantity("0.5Gi"), quantity("2k")
    (Decimal('0.100'), Decimal('536870912.0'), Decimal('2000'))
    """
    found = _QUANTITY.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text}' is not a quantity such as 100m, 2, 512Mi or 0.5Gi")
    number, suffix = found.group(1), found.group(2) or ""
    return Decimal(number) * (_FACTORS[suffix] if suffix in _FACTORS else Decimal(f"1{suffix}"))


def _as_text(value: Any) -> Any:
    """YAML and JSON have numbers where no suffix is needed."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _check_quantity(text: str) -> str:
    quantity(text)
    return text


_TEXT_OR_NUMBER = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number"}]})
Quantity = Annotated[str, BeforeValidator(_as_text), AfterValidator(_check_quantity), _TEXT_OR_NUMBER]
Amounts = dict[Resource, Quantity]


class ResourceRequirements(Entity):
    """`requests` and `limits` by resource, as Kubernetes spells quantities (Microsoft's YAML reference).

    Refused as the cluster would: requests above limits, GPUs that are not whole or requested without an equal limit.
    """

    requests: Amounts = {}
    limits: Amounts = {}

    @field_validator("requests", "limits")
    @classmethod
    def _amounts_make_sense(cls, amounts: Amounts, info: ValidationInfo) -> Amounts:
        for resource, text in amounts.items():
            _check_amount(resource, text, quantity(text))
        return amounts

    @model_validator(mode="after")
    def _limits_hold_requests(self) -> ResourceRequirements:
        for resource, text in self.requests.items():
            limit = self.limits.get(resource)
            if resource == GPU and (limit is None or quantity(limit) != quantity(text)):
                raise ValueError(f"requests.{GPU} is {text}: limits.{GPU} must be the same")
            if limit is not None and quantity(text) > quantity(limit):
                raise ValueError(f"requests.{resource} is {text}, and limits.{resource} only {limit}")
        return self

    def limit(self, resource: Resource) -> float | None:
        """Return the limit as a number of cores, bytes or GPUs; None without one."""
        return float(quantity(self.limits[resource])) if resource in self.limits else None


def _check_amount(resource: Resource, text: str, amount: Decimal) -> None:
    if resource == GPU and amount != int(amount):
        raise ValueError(f"{GPU} '{text}' is not a whole number")
    if resource == "cpu" and amount < _LEAST_CPU:
        raise ValueError(f"cpu '{text}' is less than 1m")
    if resource == "memory" and amount < _LEAST_MEMORY:
        raise ValueError(f"memory '{text}' is {amount:f} bytes, less than a container needs; write 512Mi for 512 MiB")
