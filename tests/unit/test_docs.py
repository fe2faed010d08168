"""The pages of docs/ and the root: what they list is complete, and what they point at exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emulator.cli import COMMANDS
from emulator.cli.failures import EXIT_CODES
from emulator.cli.near_verbs import near_command
from emulator.control_api.statuses import STATUSES
from emulator.diagnosis import steps
from emulator.errors import all_error_classes

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
TROUBLESHOOTING = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
FROM_AZ_ML = (DOCS / "from-az-ml.md").read_text(encoding="utf-8")
# Where names of files in backticks begin.
_ROOTS = (ROOT, ROOT / "emulator", ROOT / "tests", DOCS)
_FILE = re.compile(r"`((?:emulator|tests|images|benchmarks|docs|\w+)/[\w./-]+\.(?:py|md|yml|toml))`")
_TELLS_WHAT_WAS = {"CHANGELOG.md"}


def anchor(heading: str) -> str:
    """The fragment by which a heading is linked to."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def headings(page: Path) -> set[str]:
    return {anchor(line.lstrip("# ")) for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("#")}


def test_every_error_code_has_a_heading_with_its_exit_code_and_status() -> None:
    told = dict(re.findall(r"^### (\w+)\n\n\*(exit \d+, HTTP \d+)\.\*", TROUBLESHOOTING, re.MULTILINE))
    codes = {cls.code: f"exit {EXIT_CODES[cls]}, HTTP {STATUSES[cls]}" for cls in all_error_classes()}
    assert told == codes


# The heading for what each rule of a diagnosis says.
HEADINGS_OF_RULES = {
    "_server": "The scoring server is missing",
    "_identity": "A managed identity",
    "_variable": "A variable that is not set",
    "_function": "No init() or run()",
    "_arguments": "Wrong parameters",
    "_decorator": "Wrong parameters",
    "_returned": "A result that is no JSON",
    "_syntax": "Syntax errors",
    "_text_for_json": "A body that is not what run() reads",
    "_class_gone": "A model that cannot be loaded",
    "_pickle": "A model that cannot be loaded",
    "import_step": "A module that cannot be imported",
    "_read_only": "A read-only path",
    "path_step": "A path that does not exist",
    "_name": "A name or attribute that does not exist",
    "_attribute": "A name or attribute that does not exist",
    "_ended": "The script ends the process",
    "_network": "A network that does not answer",
    "_cuda": "A model that cannot be loaded",
}


def test_every_rule_of_a_diagnosis_has_a_heading() -> None:
    assert {rule.__name__ for rule in steps._RULES} == HEADINGS_OF_RULES.keys()
    told = set(re.findall(r"^### (.+)$", TROUBLESHOOTING, re.MULTILINE))
    assert set(HEADINGS_OF_RULES.values()) <= told


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\((?!https?://)([^)\s]+)\)", text):
        file, _, fragment = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        assert there.exists(), f"{page.name}: {target}"
        assert not fragment or fragment in headings(there), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_are_named_exist(page: Path) -> None:
    named = set(_FILE.findall(page.read_text(encoding="utf-8")))
    missing = {name for name in named if not any((root / name).exists() for root in _ROOTS)}
    assert missing == set() or page.name in _TELLS_WHAT_WAS


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 100


def test_verbs_of_az_ml_are_those_that_the_command_line_points_at() -> None:
    pairs = re.findall(r"^\| `az (ml [\w -]+?)(?: -[^`]*)?` \| `(amlemu [^`]+)`", FROM_AZ_ML, re.MULTILINE)
    assert len(pairs) >= 10
    for words, ours in pairs:
        assert ours.startswith(near_command(words.split(), COMMANDS).partition(",")[0]), words
