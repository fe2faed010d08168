"""One emulator for each engine, started when it is first asked for."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
from amlemu_process import Environ, temporary_environ

_BUILD_IMAGES = Path(__file__).resolve().parents[2] / "images/python/build"
_PYTHONS = ("3.8", "3.11")
_OF_DOCKERFILE = "python:3.11-slim-bookworm"


@pytest.fixture(scope="session")
def shell_of() -> Iterator[Callable[[str], Environ]]:
    """A shell for the one emulator of an engine."""
    with ExitStack() as stack:

        @cache
        def environ(engine: str) -> Environ:
            return stack.enter_context(temporary_environ(engine, **(_of_docker() if engine == "docker" else {})))

        yield environ


def _of_docker() -> dict[str, str]:
    """Sees to base images; what stands for that of the Dockerfile where it cannot be had."""
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no Docker Engine answers")
    done = subprocess.run([_BUILD_IMAGES, *_PYTHONS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    look = ["docker", "image", "inspect", _OF_DOCKERFILE]
    if subprocess.run(look, capture_output=True, check=False).returncode == 0:
        return {}
    return {"AMLEMU_BASE_IMAGES": f"{_OF_DOCKERFILE}=amlemu/{_OF_DOCKERFILE}"}
