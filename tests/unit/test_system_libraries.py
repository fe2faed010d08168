"""Libraries of the system for packages of PyPI, in images that amlemu makes."""

from __future__ import annotations

import pytest

from emulator.difference import Difference, texts
from emulator.entities import Environment
from emulator.environments import ContextContent, ImageChoices, ImageSpec, select_spec
from emulator.environments.system_libraries import system_libraries

TOLD = (
    "package lightgbm needs libgomp1 of the system, as the cloud's images have it: an image that lacks it gets Debian's"
)


def made(*requirements: str, **fields: object) -> tuple[ImageSpec, tuple[Difference, ...]]:
    environment = Environment(name="e", python_version="3.11", requirements=requirements).model_copy(update=fields)
    spec, told = select_spec(environment, "launch", ImageChoices(), lambda _: ContextContent("", ""))
    assert isinstance(spec, ImageSpec)
    return spec, told


@pytest.mark.parametrize("line", ["lightgbm", "LightGBM[dask]==4.6.0", "lightgbm @ https://host/lightgbm.whl"])
def test_a_package_that_needs_one_gets_it_and_says_so(line: str) -> None:
    spec, told = made("azureml-inference-server-http", line)
    assert (spec.system_packages, texts(told)) == (("libgomp1",), (TOLD,))
    assert "! dpkg -s libgomp1" in spec.dockerfile
    assert "apt-get" in spec.dockerfile.partition("dpkg -s libgomp1")[2]
    assert spec.dockerfile.index("dpkg -s libgomp1") < spec.dockerfile.index("pip install")


@pytest.mark.parametrize(
    "line", ["xgboost==0.90", "xgboost~=1.2.0", "xgboost<1.3", "xgboost>=0.80,<=1.2.1", "xgboost==1.2.*"]
)
def test_versions_that_do_not_bundle_the_library_get_it(line: str) -> None:
    assert system_libraries([line]) == {"xgboost": ("libgomp1",)}


@pytest.mark.parametrize(
    "line", ["xgboost", "xgboost==1.3.3", "xgboost~=1.7.6", "xgboost>=0.90", "xgboost<2", "xgboost!=1.0"]
)
def test_versions_that_bundle_the_library_get_nothing(line: str) -> None:
    assert system_libraries([line]) == {}


@pytest.mark.parametrize("line", ["lightgbmlike", "scikit-learn", "--pre"])
def test_others_get_nothing(line: str) -> None:
    spec, told = made(line)
    assert (spec.system_packages, told) == ((), ())
    assert "apt-get" not in spec.dockerfile


def test_what_is_named_already_is_installed_once() -> None:
    spec, _ = made("lightgbm", system_packages=("libgomp1",))
    assert spec.system_packages == ("libgomp1",)
    assert "dpkg -s" not in spec.dockerfile


def test_packages_of_conda_bring_it_along() -> None:
    spec, told = made("lightgbm", channels=("conda-forge",), conda_dependencies=("numpy",))
    assert (spec.system_packages, told) == ((), ())


def test_the_digest_knows_it() -> None:
    without, _ = made("lightgbm", channels=("conda-forge",), conda_dependencies=("numpy",))
    assert len({made("lightgbm")[0].digest, made("scikit-learn")[0].digest, without.digest}) == 3


def test_each_package_is_named_once() -> None:
    assert system_libraries(["lightgbm>=4", "lightgbm<5", "pandas"]) == {"lightgbm": ("libgomp1",)}
