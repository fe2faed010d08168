"""One emulator on the process engine for the tests that do not end it, and one endpoint that serves all along."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from amlemu_process import Environ, amlemu, temporary_environ
from projects import project


@pytest.fixture(scope="session")
def environ() -> Iterator[Environ]:
    """A shell for an emulator that lives as long as the session."""
    with temporary_environ() as environ:
        yield environ


@pytest.fixture(scope="session")
def steady(environ: Environ, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An endpoint that serves."""
    script = project(tmp_path_factory.mktemp("steady") / "steady")
    amlemu(environ, "deploy", "--entry", script)
    return "steady"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a test's code folder lies."""
    return tmp_path / "code"
