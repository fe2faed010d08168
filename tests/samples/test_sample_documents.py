"""The samples' documents are read strictly, and answers are compared strictly: both must be able to fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from compare import check_contains, check_same
from sample import SAMPLES, read_sample, read_samples

GOOD = """
description: a sample
models: [{name: m, path: m.pkl}]
deploy: {models: ["m:1"], entry: score.py, target: managed, environment: null}
needs: []
heavy: false
requests: [{name: r, method: GET, path: /, expect: {status: 200}}]
"""


def test_every_sample_folder_has_a_document() -> None:
    folders = {path.name for path in SAMPLES.iterdir() if path.is_dir()}
    assert {sample.folder.name for sample in read_samples()} == folders


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("heavy: false", "heavy: false\nheavier: true", "heavier"),
        ("target: managed, ", "", "target"),
        ("status: 200", "status: 200, jason: 1", "jason"),
        ("requests: [{name: r, method: GET, path: /, expect: {status: 200}}]", "requests: []", "not both"),
    ],
)
def test_a_document_with_a_fault_is_refused(tmp_path: Path, old: str, new: str, named: str) -> None:
    file = tmp_path / "sample.yml"
    file.write_text(GOOD)
    assert read_sample(file).deploy.models == ("m:1",)
    file.write_text(GOOD.replace(old, new))
    with pytest.raises(ValueError, match=named):
        read_sample(file)


@pytest.mark.parametrize(
    ("check", "found", "expected"),
    [
        (check_same, {"a": [1.0, {"b": None}]}, {"a": [1.0 + 1e-9, {"b": None}]}),
        (check_contains, {"a": [{"b": 1, "c": 2}], "d": 3}, {"a": [{"b": 1}]}),
    ],
)
def test_what_is_the_same_passes(check: Callable[[Any, Any], None], found: Any, expected: Any) -> None:
    check(found, expected)


@pytest.mark.parametrize(
    ("check", "found", "expected"),
    [
        (check_same, {"a": 1, "b": 2}, {"a": 1}),
        (check_same, [1.0], [1.0001]),
        (check_same, [1], [1.0]),
        (check_same, [True], [1]),
        (check_same, "1", 1),
        (check_contains, {"a": [1, 2]}, {"a": [1]}),
        (check_contains, {"a": {"b": 1}}, {"a": {"c": 1}}),
        (check_contains, {"a": {"b": 1}}, {"a": {"b": 2}}),
    ],
)
def test_what_differs_fails(check: Callable[[Any, Any], None], found: Any, expected: Any) -> None:
    with pytest.raises(AssertionError, match=r"\$"):
        check(found, expected)
