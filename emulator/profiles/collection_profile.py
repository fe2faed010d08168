"""The rows of data collection and Application Insights, resolved for one target."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from emulator.profiles.facts import read_from as _row


@dataclass(frozen=True)
class CollectionProfile:
    """What a target's cloud collects of a deployment that asks for it; sizes are bytes."""

    available: bool = field(metadata=_row("collection.available"))
    most_custom: int = field(metadata=_row("collection.most_custom"))
    inline_bytes: int = field(metadata=_row("collection.inline_bytes"))
    longest_bytes: int = field(metadata=_row("collection.longest_bytes"))
    paths_left_out: tuple[str, ...] = field(metadata=_row("collection.paths_left_out"))
    one_draw: bool = field(metadata=_row("collection.one_draw"))
    rolled_by_minute: str = field(metadata=_row("collection.rolled_by_minute"))
    unknown_length: str = field(metadata=_row("collection.unknown_length"))
    header_attribute: Literal["plain", "dashed"] = field(metadata=_row("collection.headers"))
    text_in_line: bool = field(metadata=_row("collection.text"))
    containers_answer: bool = field(metadata=_row("collection.containers_answer"))
    kept: bool = field(metadata=_row("collection.kept"))
    insights: bool = field(metadata=_row("insights.available"))
