"""The order of a model's versions, which a clock that was set back must not change."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

_STEP = timedelta(milliseconds=1)


def created_after(others: Iterable[str], now: str) -> str:
    """When a version is created that comes after all `others`: now, or a millisecond after the last of them.

    >>> created_after(["2024-01-01T10:00:00.000+00:00"], "2024-01-01T09:00:00.000+00:00")
    '2024-01-01T10:00:00.001+00:00'
    """
    last = max(others, default="")
    if now > last:
        return now
    return (datetime.fromisoformat(last) + _STEP).isoformat(timespec="milliseconds")
