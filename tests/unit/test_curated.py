"""Curated environments: their table, how they are found, what settings may replace."""

from __future__ import annotations

import os
import re
import subprocess
from typing import Any

import pytest
from uv import find_uv_bin

from emulator.difference import texts
from emulator.environments import (
    CURATED,
    CuratedEnvironment,
    CuratedMisfit,
    curated_environment,
    curated_image,
    find_curated,
    image_spec,
    read_curated,
    with_curated,
)
from emulator.environments.files.requirements_file import check_requirement
from emulator.names import check_asset_name

by_name = pytest.mark.parametrize("curated", CURATED, ids=lambda curated: curated.name)


# the table


@by_name
def test_an_entry_can_be_built(curated: CuratedEnvironment) -> None:
    assert check_asset_name(curated.name, "environment") == curated.name
    assert [check_requirement(line) for line in curated.packages] == [None] * len(curated.packages)
    names = [re.split(r"[=<>~\[]", line)[0].lower() for line in curated.packages]
    assert len(names) == len(set(names)), "a package is there twice"
    servers = {"azureml-inference-server-http", "azureml-defaults"}
    assert servers & set(names), "nothing would serve"
    assert curated.python_version in image_spec(curated_environment(curated), "launcher").dockerfile


def test_names_and_images_are_unique() -> None:
    names = [curated.name.removeprefix("AzureML-") for curated in CURATED]
    assert len(names) == len(set(names)) >= 25
    images = [image for curated in CURATED for image in curated.images]
    assert len(images) == len(set(images))
    assert all(image.startswith("mcr.microsoft.com/azureml/") for image in images)


@by_name
@pytest.mark.slow
def test_an_entry_can_be_resolved(curated: CuratedEnvironment) -> None:
    """Every package is there for the Python, and none is years older than its image."""
    command = [find_uv_bin(), "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python-platform", "linux"]
    command += ["--python-version", curated.python_version, "-"]
    lines = "\n".join(curated.packages)
    done = subprocess.run(
        command, input=lines, text=True, capture_output=True, check=False, env=dict(os.environ), timeout=280
    )
    assert done.returncode == 0, done.stderr
    locked = dict(line.split("==") for line in done.stdout.splitlines() if "==" in line)
    assert locked["azureml-inference-server-http"]
    for package in {"azureml-core", "azureml-defaults"} & set(locked):
        minor = int(locked[package].split(".")[1])
        assert minor >= 50, f"the solver went back to {package} {locked[package]}"


# finding one


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("sklearn-1.5", "sklearn-1.5"),
        ("AzureML-sklearn-1.5", "sklearn-1.5"),
        ("AzureML-sklearn-0.24-ubuntu18.04-py37-cpu", "AzureML-sklearn-0.24-ubuntu18.04-py37-cpu"),
        ("sklearn-0.24-ubuntu18.04-py37-cpu", "AzureML-sklearn-0.24-ubuntu18.04-py37-cpu"),
        ("azureml-sklearn-1.5", None),
        ("Sklearn-1.5", None),
        ("sklearn", None),
        ("", None),
    ],
)
def test_by_name(name: str, found: str | None) -> None:
    curated = find_curated(name)
    assert (curated and curated.name) == found


@pytest.mark.parametrize(
    ("image", "found"),
    [
        ("mcr.microsoft.com/azureml/minimal-ubuntu20.04-py38-cpu-inference", "minimal-ubuntu20.04-py38-cpu-inference"),
        ("mcr.microsoft.com/azureml/minimal-ubuntu22.04-py39-cpu-inference:latest",
         "minimal-ubuntu22.04-py39-cpu-inference"),
        ("mcr.microsoft.com/azureml/curated/sklearn-1.5:34", "sklearn-1.5"),
        ("mcr.microsoft.com/azureml/curated/sklearn-1.5@sha256:" + "0" * 64, "sklearn-1.5"),
        ("mcr.microsoft.com/azureml/curated/sklearn-1.5:34@sha256:" + "0" * 64, "sklearn-1.5"),
        ("mcr.microsoft.com/azureml/sklearn-0.24.1-ubuntu18.04-py37-cpu-inference:latest",
         "AzureML-sklearn-0.24.1-ubuntu18.04-py37-cpu-inference"),
        ("mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:latest", None),
        ("example.com/azureml/curated/sklearn-1.5:34", None),
        ("sklearn-1.5", None),
        ("", None),
    ],
)  # fmt: skip
def test_by_image(image: str, found: str | None) -> None:
    curated = curated_image(image)
    assert (curated and curated.name) == found


def test_an_environment_says_what_stands_in() -> None:
    curated = CuratedEnvironment("AzureML-x", "3.8", ("numpy==1.21", "flask"), left_out=("CUDA", "OpenMPI"))
    environment = curated_environment(curated, "12")
    assert (environment.id, environment.python_version) == ("AzureML-x:12", "3.8")
    assert environment.requirements == ("numpy==1.21", "flask")
    assert texts(environment.differences) == (
        "the curated environment AzureML-x, of whatever version, is rebuilt from its published packages:"
        " Python 3.8, numpy==1.21, flask; left out: CUDA, OpenMPI",
    )
    assert curated_environment(curated).id == "AzureML-x@latest", "no version is made up"


# settings


def test_settings_extend_and_replace() -> None:
    given = {
        "AzureML-sklearn-1.5": {"python_version": "3.11", "packages": ["azureml-inference-server-http", "numpy<2"]},
        "ours": {"python_version": "3.9", "packages": []},
    }
    entries, misfits = read_curated(given)
    assert misfits == []
    table = with_curated(entries)
    assert len(table) == len(CURATED) + 1
    replaced = find_curated("sklearn-1.5", table)
    assert replaced is not None
    assert (replaced.name, replaced.python_version, replaced.packages[-1]) == ("AzureML-sklearn-1.5", "3.11", "numpy<2")
    assert curated_image("mcr.microsoft.com/azureml/curated/sklearn-1.5:1", table) == replaced
    assert (
        "is rebuilt from its packages in the settings: Python 3.11"
        in texts(curated_environment(replaced).differences)[0]
    )
    assert find_curated("AzureML-ours", table) == entries[1]
    assert with_curated(()) == CURATED


@pytest.mark.parametrize(
    ("given", "misfits"),
    [
        ("x", [CuratedMisfit("must be a table of environments")]),
        ({"e": 3}, [CuratedMisfit("must be a table of python_version and packages", "e")]),
        (
            {"e": {}},
            [CuratedMisfit("is missing", "e", "python_version"), CuratedMisfit("is missing", "e", "packages")],
        ),
        (
            {"a b": {"python_version": "3.9", "packages": []}},
            [
                CuratedMisfit(
                    "'a b' cannot name an environment:"
                    " 1 to 255 letters, digits, '-', '_' or '.', the first a letter or a digit",
                    "a b",
                )
            ],
        ),
        (
            {"e": {"python_version": 3.1, "packages": "numpy", "package": []}},
            [
                CuratedMisfit("is no field, did you mean 'packages'?", "e", "package"),
                CuratedMisfit('must be a text such as "3.9", not 3.1', "e", "python_version"),
                CuratedMisfit("must be a list of pip requirement lines", "e", "packages"),
            ],
        ),
        (
            {"e": {"python_version": "2.7", "packages": ["numpy=1"]}},
            [
                CuratedMisfit("must be a text such as \"3.9\", not '2.7'", "e", "python_version"),
                CuratedMisfit("pip writes 'numpy==1': one '=' is conda's", "e", "packages"),
            ],
        ),
        (
            {"sklearn-1": {"5": {"python_version": "3.9"}}},
            [
                CuratedMisfit(
                    'a name with a dot needs quotation marks: [curated_environments."sklearn-1.5"]', "sklearn-1", "5"
                )
            ],
        ),
        ({"e": {"python_version": "3.9", "packages": [1]}},
         [CuratedMisfit("must be a list of pip requirement lines", "e", "packages")]),
    ],
)  # fmt: skip
def test_bad_settings(given: Any, misfits: list[CuratedMisfit]) -> None:
    assert read_curated(given) == ((), misfits)
