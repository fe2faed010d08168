"""What a row of the parity table is.

A row is one imitated behaviour.  It holds one fact for each target, and each fact names its public sources and how
sure it is, because the same behaviour is often documented for one target and a guess for another.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypedDict, get_args

from emulator.entities import Target

if TYPE_CHECKING:
    from typing_extensions import Unpack

UNCHANGED = "unchanged"
Certainty = Literal["documented", "observed", "assumed"]
SourceKind = Literal["page", "file", "issue", "package"]


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
class Source:
    """Something public that anyone can open, declared once in `profiles.sources`.

    `kind` is `page` (a web page), `file` (a file of a public repository at a commit), `issue` (an issue or a pull
    request) or `package` (a published version of a package); `read` is the ISO date on which it was read for the table.
    """

    kind: SourceKind
    title: str
    url: str
    read: str
    section: str = ""

    def at(self, section: str) -> Source:
        """The same source at a heading of the page, or at a file or a function of the package."""
        return replace(self, section=section)

    @property
    def name(self) -> str:
        """The title, and the section where one is named."""
        return f"{self.title}, {self.section}" if self.section else self.title

    @property
    def link(self) -> str:
        """The URL, with the anchor that GitHub gives the heading of a Markdown page."""
        if not self.section or not self.url.endswith(".md"):
            return self.url
        anchor = re.sub(r"[^\w\s-]", "", self.section.lower()).replace(" ", "-")
        return f"{self.url}#{anchor}"


@dataclass(frozen=True)
class Fact:
    """The behaviour of one target: its value, how sure it is, and what says so.

    `certainty` is `documented` (a Microsoft page or Microsoft's own source), `observed` (an issue, or an answer that
    somebody published) or `assumed` (nobody has written it down).  The first two have sources; `note` says what an
    assumption rests on, and of the others what a reader of the sources should know.
    """

    value: Any
    certainty: Certainty
    sources: tuple[Source, ...] = ()
    note: str = ""

    @property
    def basis(self) -> str:
        """The sources by name and the note, as one text."""
        names = "; ".join(source.name for source in self.sources)
        if not names or not self.note:
            return names or self.note
        return f"{self.note}: {names}" if self.certainty == "assumed" else f"{names}: {self.note}"


@dataclass(frozen=True)
class Row:
    """One imitated behaviour: `id` is `area.name`, `what` one sentence, `facts` one fact by target.

    A row whose every value is UNCHANGED is there to be tested: it says what the front door leaves alone.
    """

    id: str
    what: str
    facts: Mapping[Target, Fact]

    @property
    def area(self) -> str:
        """The part of the id before the dot."""
        return self.id.partition(".")[0]

    @property
    def targets(self) -> tuple[Target, ...]:
        """The targets that have the behaviour."""
        return tuple(self.facts)


def read_from(row_id: str) -> dict[str, str]:
    """The metadata of a profile's field that is read from that row."""
    return {"row": row_id}


def documented(value: Any, source: Source, *more: Source, note: str = "") -> Fact:
    """A fact that Microsoft's pages or Microsoft's source state."""
    return Fact(value, "documented", (source, *more), note)


def observed(value: Any, source: Source, *more: Source, note: str = "") -> Fact:
    """A fact that somebody saw and published."""
    return Fact(value, "observed", (source, *more), note)


def assumed(value: Any, note: str, *sources: Source) -> Fact:
    """A guess; `note` is what it rests on, `sources` what comes nearest to it."""
    return Fact(value, "assumed", sources, note)


class Exceptions(TypedDict, total=False):
    """Facts of targets and of groups: `v2` are the online endpoints, `v1` the web services in the cloud."""

    v2: Fact
    v1: Fact
    managed: Fact
    kubernetes: Fact
    aks: Fact
    aci: Fact
    local: Fact


_GROUPS: Mapping[Target, str] = {"managed": "v2", "kubernetes": "v2", "aks": "v1", "aci": "v1"}


def row(id: str, what: str, fact: Fact | None = None, **exceptions: Unpack[Exceptions]) -> Row:
    """A row: a target's fact is its own among the exceptions, else its group's, else `fact`."""
    own: dict[str, Any] = dict(exceptions)
    facts: dict[Target, Fact] = {}
    for target in get_args(Target):
        chosen = own.get(target) or own.get(_GROUPS.get(target, "")) or fact
        if chosen is None:
            raise ValueError(f"row {id} has no fact for {target}")
        facts[target] = chosen
    return Row(id, what, MappingProxyType(facts))
