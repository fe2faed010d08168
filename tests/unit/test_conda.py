"""conda files as pip sees them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.entities import Environment
from emulator.environments import from_pypi, read_environment
from emulator.environments.conda_spec import pip_version
from emulator.environments.requirements import check_requirement
from emulator.errors import BadDocument
from emulator.secret import revealed


def read(*dependencies: object, **keys: Any) -> Environment:
    """The environment of a conda file; JSON is YAML."""
    text = json.dumps({"dependencies": dependencies, **keys}, indent=1)
    return read_environment(text, "conda.yml", lambda name: name)


def conda(*dependencies: object, **keys: Any) -> Environment:
    """The same with PyPI's packages in place of conda's."""
    return from_pypi(read(*dependencies, **keys))


@pytest.mark.parametrize(
    ("spec", "requirement"),
    [
        ("numpy", "numpy"),
        ("NumPy=1.23", "numpy==1.23.*"),
        ("numpy=1.23.*", "numpy==1.23.*"),
        ("numpy=1.23*", "numpy==1.23.*"),
        ("numpy==1.23.5", "numpy==1.23.5"),
        ("numpy=1.23.5=py38h1_0", "numpy==1.23.5"),
        ("numpy==1.23.5=py38h1_0", "numpy==1.23.5"),
        ("numpy 1.23.5 py38h1_0", "numpy==1.23.5"),
        ("numpy 1.23.5", "numpy==1.23.5"),
        ("numpy 1.23.*", "numpy==1.23.*"),
        ("numpy=1.23.*=*_cpu", "numpy==1.23.*"),
        ("numpy>=1.2,<2", "numpy>=1.2,<2"),
        ("numpy >=1.2, <2", "numpy>=1.2,<2"),
        ("numpy>=1.2.*", "numpy>=1.2"),
        ("numpy~=1.2", "numpy~=1.2"),
        ("numpy!=1.2.1", "numpy!=1.2.1"),
        ("numpy *", "numpy"),
        ("numpy=*", "numpy"),
        ("numpy[version='>=1.2,<2']", "numpy>=1.2,<2"),
        ('numpy[version="1.2",build=py38_0]', "numpy==1.2"),
        ("conda-forge::numpy=1.23", "numpy==1.23.*"),
        ("conda-forge/linux-64::numpy", "numpy"),
        ("pytorch=1.13", "torch==1.13.*"),
        ("py-xgboost", "xgboost"),
        ("onnx-runtime>=1.15", "onnxruntime>=1.15"),
        ("ruamel.yaml", "ruamel.yaml"),
    ],
)
def test_a_package_in_pips_spelling(spec: str, requirement: str) -> None:
    environment = conda(spec)
    assert environment.requirements == (requirement,)
    assert check_requirement(requirement) is None
    assert environment.differences[0].startswith("conda packages are resolved from PyPI")


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("numpy=>1.2", "conda writes 'numpy>=1.2', not '=>'"),
        ("numpy =<1.2", "conda writes 'numpy<=1.2', not '=<'"),
        ("uvicorn[standard]", "asks for an extra of pip's, which conda has not: move it to the pip section"),
        ("numpy; python_version<'3.9'", "has a condition of pip's (';'), which conda has not: move it"),
        ("", "'' is not a conda package: name, name=version or name>=version"),
        ("https://host/numpy.conda", "'https://host/numpy.conda' is not a conda package"),
        ({"numpy": "1.2"}, "is not a conda package"),
        ({"pip": ["x"], "conda": []}, "is not a conda package"),
        (1.5, "'1.5' is not a conda package"),
        (None, "'None' is not a conda package"),
        ("python=2.7", "'python=2.7' must name a version of Python 3, as in python=3.11"),
        ("python=four", "must name a version of Python 3"),
        ({"pip": "numpy"}, "must be a list of requirements"),
        ({"pip": None}, "must be a list of requirements"),
        ({"pip": ["numpy=1.2"]}, "pip writes 'numpy==1.2': one '=' is conda's"),
    ],
)
def test_a_bad_package_is_explained_with_its_place(spec: object, told: str) -> None:
    with pytest.raises(BadDocument) as caught:
        conda("scipy", spec)
    (fault,) = caught.value.faults
    assert told in fault.message
    assert fault.where.startswith("conda.yml:")
    assert fault.field.startswith("dependencies[1]")


@pytest.mark.parametrize(
    ("spec", "version"),
    [
        ("python", "3.11"),
        ("python=3.8", "3.8"),
        ("python==3.9.16", "3.9"),
        ("python 3.10", "3.10"),
        ("python=3.8.13=h1_0", "3.8"),
        ("python=3.10.*", "3.10"),
        ("conda-forge::python=3.12", "3.12"),
    ],
)
@pytest.mark.row("environment.python_version")
def test_the_python_that_is_named(spec: str, version: str) -> None:
    environment = conda(spec)
    assert environment.python_version == version
    assert environment.differences == ()


@pytest.mark.parametrize(
    ("spec", "version"),
    [
        ("python>=3.8", "3.11"),
        ("python>=3.8,<3.10", "3.9"),
        ("python<3.12", "3.11"),
        ("python<3.11", "3.10"),
        ("python<=3.10", "3.10"),
        ("python>3.8,<3.9", "3.8"),
        ("python=3", "3.11"),
        ("python[version='>=3.9,<3.10']", "3.9"),
    ],
)
def test_a_range_of_pythons_is_resolved_and_said(spec: str, version: str) -> None:
    environment = conda(spec)
    assert environment.python_version == version
    assert any(f"is Python {version} here" in text for text in environment.differences)


def test_without_a_python_there_is_a_default() -> None:
    assert conda("numpy").python_version == "3.11"


def test_what_is_not_python_comes_from_debian_or_is_left_out() -> None:
    environment = conda("openjdk=11", "gcc", "openjdk", "mkl", "cudatoolkit=11.3", "pip=22", "libgomp")
    assert environment.requirements == ()
    assert environment.system_packages == ("default-jre-headless", "gcc", "libc6-dev")
    (told,) = environment.differences
    for text in ("openjdk → Debian's default-jre-headless", "mkl → left out", "cudatoolkit → left out"):
        assert text in told
    assert "pip " not in told


def test_the_pip_section() -> None:
    requirements = ["azureml-defaults==1.36.0", "--extra-index-url https://host/simple", "x[y]>=1; python_version>'3'"]
    environment = conda("python=3.8", "pip", {"pip": requirements})
    assert environment.requirements == tuple(requirements)
    assert environment.differences == (), "nothing of it came from a conda channel"


def test_variables_are_texts() -> None:
    variables = conda(variables={"A": 1, "B": "x y", "C": True}).variables
    assert revealed(variables) == {"A": "1", "B": "x y", "C": "True"}


@pytest.mark.parametrize("variables", [["A=1"], "A=1", {"A": None}, {"A": {"B": "C"}}])
def test_variables_of_another_shape_are_refused(variables: object) -> None:
    with pytest.raises(BadDocument):
        conda(variables=variables)


def test_every_fault_of_the_file_is_told() -> None:
    with pytest.raises(BadDocument) as caught:
        conda("numpy=>1", {"pip": ["-e ."]}, chanels=[], variables=[])
    assert [fault.field for fault in caught.value.faults] == [
        "chanels",
        "dependencies[0]",
        "dependencies[1].pip[0]",
        "variables",
    ]
    assert "did you mean 'channels'?" in caught.value.faults[0].message


def test_an_empty_environment() -> None:
    environment = read_environment("name: x\ndependencies:\n", "conda.yml", lambda name: name)
    assert (environment.name, environment.requirements, environment.differences) == ("x", (), ())


@given(st.text(alphabet="=<>!~*,. 0123456789abpy_|", max_size=20))
def test_no_condition_breaks_the_translation(version: str) -> None:
    check_requirement("numpy" + pip_version(version.strip()))
