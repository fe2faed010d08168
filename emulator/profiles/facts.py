"""What a row of the parity table is.

A row is one imitated behaviour.  It holds one fact for each target that has the behaviour, and each fact says where
it comes from and how sure that is, because the same behaviour is often documented for one target and a guess for
another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from emulator.entities import Target

UNCHANGED = "unchanged"
Certainty = Literal["documented", "observed", "assumed"]


@dataclass(frozen=True)
class Answer:
    """An answer that the front door gives by itself: a status and a plain-text body."""

    status: int
    body: str


@dataclass(frozen=True)
class RoutedPaths:
    """The paths that reach a container, without prefix and query, and the answer to every other one."""

    only: tuple[str, ...]
    answer: Answer = Answer(404, "Not Found")


@dataclass(frozen=True)
class StatusMapping:
    """What becomes of a container's status: `exact` by status, `otherwise` for all others but 200 (None: unchanged)."""

    exact: Mapping[int, int]
    otherwise: int | None = None

    def of(self, status: int) -> int:
        """The status that the caller sees."""
        if status == 200:
            return status
        return self.exact.get(status, status if self.otherwise is None else self.otherwise)


@dataclass(frozen=True)
class Fact:
    """The behaviour of one target: its value, where that comes from, and how sure it is.

    `certainty` is `documented` (a Microsoft page or Microsoft's own source), `observed` (an issue or a capture) or
    `assumed` (nobody has written it down; `source` then says what the guess rests on).
    """

    value: Any
    source: str
    certainty: Certainty


@dataclass(frozen=True)
class Row:
    """One imitated behaviour: `id` is `area.name`, `what` one sentence, `facts` one fact by target.

    A row whose every value is UNCHANGED is there to be tested: it says what the front door leaves alone.
    """

    id: str
    what: str
    facts: Mapping[Target, Fact]

    @property
    def targets(self) -> tuple[Target, ...]:
        """The targets that have the behaviour."""
        return tuple(self.facts)


def read_from(row_id: str) -> dict[str, str]:
    """The metadata of a profile's field that is read from that row."""
    return {"row": row_id}


def documented(value: Any, source: str) -> Fact:
    """A fact that Microsoft's pages or Microsoft's source state."""
    return Fact(value, source, "documented")


def observed(value: Any, source: str) -> Fact:
    """A fact that somebody saw and reported."""
    return Fact(value, source, "observed")


def assumed(value: Any, source: str) -> Fact:
    """A guess; `source` is what it rests on."""
    return Fact(value, source, "assumed")


def row(
    id: str,
    what: str,
    *,
    managed: Fact,
    kubernetes: Fact,
    aks: Fact,
    aci: Fact,
    local: Fact,
) -> Row:
    """A row with a fact for every target."""
    facts: dict[Target, Fact] = {
        "managed": managed,
        "kubernetes": kubernetes,
        "aks": aks,
        "aci": aci,
        "local": local,
    }
    return Row(id, what, MappingProxyType(facts))


def everywhere(id: str, what: str, fact: Fact) -> Row:
    """A row whose fact is one and the same for every target."""
    return row(id, what, managed=fact, kubernetes=fact, aks=fact, aci=fact, local=fact)
