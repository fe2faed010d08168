"""One house for each test, with nothing left going on when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from core_support import ADMIN, House
from served import Served, serving

from emulator.client.client import Client


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.settle()


@pytest.fixture
def served(house: House) -> Iterator[Served]:
    with serving(house) as served:
        yield served


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    with Client(served.url, ADMIN) as client:
        yield client
