"""Curated environments from the command line: listed, shown, named by URI, and replaced by amlemu.toml."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from amlemu_process import Environ, amlemu, json_of, temporary_environ

SETTINGS = """
[curated_environments."sklearn-1.5"]
python_version = "3.11"
packages = ["azureml-inference-server-http"]
"""
URI = "azureml://registries/azureml/environments/sklearn-1.5/versions/34"


@pytest.fixture
def own() -> Iterator[Environ]:
    """A shell for an emulator of this test's own."""
    with temporary_environ() as environ:
        yield environ


def test_they_are_listed_shown_and_replaced(own: Environ, tmp_path: Path) -> None:
    assert "AzureML-sklearn-0.24-ubuntu18.04-py37-cpu" in amlemu(own, "environment", "list", "--curated").stdout
    shown = amlemu(own, "environment", "show", URI)
    assert shown.stdout.startswith("sklearn-1.5:34  Python 3.10\n")
    assert "is rebuilt from its published packages" in shown.stderr
    assert "python:3.10" in amlemu(own, "environment", "show", "AzureML-sklearn-1.5", "--dockerfile").stdout
    told = amlemu(own, "environment", "show", "sklearn-1.4", code=8).stderr
    assert "did you mean 'sklearn-1.5'?" in told
    assert "environment list --curated" in told
    # settings of a folder reach the emulator that is started from there, and only that one
    (tmp_path / "amlemu.toml").write_text(SETTINGS)
    told = amlemu(own, "environment", "show", URI, cwd=tmp_path).stderr
    assert "not in force: curated_environments = " in told
    amlemu(own, "down")
    replaced = json_of(own, "environment", "show", URI, cwd=tmp_path)
    assert (replaced["python_version"], replaced["requirements"]) == ("3.11", ["azureml-inference-server-http"])
    assert "curated environments of the settings: sklearn-1.5" in amlemu(own, "status").stderr
