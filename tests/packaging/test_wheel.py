"""The wheel: what is in it, and that it works on a machine without the clone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from amlemu_process import Environ, amlemu, temporary_environ
from uv import find_uv_bin

from emulator import __version__

CLONE = Path(__file__).resolve().parents[2]
SHIPPED = "emulator/_shipped"


def run_uv(*words: str | Path) -> None:
    """Run uv with this machine's packages, outside any project."""
    environ = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    done = subprocess.run([find_uv_bin(), *words], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"uv {' '.join(map(str, words))}\n{done.stderr}"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the clone, built by the build system that pyproject.toml names, which the dev group has."""
    folder = tmp_path_factory.mktemp("dist")
    run_uv("build", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder, CLONE)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def venv(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh virtual environment with the wheel and what it needs, and nothing of the clone."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    run_uv("venv", "--no-project", "--python", sys.executable, folder)
    run_uv("pip", "install", "--python", folder, wheel)
    return folder


@pytest.fixture
def environ() -> Iterator[Environ]:
    """A shell that does not know the clone."""
    with temporary_environ() as environ:
        Path(environ["AMLEMU_HOME"]).mkdir()
        yield {name: value for name, value in environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}


def test_the_wheel_holds_the_package_the_images_and_the_demo(wheel: Path) -> None:
    assert wheel.name == f"amlemu-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (points,) = (name for name in names if name.endswith(".dist-info/entry_points.txt"))
        assert "[pytest11]\namlemu = emulator.pytest_plugin" in archive.read(points).decode()
    modules = {path.relative_to(CLONE).as_posix() for path in (CLONE / "emulator").rglob("*.py")}
    assert modules - names == set()
    assert "emulator/py.typed" in names
    for folder in ("images/python", "images/scoring", "images/mlflow", "samples/two_models"):
        files = subprocess.run(["git", "ls-files", folder], cwd=CLONE, capture_output=True, text=True, check=True)
        assert {f"{SHIPPED}/{name}" for name in files.stdout.splitlines()} - names == set()
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_wheel_holds_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"emulator", "amlemu"}
    assert [name for name in names if "/tests/" in name or "__pycache__" in name or name.endswith(".pkl")] == []


def test_the_installed_program_answers(venv: Path, environ: Environ) -> None:
    installed = partial(amlemu, environ, program=[venv / "bin/amlemu"])
    assert "Commands:" in installed("--help").stdout
    assert __version__ in installed("--version").stdout
    where = "import emulator.system.package_files as s; print(s.shipped_folder('images/python'))"
    told = subprocess.run([venv / "bin/python", "-c", where], env=environ, cwd=venv, capture_output=True, check=True)
    images = Path(told.stdout.decode().strip())
    assert images.is_relative_to(venv)
    for program in ("build", "install-python", "rootfs"):
        assert os.access(images / program, os.X_OK) == os.access(CLONE / "images/python" / program, os.X_OK), program


def test_the_installed_program_does_the_main_job(venv: Path, environ: Environ, tmp_path: Path) -> None:
    """The demo is the four lines of the shipped sample's README, on models that it trains."""
    installed = partial(amlemu, environ, program=[venv / "bin/amlemu"])
    folder = tmp_path / "two_models"
    demo = installed("demo", folder)
    for line in (
        "$ amlemu model register --name my_first_model --path my_first_model.pkl",
        "$ amlemu model register --name my_second_model --path v2/my_second_model.pkl",
        "$ amlemu deploy --name two-models --model my_first_model:1 --model my_second_model:2 --entry score.py",
        "$ amlemu invoke two-models --data @request.json",
    ):
        assert line in demo.stderr
    assert '"my_second_model_is_a": "RandomForestRegressor"' in demo.stdout
    assert "405" in demo.stderr
    installed("delete", "two-models", "--yes")

    models = ("--model", "my_first_model:1", "--model", "my_second_model:2")
    installed("deploy", *models, "--entry", "score.py", cwd=folder)
    answer = json.loads(installed("invoke", "two-models", "--data", "@request.json", cwd=folder).stdout)
    assert answer["my_first_model"] == pytest.approx([205.48601048405718, 68.63424757845797])
    status = json.loads(installed("status", "-o", "json").stdout)
    assert (status["version"], status["engine"]) == (__version__, "process")
