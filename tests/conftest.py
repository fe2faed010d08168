"""What all tests share: the marker that ties a test to the rows of the parity table."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterable

import pytest

from emulator.profiles import rows

# A shell starts what it runs in the background with SIGINT ignored, and every child inherits that; the tests that
# interrupt a command as a person would must work there too.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--every-row` belongs to runs of the whole suite: a run of one file has not all tests before it."""
    text = "fail unless every row of the parity table has a test that proves it"
    parser.addoption("--every-row", action="store_true", help=text)
    seed = random.randrange(1_000_000)
    parser.addoption("--fuzz-seed", type=int, default=seed, help="run the hostile requests of that seed again")
    parser.addoption("--fuzz-requests", type=int, help="how many hostile requests to make instead of the usual number")


def pytest_report_header(config: pytest.Config) -> str:
    return f"hostile requests: --fuzz-seed {config.getoption('--fuzz-seed')}"


@pytest.hookimpl(tryfirst=True)  # before -m and -k take tests away
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse marks of rows that do not exist, and with --every-row, rows without a mark."""
    known = {row.id for row in rows()}
    proven = {str(row_id) for item in items for mark in item.iter_markers("row") for row_id in mark.args}
    _refuse("these rows are named by tests, but are not in the parity table", proven - known)
    if config.getoption("--every-row"):
        _refuse("these rows of the parity table have no test", known - proven)


def _refuse(what: str, row_ids: Iterable[str]) -> None:
    if row_ids:
        raise pytest.UsageError(f"{what}: {', '.join(sorted(row_ids))}")
