"""What all tests share: the marker that ties a test to the rows of the parity table, and the page made of it."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest
from parity import Proofs
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from emulator.profiles import rows

# A shell starts what it runs in the background with SIGINT ignored, and every child inherits that; the tests that
# interrupt a command as a person would must work there too.
signal.signal(signal.SIGINT, signal.default_int_handler)

PROOFS = pytest.StashKey[Proofs]()

_TESTS = Path(__file__).parent
# What takes long goes first where tests run side by side, so that no process is left with a long one at the end.
_LONG_FIRST = (
    "compose",
    "failures",
    "survival",
    "samples",
    "engines",
    "e2e",
    "repositories",
    "plugin",
    "differential",
    "no_code",
)
# Folders whose tests share servers that cost seconds to start.
_OF_ONE_PROCESS = ("differential", "failures", "no_code")
# Folders whose tests share nothing: each test function goes where there is room.
_SHARING_NOTHING = ("core", "unit")
# Folders whose tests have a sample and an engine for parameters, `[SAMPLE.VARIANT-ENGINE]`, and where samples lie.
# Variants of a sample, and samples with the same packages, share an environment.
_BY_SAMPLE = {"samples": _TESTS.parent / "samples", "repositories": _TESTS / "repositories"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """The first two belong to runs of all test files: a run of one file has not all tests before it."""
    every_row = "fail unless every row of the parity table has a test that proves it"
    parity = "write the pages of the parity table below this folder, with how tests ended; includes --every-row"
    parser.addoption("--every-row", action="store_true", help=every_row)
    parser.addoption("--parity", type=Path, metavar="FOLDER", help=parity)
    no_skips = "where everything that the tests need must be there: a test that would be skipped fails"
    parser.addoption("--no-skips", action="store_true", help=no_skips)
    seed = random.randrange(1_000_000)
    parser.addoption("--fuzz-seed", type=int, default=seed, help="run the hostile requests of that seed again")
    parser.addoption("--fuzz-requests", type=int, help="how many hostile requests to make instead of the usual number")
    parser.addoption("--mutation-seed", type=int, default=seed, help="change stored documents as that seed did again")
    parser.addoption("--survival-seed", type=int, default=seed, help="kill the emulator at that seed's moments again")


@pytest.fixture
def survival_seed(request: pytest.FixtureRequest) -> int:
    """Where the moments of death come from; printed at the head of a run, and given again by --survival-seed."""
    seed: int = request.config.getoption("--survival-seed")
    return seed


def pytest_configure(config: pytest.Config) -> None:
    """Begin to count what is proven."""
    config.stash[PROOFS] = Proofs()
    config.pluginmanager.register(config.stash[PROOFS])


def pytest_report_header(config: pytest.Config) -> str:
    seeds = (f"{name} {config.getoption(name)}" for name in ("--fuzz-seed", "--mutation-seed", "--survival-seed"))
    return f"hostile requests and kills: {' '.join(seeds)}"


@pytest.hookimpl(tryfirst=True)  # before -m and -k take tests away
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse marks of rows that do not exist, and with --every-row, rows without a mark; see to the order of tests that
    run side by side (pytest-xdist)."""
    proofs = config.stash[PROOFS]
    proofs.collected(items)
    if "PYTEST_XDIST_WORKER" not in os.environ:
        for fault in _faults(config):
            raise pytest.UsageError(fault)
        return
    items.sort(key=_length)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Keep together, in one process, the tests that share what their fixtures make."""
    return _InGroups(config, log)


class _InGroups(LoadScopeScheduling):  # type: ignore[misc]
    """Gives whole groups to processes, in the order of the collection."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def group_of(nodeid: str) -> str:
    """What a test shares fixtures with: a sample's environment, a folder's servers, nothing, else its file.

    >>> group_of("tests/unit/test_names.py::test_a_legal_name_stays[a]")
    'tests/unit/test_names.py::test_a_legal_name_stays'
    >>> group_of("tests/samples/test_samples.py::test_a_sample_serves[v1_configs.aks-docker]")
    'tests/samples/test_samples.py v1_configs'
    >>> group_of("tests/samples/test_samples.py::test_a_sample_serves[two_models-docker]")
    'tests/samples/test_samples.py single_model_file'
    """
    file, _, test = nodeid.partition("::")
    folder = Path(file).parts[1]
    if folder in _BY_SAMPLE and "[" in test:
        sample = test.partition("[")[2].rpartition("-")[0].partition(".")[0]
        return f"{file} {_first_with_its_packages(folder).get(sample, sample)}"
    if folder in _SHARING_NOTHING:
        return nodeid.partition("[")[0]
    return folder if folder in _OF_ONE_PROCESS else file


@cache
def _first_with_its_packages(folder: str) -> dict[str, str]:
    """By sample, the first one whose environment file asks for the same packages."""
    first: dict[str, str] = {}
    found = {}
    for sample in sorted(_BY_SAMPLE[folder].iterdir()):
        for name in ("requirements.txt", "conda.yml"):
            if (sample / name).is_file():
                lines = (sample / name).read_text(encoding="utf-8").splitlines()
                packages = "\n".join(line for line in lines if not line.startswith("name:"))
                found[sample.name] = first.setdefault(packages, sample.name)
    return found


def _length(item: pytest.Item) -> int:
    folder = item.path.relative_to(_TESTS).parts[0]
    return _LONG_FIRST.index(folder) if folder in _LONG_FIRST else len(_LONG_FIRST)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterable[None]:
    """Say which rows a test proves; with --no-skips, what was left out has failed."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and item.config.getoption("--no-skips"):
        report.outcome, report.longrepr = "failed", f"left out, and nothing may be: {report.longrepr[2]}"
    report.rows = item.config.stash[PROOFS].rows_of(item.nodeid)
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run in several processes for what the collection of one process refuses."""
    workers = getattr(session.config.option, "numprocesses", None)
    if workers and "PYTEST_XDIST_WORKER" not in os.environ and _faults(session.config):
        session.exitstatus = pytest.ExitCode.USAGE_ERROR


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what is wrong with rows, write the page where one is wanted, say which rows this run has not proven."""
    proofs = config.stash[PROOFS]
    for fault in _faults(config):
        terminalreporter.write_line(fault, red=True)
    if folder := config.getoption("--parity"):
        proofs.write(folder)
        terminalreporter.write_line(f"the pages of the parity table are in {folder}")
    if config.getoption("--every-row") and (unproven := proofs.unproven()):
        terminalreporter.write_line(f"rows that no test has proven in this run: {', '.join(unproven)}", yellow=True)


def _faults(config: pytest.Config) -> list[str]:
    """Marks of rows that do not exist, and with --every-row or --parity, rows that no test is marked with."""
    claimed, known = config.stash[PROOFS].rows, {row.id for row in rows()}
    of_all = config.getoption("--every-row") or config.getoption("--parity")
    faults = (
        ("these rows are named by tests, but are not in the parity table", claimed - known),
        ("these rows of the parity table have no test", known - claimed if of_all else set()),
    )
    return [f"{what}: {', '.join(sorted(row_ids))}" for what, row_ids in faults if row_ids]
