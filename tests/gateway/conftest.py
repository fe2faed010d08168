"""A gateway of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from gateway_support import Door

from emulator.gateway import Gateway


@pytest.fixture
def door() -> Iterator[Door]:
    lines: list[tuple[str, dict[str, Any]]] = []
    gateway = Gateway("127.0.0.1", 0, lambda endpoint, line: lines.append((endpoint, line)))
    gateway.start()
    yield Door(gateway, lines)
    gateway.stop(2.0)
