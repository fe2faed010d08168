"""Differences: where a run here departs from the cloud, as values with a group and a stable code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, get_args

Group = Literal["fails_in_cloud", "differs", "only_here"]
GROUPS: tuple[Group, ...] = get_args(Group)
"""Every group, the most important to the user first."""


@dataclass(frozen=True)
class Difference:
    """One departure from the cloud, told in a sentence.

    `group` says what it means for the user: `fails_in_cloud`, the cloud refuses it or cannot run it; `differs`, it
    works in both but not alike; `only_here`, a property of this machine or of running without the cloud.  `code` names
    the kind of difference for programs; it is '' for one that was stored before there were codes.

    Make one with `fails_in_cloud`, `differs` or `only_here`.
    """

    text: str
    group: Group
    code: str

    # A document that a later version stored may have more fields.
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "ignore"}

    def __str__(self) -> str:
        return self.text

    def to_document(self) -> dict[str, str]:
        """Return the difference as plain JSON values."""
        return asdict(self)


def fails_in_cloud(code: str, text: str) -> Difference:
    """Return a difference for what works here and would be refused, or would not run, in the cloud."""
    return Difference(text, "fails_in_cloud", code)


def differs(code: str, text: str) -> Difference:
    """Return a difference for what works in both, but not alike."""
    return Difference(text, "differs", code)


def only_here(code: str, text: str) -> Difference:
    """Return a difference that comes from this machine, or from running without the cloud."""
    return Difference(text, "only_here", code)


def read_difference(stored: str | Mapping[str, Any]) -> Difference:
    """Return a stored difference; earlier versions stored the text alone.

    >>> read_difference("no container")
    Difference(text='no container', group='differs', code='')
    """
    if isinstance(stored, str):
        return Difference(stored, "differs", "")
    group: Group = stored["group"] if stored["group"] in GROUPS else "differs"  # a later version may have others
    return Difference(stored["text"], group, stored["code"])


def read_differences(stored: Iterable[str | Mapping[str, Any]]) -> tuple[Difference, ...]:
    """Return stored differences."""
    return tuple(map(read_difference, stored))


def texts(differences: Iterable[Difference]) -> tuple[str, ...]:
    """Return the sentences of the differences."""
    return tuple(difference.text for difference in differences)
