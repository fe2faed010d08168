"""Differences as people read them: what will fail in the cloud first, what matters here only last, repeats folded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from emulator.cli.output import say

Group = Literal["will fail in the cloud", "differs", "only here"]
GROUPS: tuple[Group, ...] = ("will fail in the cloud", "differs", "only here")

# Of texts, the words that tell: the rest is a difference of how things run.
_FAILS = re.compile(
    r"the cloud refuses|in the cloud it is unrecoverable|take[s]? one model per deployment|the cloud's build cannot"
    r"|the cloud cannot|fails in the cloud|takes? no custom container|takes? models below|the SDK refuses"
    r"|the cloud documents \d+|has no instance types|takes no resources|is a virtual machine;",
    re.IGNORECASE,
)
_ONLY_HERE = re.compile(
    r"is only for the cloud:|nothing leaves this machine|is kept in AMLEMU_HOME|because of --debug|this machine"
    r"|local stand-in|in the process engine|process engine|overridden by the settings|are not sent along|left out"
    r"|private mount namespace|limits? here|no containers?:",
    re.IGNORECASE,
)
_MOST_ALIKE = 2
# What of two texts may differ for them to be the same thing said of two things.
_VARYING = re.compile(r"'[^']*'|\"[^\"]*\"|[\w.-]+(?:==|@|:)[\w.-]+|\b\d[\w.]*\b")


def group_of(difference: str) -> Group:
    """Where a difference belongs.

    >>> group_of("the cloud refuses the name 'my_name': letters, digits and '-' only")
    'will fail in the cloud'
    """
    if _FAILS.search(difference):
        return "will fail in the cloud"
    return "only here" if _ONLY_HERE.search(difference) else "differs"


def grouped(differences: Iterable[str]) -> Mapping[Group, list[str]]:
    """The differences by group in the order in which they matter; of many alike the first few, and how many more."""
    found: dict[Group, list[str]] = {}
    for group in GROUPS:
        alike: dict[str, list[str]] = {}
        for text in dict.fromkeys(differences):
            if group_of(text) == group:
                alike.setdefault(_VARYING.sub("…", text), []).append(text)
        lines = [line for texts in alike.values() for line in _folded(texts)]
        if lines:
            found[group] = lines
    return found


def _folded(texts: Sequence[str]) -> Sequence[str]:
    if len(texts) <= _MOST_ALIKE + 1:
        return texts
    return [*texts[:_MOST_ALIKE], f"… and {len(texts) - _MOST_ALIKE} more alike: `amlemu show ENDPOINT` has them all"]


def say_differences(differences: Iterable[str]) -> None:
    """Tell them, below a heading for each group."""
    for group, lines in grouped(list(differences)).items():
        say(f"{group}:")
        for line in lines:
            say(f"  - {line}")
