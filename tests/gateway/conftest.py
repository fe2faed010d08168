"""A gateway of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gateway_support import Door, running_door


@pytest.fixture
def door() -> Iterator[Door]:
    with running_door() as one:
        yield one
