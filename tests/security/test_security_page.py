"""docs/security.md names tests that exist, and leaves out no file of hostile tests."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs/security.md").read_text(encoding="utf-8")
_PROOF = re.compile(r"`(?P<file>(?:\w+/)?test_\w+\.py)`(?::(?P<tests>(?: `test_\w+`,?)+))?")


def proofs() -> list[tuple[Path, str]]:
    """Each test that the page names, with its file."""
    found = []
    for match in _PROOF.finditer(PAGE):
        name = match["file"]
        file = TESTS / name if "/" in name else TESTS / "security" / name
        found += [(file, test) for test in re.findall(r"test_\w+", match["tests"] or "")]
    return found


def test_every_test_that_is_named_exists() -> None:
    functions: dict[Path, set[str]] = {}
    for file, _ in proofs():
        tree = ast.parse(file.read_text(encoding="utf-8"))
        functions[file] = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert len(proofs()) > 100
    assert [(file.name, test) for file, test in proofs() if test not in functions[file]] == []


def test_every_file_of_hostile_tests_is_named() -> None:
    files = {file.name for file in (TESTS / "security").glob("test_*.py")}
    assert sorted(files - set(re.findall(r"test_\w+\.py", PAGE))) == []
