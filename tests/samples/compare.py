"""Answers compared with what a sample expects: floats nearly, all else exactly."""

from __future__ import annotations

import math
from typing import Any

RELATIVE = 1e-6


def check_same(found: Any, expected: Any, where: str = "$") -> None:
    """Fail, naming the place, unless both are the same JSON."""
    _check(found, expected, where, whole=True)


def check_contains(found: Any, expected: Any, where: str = "$") -> None:
    """Fail, naming the place, unless `found` holds `expected`: objects may have more members, lists may not."""
    _check(found, expected, where, whole=False)


def _check(found: Any, expected: Any, where: str, *, whole: bool) -> None:
    assert type(found) is type(expected), f"{where}: {found!r} instead of {expected!r}"
    if isinstance(expected, dict):
        _check_members(found, expected, where, whole=whole)
    elif isinstance(expected, list):
        assert len(found) == len(expected), f"{where}: {found!r} instead of {expected!r}"
        for index, pair in enumerate(zip(found, expected, strict=True)):
            _check(*pair, f"{where}[{index}]", whole=whole)
    elif isinstance(expected, float):
        assert math.isclose(found, expected, rel_tol=RELATIVE), f"{where}: {found!r} instead of {expected!r}"
    else:
        assert found == expected, f"{where}: {found!r} instead of {expected!r}"


def _check_members(found: dict[str, Any], expected: dict[str, Any], where: str, *, whole: bool) -> None:
    missing = sorted(expected.keys() - found.keys())
    assert not missing, f"{where}: {missing} are missing in {found!r}"
    more = sorted(found.keys() - expected.keys())
    assert not (whole and more), f"{where}: {more} should not be there"
    for name, value in expected.items():
        _check(found[name], value, f"{where}.{name}", whole=whole)
