"""What the process engine says of environments and containers that only Docker can run."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from engine_contract import container_spec, managed_layout, new_spec

from emulator.engines.packaging.python_packages import linux_platform, packaging_for, read_host_packaging
from emulator.engines.process.engine import ProcessEngine
from emulator.environments import AnyImageSpec, BuildContextSpec, ExistingImageSpec
from emulator.errors import EngineUnavailable

OTHER = "linux/arm64" if linux_platform().startswith("x86_64") else "linux/amd64"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[ProcessEngine]:
    engine = ProcessEngine(tmp_path / "process", "w", read_host_packaging(os.environ))
    engine.check()
    yield engine
    engine.close()


@pytest.mark.parametrize(
    "spec",
    [ExistingImageSpec("d" * 64, "nginx:1.25"), BuildContextSpec("d" * 64, "/context", "Dockerfile", "FROM scratch")],
)
def test_images_need_docker(engine: ProcessEngine, spec: AnyImageSpec) -> None:
    with pytest.raises(EngineUnavailable, match="neither run an image nor build a Dockerfile") as caught:
        engine.build_image(spec, print, threading.Event())
    assert "--engine docker" in caught.value.hint


def test_another_machines_packages_do_not_run_here(engine: ProcessEngine) -> None:
    with pytest.raises(EngineUnavailable, match=OTHER):
        engine.build_image(replace(new_spec("flask"), platform=OTHER), print, threading.Event())


def test_uv_is_not_taken_into_another_machines_image() -> None:
    packaging = read_host_packaging(os.environ)
    assert packaging_for(packaging, None, ()) is packaging
    assert packaging_for(packaging, OTHER, ()).uv_for_linux is None


def test_models_lie_in_one_place(engine: ProcessEngine, tmp_path: Path) -> None:
    spec = new_spec()
    engine.build_image(spec, print, threading.Event())
    mounted = container_spec(spec.digest, managed_layout(tmp_path / "layout"), model_mount="/models")
    with pytest.raises(EngineUnavailable, match="not at /models"):
        engine.start(mounted)
    assert engine.list_containers() == []
