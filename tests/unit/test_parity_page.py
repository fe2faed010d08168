"""docs/parity.md: it is what the table says today, and it says it readably."""

from __future__ import annotations

import re
from typing import Literal

import pytest
from parity import PAGE, Proofs, all_claims, page

from emulator.profiles import Answer, rendered, rows
from emulator.profiles.facts import UNCHANGED, Fact, assumed, documented, everywhere, row
from emulator.profiles.parity_page import Proof, render
from emulator.profiles.values import toml


def test_the_page_is_up_to_date() -> None:
    """The page of a run in which every row was proven: `make parity` writes it."""
    proofs = {row_id: Proof(tuple(sorted(tests)), "passed") for row_id, tests in all_claims().items()}
    assert PAGE.read_text(encoding="utf-8") == page(proofs), "the table or its tests have changed: run `make parity`"


def test_every_row_stands_once_in_the_first_column() -> None:
    before_assumed = PAGE.read_text(encoding="utf-8").partition("## Assumed")[0]
    assert re.findall(r"^\| `([a-z]+\.[a-z_]+)` \|", before_assumed, re.MULTILINE) == [
        found.id
        for area in dict.fromkeys(r.id.split(".")[0] for r in rows())
        for found in rows()
        if found.id.startswith(f"{area}.")
    ]


SHORT = (
    everywhere("area.same", "One | for all.", documented(Answer(405, "No"), "contract/v1 §1")),
    row(
        "area.different",
        "By target.",
        managed=documented(frozenset({"POST", "GET"}), "contract/managed §1"),
        kubernetes=assumed(None, "as managed"),
        aks=assumed(None, "as managed"),
        aci=assumed(True, "a guess"),
        local=Fact(("a", "b"), "seen", "observed"),
    ),
    everywhere("other.passes", "It passes.", documented(UNCHANGED, "contract/v1 §2")),
)


def test_what_a_page_looks_like() -> None:
    text = render(SHORT, {"area.same": Proof(("test_a", "test_b"), "passed"), "other.passes": Proof((), "not run")})
    assert "3 rows, 15 facts: 11 documented, 1 observed, 3 assumed. 1 rows have an assumed fact" in text
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    assert lines == [
        '| `area.same` | One \\| for all. | *all*: `405 "No"` | D | contract/v1 §1 | passed: `test_a`, `test_b` |',
        "| `area.different` | By target."
        " | managed: `GET`, `POST`<br>kubernetes, aks: none<br>aci: yes<br>local: `a`, `b`"
        " | D<br>A<br>A<br>O | contract/managed §1<br>as managed<br>a guess<br>seen | no test |",
        "| `other.passes` | It passes. | *all*: `unchanged` | D | contract/v1 §2 | not run |",
        '| `area.different` | kubernetes, aks | none | as managed | `"area.different" = "none"` |',
        '| `area.different` | aci | yes | a guess | `"area.different" = true` |',
    ]


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
