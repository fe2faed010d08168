"""docs/parity.md and the pages below docs/parity: they are what the table says today, and they say it readably."""

from __future__ import annotations

import re
from typing import Literal

import pytest
from parity import DOCS, TESTS_BY_ROW, Proofs, all_claims, named

from emulator.profiles import Answer, rendered, rows
from emulator.profiles.facts import Source, assumed, documented, observed, row
from emulator.profiles.parity_pages import AREAS, Proof, render
from emulator.profiles.values import toml


def written() -> dict[str, str]:
    """The pages in docs, by their path below it."""
    paths = [DOCS / "parity.md", *(DOCS / "parity").glob("*.md")]
    return {str(path.relative_to(DOCS)): path.read_text(encoding="utf-8") for path in paths}


def test_the_pages_are_up_to_date() -> None:
    """The pages of a run in which every row was proven: `make parity` writes them."""
    proofs = {row_id: Proof(tuple(sorted(tests)), "passed") for row_id, tests in all_claims().items()}
    wanted, found = render(rows(), proofs), written()
    assert found.keys() == wanted.keys()
    for path, text in wanted.items():
        assert found[path] == text, f"{path}: the table or its tests have changed: run `make parity`"


def test_the_tests_that_the_command_names_are_up_to_date() -> None:
    assert TESTS_BY_ROW.read_text(encoding="utf-8") == named(all_claims()), "run `make parity`"


def test_every_row_stands_once_on_the_page_of_its_area() -> None:
    assert {found.area for found in rows()} == set(AREAS)
    for path, text in written().items():
        area = path.removeprefix("parity/").removesuffix(".md")
        headings = re.findall(r"^## `(.+)`$", text, re.MULTILINE)
        assert headings == [found.id for found in rows() if found.area == area and path != "parity.md"]


def test_every_link_of_a_page_is_defined_on_it() -> None:
    for path, text in written().items():
        body, _, definitions = text.partition("\n[")
        defined = set(re.findall(r"^\[(.+?)\]: https://", "[" + definitions, re.MULTILINE))
        used = set(re.findall(r"\[([^\]]+)\](?![(:])", re.sub(r"`[^`]*`", "", body)))
        assert used <= defined, path


PAGE = Source("file", "A page", "https://example.org/a/page.md", "2026-01-02")
ISSUE = Source("issue", "someone/thing#3", "https://example.org/issues/3", "2026-01-03")
SHORT = (
    row(
        "routing.same", "One | for all.", documented(Answer(405, "No"), PAGE.at("HTTP: the (bad) codes"), note="a | b")
    ),
    row(
        "routing.different",
        "By target.",
        assumed(None, "as managed", PAGE),
        managed=documented(frozenset({"POST", "GET"}), PAGE, ISSUE),
        aci=assumed(True, "a guess"),
        local=observed(("a", "b"), ISSUE),
    ),
)


def test_what_the_page_of_an_area_looks_like() -> None:
    proofs = {"routing.same": Proof(("test_a", "test_b"), "passed")}
    _, _, page = render(SHORT, proofs)["parity/routing.md"].partition("legend](../parity.md)\n\n")
    assert (
        page
        == """\
## `routing.same`

One | for all.

| targets | behaviour | sure | source |
|---|---|---|---|
| *all* | `405 "No"` | D | [A page, HTTP: the (bad) codes]: a \\| b |

Tests, passed: `test_a`, `test_b`

## `routing.different`

By target.

| targets | behaviour | sure | source |
|---|---|---|---|
| managed | `GET`, `POST` | D | [A page]; [someone/thing#3] |
| kubernetes, aks | none | A | as managed: [A page] |
| aci | yes | A | a guess |
| local | `a`, `b` | O | [someone/thing#3] |

As settings spell it: `"routing.different" = "none"`, `"routing.different" = true`

Tests: no test

[A page, HTTP: the (bad) codes]: https://example.org/a/page.md#http-the-bad-codes "file, read 2026-01-02"
[A page]: https://example.org/a/page.md "file, read 2026-01-02"
[someone/thing#3]: https://example.org/issues/3 "issue, read 2026-01-03"
"""
    )


def test_the_index_counts_facts_by_area_and_certainty() -> None:
    index = render(SHORT, {})["parity.md"]
    assert "2 rows, 10 facts: 6 documented, 1 observed, 3 assumed. 1 rows have an assumed fact." in index
    assert f"| [routing](parity/routing.md): {AREAS['routing']} | 2 | 10 | 6 | 1 | 3 |" in index
    assert "parity/traffic.md" not in index, "an area without rows has no page"


@pytest.mark.parametrize(
    ("value", "shown", "setting"),
    [
        (None, "none", '"none"'),
        (True, "yes", "true"),
        (5001, "`5001`", "5001"),
        ("/a", "`/a`", '"/a"'),
        ((), "none", "[]"),
        (Answer(200, ""), "`200 with an empty body`", '{ status = 200, body = "" }'),
        (Answer(400, 'a "b"'), '`400 "a "b""`', '{ status = 400, body = "a \\"b\\"" }'),
        (frozenset({"b", "a"}), "`a`, `b`", '["a", "b"]'),
        ({500: 502}, '`{ "500" = 502 }`', '{ "500" = 502 }'),
        (1.5, "`1.5`", "1.5"),
    ],
)
def test_values_for_people_and_for_settings(value: object, shown: str, setting: str) -> None:
    assert (rendered(value), toml(value)) == (shown, setting)


class Item:
    """What a collected test is to the page."""

    def __init__(self, nodeid: str, originalname: str, *row_ids: str) -> None:
        self.nodeid, self.originalname, self.name = nodeid, originalname, nodeid
        self._marks = [pytest.mark.row(*row_ids).mark]

    def iter_markers(self, name: str) -> list[pytest.Mark]:
        return [mark for mark in self._marks if mark.name == name]


When = Literal["setup", "call", "teardown"]
Outcome = Literal["passed", "failed", "skipped"]


def report(proofs: Proofs, nodeid: str, when: When, outcome: Outcome) -> pytest.TestReport:
    """What pytest tells of a part of a test."""
    return pytest.TestReport(nodeid, ("", None, ""), {}, outcome, None, when, rows=proofs.rows_of(nodeid))


def test_how_a_row_ended() -> None:
    proofs = Proofs()
    items = [Item("a[1]", "a", "x.y"), Item("a[2]", "a", "x.y"), Item("b", "b", "x.y", "x.z"), Item("c", "c", "x.w")]
    proofs.collected(items)
    assert proofs.rows == {"x.y", "x.z", "x.w"}
    proofs.pytest_runtest_logreport(report(proofs, "a[1]", "call", "passed"))
    assert (proofs.result("x.y"), proofs.result("x.z")) == ("passed", "not run")
    proofs.pytest_runtest_logreport(report(proofs, "b", "call", "passed"))
    proofs.pytest_runtest_logreport(report(proofs, "b", "teardown", "failed"))
    proofs.pytest_runtest_logreport(report(proofs, "c", "call", "skipped"))
    assert [proofs.result(row_id) for row_id in ("x.y", "x.z", "x.w")] == ["failed", "failed", "not run"]
    assert "routing.front_door" in proofs.unproven()
