"""One sandbox for all of its tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox import Sandbox, clone


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox that was started for the first time, by `docker compose up --wait` in a clean copy."""
    folder: Path = tmp_path_factory.mktemp("team") / "amlemu"
    with clone(folder) as sandbox:
        sandbox.up()
        yield sandbox
