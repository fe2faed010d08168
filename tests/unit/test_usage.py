"""Values of use, and shares worked out of them."""

from __future__ import annotations

import doctest

import pytest

from emulator.containers import usage
from emulator.containers.usage import Gpu, Reading, size_text, visible_gpus

GPUS = tuple(Gpu(index, f"GPU-{index}", 0.0, 0.0) for index in range(3))


def test_the_examples() -> None:
    assert doctest.testmod(usage) == doctest.TestResults(failed=0, attempted=3)


@pytest.mark.parametrize(
    ("now", "before", "rate"),
    [
        (Reading(4.0, 3.0), Reading(2.0, 0.0), 1.5),
        (Reading(2.0, 3.0), Reading(2.0, 0.0), None),
        (Reading(1.0, 3.0), Reading(2.0, 0.0), None),
        (Reading(4.0, 1.0), Reading(2.0, 5.0), None),
    ],
)
def test_rates(now: Reading, before: Reading, rate: float | None) -> None:
    assert now.rate_since(before) == rate


@pytest.mark.parametrize(
    ("asked", "indices"),
    [("all", [0, 1, 2]), ("2", [0, 1]), ("9", [0, 1, 2]), ("device=2,GPU-0", [0, 2]), ("device=7", [])],
)
def test_the_gpus_of_a_container(asked: str, indices: list[int]) -> None:
    assert [gpu.index for gpu in visible_gpus(asked, GPUS)] == indices


def test_sizes_for_people() -> None:
    assert size_text(2**30 - 1) == "1024 MiB"
    assert size_text(25276502016) == "23.54 GiB"
