"""One emulator for each engine, and each sample trained once."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
from amlemu_process import Environ, temporary_environ
from sample import Sample, read_samples, training_environment
from sample_run import train

_BUILD_IMAGES = Path(__file__).resolve().parents[2] / "images/python/build"

Shell = Callable[[str], Environ]
Trained = Callable[[Sample], Path]


@pytest.fixture(scope="session")
def shell() -> Iterator[Shell]:
    """A shell for the one emulator of an engine; both are started when they are first asked for."""
    with ExitStack() as stack:

        @cache
        def environ(engine: str) -> Environ:
            if engine == "docker":
                _provide_base_images()
            return stack.enter_context(temporary_environ(engine, **_stand_ins(engine)))

        yield environ


def _provide_base_images() -> None:
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no Docker Engine answers")
    versions = set(filter(None, (training_environment(sample.folder)[0] for sample in read_samples())))
    done = subprocess.run([_BUILD_IMAGES, *sorted(versions)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _stand_ins(engine: str) -> dict[str, str]:
    """What stands for images of the samples' Dockerfiles where no registry answers."""
    look = ["docker", "image", "inspect", "amlemu/debian:bookworm-slim"]
    if engine != "docker" or subprocess.run(look, capture_output=True, check=False).returncode != 0:
        return {}
    return {"AMLEMU_BASE_IMAGES": "debian:bookworm-slim=amlemu/debian:bookworm-slim"}


@pytest.fixture(scope="session")
def trained() -> Iterator[Trained]:
    """The trained copy of a sample's folder, which its documents and the engines share."""
    with tempfile.TemporaryDirectory(prefix="amlemu-samples-") as parent:
        folders: dict[Path, Path] = {}

        def of(sample: Sample) -> Path:
            if sample.folder not in folders:
                folders[sample.folder] = train(sample, Path(parent))
            return folders[sample.folder]

        yield of
