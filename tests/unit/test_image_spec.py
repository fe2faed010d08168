"""Environments and the Dockerfiles made of them.

The golden files are written anew only when asked for: AMLEMU_WRITE_GOLDEN=1 pytest tests/unit/test_image_spec.py
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import pytest

from emulator.containers.spec import SCORING_PORT
from emulator.entities import Environment
from emulator.environments import ImageSpec, image_spec
from emulator.errors import BadArgument
from emulator.profiles import rows
from emulator.secret import Secret

GOLDEN = Path(__file__).parent / "golden"

ENVIRONMENTS = {
    "plain": Environment(
        name="plain",
        python_version="3.11",
        requirements=("azureml-inference-server-http==1.5.1", "scikit-learn"),
        source="samples/plain/conda.yml",
    ),
    "own_image": Environment(
        name="own_image",
        image="mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:20240101.v1",
        python_version="3.8",
        requirements=("azureml-defaults==1.36.0",),
        system_packages=("libgomp1", "ffmpeg"),
        variables={"PLAIN": "1", "AWKWARD": 'a "quoted" $HOME \\ value'},
    ),
}


def spec_of(environment: Environment, launcher: str = "print('launch')\n") -> ImageSpec:
    return image_spec(environment, launcher)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_dockerfile_is_as_it_was(name: str) -> None:
    golden = GOLDEN / f"{name}.Dockerfile"
    text = spec_of(ENVIRONMENTS[name]).dockerfile
    if os.environ.get("AMLEMU_WRITE_GOLDEN"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_a_base_image_follows_from_the_python_version() -> None:
    spec = spec_of(ENVIRONMENTS["plain"])
    assert spec.base_image == "python:3.11-slim-bookworm"
    assert spec.stand_in == "amlemu/python:3.11-slim-bookworm"


@pytest.mark.row("environment.base_image")
def test_a_named_image_is_the_base_image() -> None:
    spec = spec_of(ENVIRONMENTS["own_image"])
    assert spec.base_image == "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:20240101.v1"
    assert spec.stand_in == "amlemu/python:3.8-slim-bookworm"


@pytest.mark.parametrize(
    "change",
    [
        {"python_version": "3.12"},
        {"image": "ubuntu:22.04"},
        {"requirements": ("azureml-inference-server-http==1.5.1",)},
        {"system_packages": ("ffmpeg",)},
        {"variables": {"A": Secret("1")}},
    ],
    ids=lambda change: next(iter(change)),
)
@pytest.mark.row("environment.image_reuse")
def test_what_the_image_holds_changes_the_digest(change: dict[str, object]) -> None:
    plain = ENVIRONMENTS["plain"]
    assert spec_of(plain.model_copy(update=change)).digest != spec_of(plain).digest


def test_another_launcher_changes_the_digest() -> None:
    assert spec_of(ENVIRONMENTS["plain"], "a").digest != spec_of(ENVIRONMENTS["plain"], "b").digest


@pytest.mark.row("mlflow.script")
def test_the_script_of_mlflow_models_is_in_their_images_only() -> None:
    plain = ENVIRONMENTS["plain"]
    no_code = plain.model_copy(update={"no_code": "mlflow"})
    spec = image_spec(no_code, "launch", "score")
    name = PurePosixPath(fact("mlflow.script")).name
    assert f"\nCOPY {name} {fact('mlflow.script')}\n" in spec.dockerfile
    assert spec.files == {"launch.py": b"launch", name: b"score"}
    assert spec.digest != image_spec(no_code, "launch", "another").digest
    assert image_spec(plain, "launch", "score") == image_spec(plain, "launch", "another")
    assert name not in image_spec(plain, "launch", "score").dockerfile


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"version": "7"},
        {"source": "elsewhere.yml"},
        {"description": "text"},
        {"requirements": ("scikit-learn", "azureml-inference-server-http==1.5.1")},
    ],
    ids=lambda change: next(iter(change)),
)
@pytest.mark.row("environment.image_reuse")
def test_what_the_image_does_not_hold_leaves_the_digest(change: dict[str, object]) -> None:
    plain = ENVIRONMENTS["plain"]
    assert spec_of(plain.model_copy(update=change)).digest == spec_of(plain).digest


@pytest.mark.row("container.port", "container.user", "container.environment_folder")
@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_image_has_the_places_of_the_clouds(name: str) -> None:
    """What the last instruction of its kind says holds for the container."""
    lines = spec_of(ENVIRONMENTS[name]).dockerfile.splitlines()
    last = {line.split(maxsplit=1)[0]: line.split(maxsplit=1)[1] for line in lines if line and line[0].isupper()}
    folder = f"{fact('container.environment_folder')}/amlemu"
    assert last["EXPOSE"] == str(fact("container.port")) == str(SCORING_PORT)
    assert last["USER"] == "1000:1000"
    assert any(f"{fact('container.user')}:x:1000:1000:" in line for line in lines)
    assert last["ENTRYPOINT"].startswith(f'["{folder}/bin/python"')
    assert any(f"AZUREML_CONDA_ENVIRONMENT_PATH={folder} " in line for line in lines)


def fact(row_id: str) -> object:
    """The value that all targets have."""
    (row,) = (row for row in rows() if row.id == row_id)
    (value,) = {fact.value for fact in row.facts.values()}
    return value


def test_nothing_can_be_smuggled_into_the_dockerfile() -> None:
    plain = ENVIRONMENTS["plain"]
    multi_line = plain.model_copy(update={"source": "a\nRUN evil"})
    assert "\nRUN evil" not in spec_of(multi_line).dockerfile
    with pytest.raises(BadArgument, match="cannot be the name of an image"):
        spec_of(plain.model_copy(update={"image": "ubuntu\nRUN evil"}))
    with pytest.raises(BadArgument, match="'TWO' has a line break"):
        spec_of(plain.model_copy(update={"variables": {"TWO": Secret("lines\nRUN evil")}}))
    with pytest.raises(BadArgument, match="cannot be an environment variable"):
        spec_of(plain.model_copy(update={"variables": {"A=1\nRUN evil": Secret("x")}}))


def test_packages_of_the_system_are_quoted_for_the_shell() -> None:
    spec = spec_of(ENVIRONMENTS["plain"].model_copy(update={"system_packages": ("a; evil",)}))
    assert "'a; evil'" in spec.dockerfile
