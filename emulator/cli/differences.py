"""Print differences by group, what will fail in the cloud first, with repeats folded."""

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
    """Return the differences of endpoints and deployments from the control API, without repeats.

    An older emulator sends their texts alone.
    """
    found = (resource.get("difference_details") or resource["differences"] for resource in resources)
    return list(dict.fromkeys(difference for stored in found for difference in read_differences(stored)))


def grouped(differences: Iterable[Difference]) -> dict[Group, list[Difference]]:
    """Return the differences by group, the most important group first, without empty groups."""
    found: dict[Group, list[Difference]] = {group: [] for group in GROUPS}
    for difference in differences:
        found[difference.group].append(difference)
    return {group: members for group, members in found.items() if members}


def folded(differences: Sequence[Difference]) -> list[str]:
    """Return a line for each difference; of many with the same code the first few, and the number of the rest."""
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
    """Return the differences as lines below a heading for each group; `fold` shortens repeats of one code."""
    found = []
    for group, members in grouped(differences).items():
        lines = folded(members) if fold else texts(members)
        found += [f"{HEADINGS[group]}:", *(f"  - {line}" for line in lines)]
    return found
