"""What all tests share: the marker that ties a test to the rows of the parity table, and the page made of it."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterable
from pathlib import Path

import pytest
from parity import Proofs

from emulator.profiles import rows

# A shell starts what it runs in the background with SIGINT ignored, and every child inherits that; the tests that
# interrupt a command as a person would must work there too.
signal.signal(signal.SIGINT, signal.default_int_handler)

PROOFS = pytest.StashKey[Proofs]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The first two belong to runs of all test files: a run of one file has not all tests before it."""
    every_row = "fail unless every row of the parity table has a test that proves it"
    parity = "write the parity table to this file, each row with how its tests ended; includes --every-row"
    parser.addoption("--every-row", action="store_true", help=every_row)
    parser.addoption("--parity", type=Path, metavar="FILE", help=parity)
    no_skips = "where everything that the tests need must be there: a test that would be skipped fails"
    parser.addoption("--no-skips", action="store_true", help=no_skips)
    seed = random.randrange(1_000_000)
    parser.addoption("--fuzz-seed", type=int, default=seed, help="run the hostile requests of that seed again")
    parser.addoption("--fuzz-requests", type=int, help="how many hostile requests to make instead of the usual number")
    parser.addoption("--survival-seed", type=int, default=seed, help="kill the emulator at that seed's moments again")


def pytest_configure(config: pytest.Config) -> None:
    """Begin to count what is proven."""
    config.stash[PROOFS] = Proofs()


def pytest_report_header(config: pytest.Config) -> str:
    seeds = (f"{name} {config.getoption(name)}" for name in ("--fuzz-seed", "--survival-seed"))
    return f"hostile requests and kills: {' '.join(seeds)}"


@pytest.hookimpl(tryfirst=True)  # before -m and -k take tests away
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse marks of rows that do not exist, and with --every-row, rows without a mark."""
    proofs = config.stash[PROOFS]
    proofs.collected(items)
    known = {row.id for row in rows()}
    _refuse("these rows are named by tests, but are not in the parity table", proofs.rows - known)
    if config.getoption("--every-row") or config.getoption("--parity"):
        _refuse("these rows of the parity table have no test", known - proofs.rows)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterable[None]:
    """Count how each test of a row ended; with --no-skips, what was left out has failed."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and item.config.getoption("--no-skips"):
        report.outcome, report.longrepr = "failed", f"left out, and nothing may be: {report.longrepr[2]}"
    passed = report.when == "call" and report.passed
    item.config.stash[PROOFS].heard(item.nodeid, passed=passed, failed=report.failed)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Write the page where one is wanted; say which rows a run of everything has not proven."""
    proofs = config.stash[PROOFS]
    if file := config.getoption("--parity"):
        file.write_text(proofs.page(), encoding="utf-8")
        terminalreporter.write_line(f"the parity table is in {file}")
    if config.getoption("--every-row") and (unproven := proofs.unproven()):
        terminalreporter.write_line(f"rows that no test has proven in this run: {', '.join(unproven)}", yellow=True)


def _refuse(what: str, row_ids: Iterable[str]) -> None:
    if row_ids:
        raise pytest.UsageError(f"{what}: {', '.join(sorted(row_ids))}")
