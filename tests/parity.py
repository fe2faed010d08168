"""Which tests prove which rows of the parity table: from marks and outcomes to the pages below docs."""

from __future__ import annotations

import ast
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from emulator.profiles import rows
from emulator.profiles.parity_pages import Proof, render

TESTS = Path(__file__).parent
DOCS = TESTS.parent / "docs"
# What `amlemu parity` names: the tests by row id, shipped with the table.
TESTS_BY_ROW = TESTS.parent / "emulator/profiles/proofs.json"


class Proofs:
    """What a run of the tests shows of each row: filled at the collection, then report by report.

    A pytest plug-in.  Where tests run in several processes, each of them collects, and tells the one that prints.
    """

    def __init__(self) -> None:
        self._tests: dict[str, set[str]] = defaultdict(set)
        self._rows: dict[str, list[str]] = {}
        self._outcomes: dict[str, set[str]] = defaultdict(set)

    def collected(self, items: Iterable[pytest.Item]) -> None:
        """Take in the marks of every test, also of those that this run leaves out."""
        for item in items:
            claimed = {str(row_id) for mark in item.iter_markers("row") for row_id in mark.args}
            if claimed:
                self._rows[item.nodeid] = sorted(claimed)
            for row_id in claimed:
                self._tests[row_id].add(getattr(item, "originalname", item.name))

    @property
    def rows(self) -> set[str]:
        """The rows that tests claim."""
        return set(self._tests)

    def rows_of(self, nodeid: str) -> list[str]:
        """The rows that one test claims."""
        return self._rows.get(nodeid, [])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in how a part of a test ended: its set-up, itself, its tear-down.  `report.rows` names its rows."""
        passed = report.when == "call" and report.passed
        for row_id in getattr(report, "rows", ()):
            self._outcomes[row_id] |= {word for word, true in (("passed", passed), ("failed", report.failed)) if true}

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """In a worker of xdist, hand the collected claims to the process that prints."""
        output: dict[str, object] | None = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["claims"] = {row_id: sorted(tests) for row_id, tests in self._tests.items()}

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take in what a worker of xdist has collected."""
        for row_id, tests in getattr(node, "workeroutput", {}).get("claims", {}).items():
            self._tests[row_id] |= set(tests)

    def result(self, row_id: str) -> str:
        """`passed`, `failed` or `not run`."""
        outcomes = self._outcomes[row_id]
        return "failed" if "failed" in outcomes else "passed" if "passed" in outcomes else "not run"

    def unproven(self) -> list[str]:
        """The rows none of whose tests has passed in this run."""
        return [row.id for row in rows() if self.result(row.id) != "passed"]

    def write(self, docs: Path) -> None:
        """Write the pages as this run shows them, and the names of the tests beside the table."""
        proofs = {row_id: Proof(tuple(sorted(tests)), self.result(row_id)) for row_id, tests in self._tests.items()}
        pages = render(rows(), proofs)
        for stale in set((docs / "parity").glob("*.md")) - {docs / path for path in pages}:
            stale.unlink()
        for path, text in pages.items():
            (docs / path).parent.mkdir(parents=True, exist_ok=True)
            (docs / path).write_text(text, encoding="utf-8")
        TESTS_BY_ROW.write_text(named(self._tests), encoding="utf-8")


def named(tests: Mapping[str, set[str]]) -> str:
    """The tests by row id, in the order of the table, as emulator/profiles/proofs.json holds them."""
    return json.dumps({row.id: sorted(tests.get(row.id, ())) for row in rows()}, indent=1) + "\n"


def claimed_rows(source: str) -> Iterator[tuple[str, str]]:
    """(row, test function) for each `@pytest.mark.row("area.name", ...)` on a test function of a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.row":
                    yield from ((ast.literal_eval(argument), node.name) for argument in decorator.args)


def all_claims() -> Mapping[str, set[str]]:
    """The test functions of each row that a test anywhere claims, read from their sources."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in TESTS.rglob("*.py"):
        for row_id, test in claimed_rows(path.read_text(encoding="utf-8")):
            found[row_id].add(test)
    return found
