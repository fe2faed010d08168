"""What the survival tests share."""

from __future__ import annotations

import pytest


@pytest.fixture
def survival_seed(request: pytest.FixtureRequest) -> int:
    """Where the moments of death come from; printed at the head of a run, and given again by --survival-seed."""
    seed: int = request.config.getoption("--survival-seed")
    return seed
