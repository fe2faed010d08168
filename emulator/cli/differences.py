"""Differences as people read them: by group, what will fail in the cloud first, many of one kind folded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from emulator.difference import GROUPS, Difference, Group, read_differences, texts

HEADINGS: Mapping[Group, str] = {
    "fails_in_cloud": "will fail in the cloud",
    "differs": "differs",
    "only_here": "only here",
}
_SHOWN_OF_A_KIND = 2


def differences_of(*resources: Mapping[str, Any]) -> list[Difference]:
    """The differences of endpoints and deployments, as the control API gives them, each once.

    An older emulator gives their texts alone.
    """
    found = (resource.get("difference_details") or resource["differences"] for resource in resources)
    return list(dict.fromkeys(difference for stored in found for difference in read_differences(stored)))


def grouped(differences: Iterable[Difference]) -> dict[Group, list[Difference]]:
    """The differences by group, in the order in which the groups matter; groups without one are left out."""
    found: dict[Group, list[Difference]] = {group: [] for group in GROUPS}
    for difference in differences:
        found[difference.group].append(difference)
    return {group: members for group, members in found.items() if members}


def folded(differences: Sequence[Difference]) -> list[str]:
    """What the differences say: of many with the same code the first few, and how many more there are."""
    kinds: dict[str, list[str]] = {}
    for difference in differences:
        kinds.setdefault(difference.code or difference.text, []).append(difference.text)
    return [line for kind in kinds.values() for line in _first_few(kind)]


def _first_few(lines: Sequence[str]) -> Sequence[str]:
    more = len(lines) - _SHOWN_OF_A_KIND
    if more <= 1:
        return lines
    return [*lines[:_SHOWN_OF_A_KIND], f"… and {more} more alike: `amlemu show ENDPOINT` has them all"]


def difference_lines(differences: Iterable[Difference], *, fold: bool) -> list[str]:
    """The differences below a heading for each group; many of one kind folded, if asked for."""
    found = []
    for group, members in grouped(differences).items():
        lines = folded(members) if fold else texts(members)
        found += [f"{HEADINGS[group]}:", *(f"  - {line}" for line in lines)]
    return found
