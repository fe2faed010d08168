"""Differences: where a run here departs from the cloud, as values with a group and a stable code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, get_args

Group = Literal["fails_in_cloud", "differs", "only_here"]
GROUPS: tuple[Group, ...] = get_args(Group)
"""In the order in which they matter to the user."""


@dataclass(frozen=True)
class Difference:
    """One departure from the cloud, in a sentence for people.

    `group` says what it means for the user: `fails_in_cloud`, the cloud refuses it or cannot run it; `differs`, it
    works in both but not alike; `only_here`, a property of this machine or of running without the cloud.  `code` names
    the kind of difference for programs; it is '' for one that was stored before there were codes.

    Make one with `fails_in_cloud`, `differs` or `only_here`.
    """

    text: str
    group: Group
    code: str

    # Fields of a later version, in a stored document, are passed over.
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "ignore"}

    def __str__(self) -> str:
        return self.text

    def to_document(self) -> dict[str, str]:
        """The difference as plain JSON values."""
        return asdict(self)


def fails_in_cloud(code: str, text: str) -> Difference:
    """What works here and would be refused, or would not run, in the cloud."""
    return Difference(text, "fails_in_cloud", code)


def differs(code: str, text: str) -> Difference:
    """What works in both, but not alike."""
    return Difference(text, "differs", code)


def only_here(code: str, text: str) -> Difference:
    """What only this machine, or running without the cloud, brings along."""
    return Difference(text, "only_here", code)


def read_difference(stored: str | Mapping[str, Any]) -> Difference:
    """The difference that was stored; earlier versions stored the text alone.

    >>> read_difference("no container")
    Difference(text='no container', group='differs', code='')
    """
    if isinstance(stored, str):
        return Difference(stored, "differs", "")
    group: Group = stored["group"] if stored["group"] in GROUPS else "differs"  # a later version may have others
    return Difference(stored["text"], group, stored["code"])


def read_differences(stored: Iterable[str | Mapping[str, Any]]) -> tuple[Difference, ...]:
    """Every difference that was stored."""
    return tuple(map(read_difference, stored))


def texts(differences: Iterable[Difference]) -> tuple[str, ...]:
    """What the differences say."""
    return tuple(difference.text for difference in differences)
