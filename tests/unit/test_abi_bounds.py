"""numpy 2 is kept away from what was built before it, where conda's own metadata would."""

from __future__ import annotations

import json

import pytest

from emulator.difference import texts
from emulator.environments import from_pypi, read_environment
from emulator.environments.abi_bounds import NUMPY_2_SINCE, numpy_bound


@pytest.mark.parametrize(
    "requirement",
    [
        "scikit-learn==1.2.2",
        "scikit_learn==1.2.*",
        "scikit-learn~=1.3.0",
        "scikit-learn<1.4",
        "scikit-learn>=1,<=1.4.1",
    ],
)
def test_what_predates_numpy_2_is_bound(requirement: str) -> None:
    bound, why = numpy_bound([requirement, "six"], [])
    assert bound == "numpy<2"
    assert "were" not in why and "was built for numpy 1" in why


@pytest.mark.parametrize(
    "requirement",
    ["scikit-learn", "scikit-learn>=1.2", "scikit-learn==1.4.2", "scikit-learn==1.4.*", "scikit-learn~=1.2",
     "scikit-learn==1.5.0", "scikit-learn!=1.2.2", "scikit-learn<2", "six==1.0"],
)  # fmt: skip
def test_what_may_be_newer_is_not(requirement: str) -> None:
    assert numpy_bound([requirement], []) == ("", "")


@pytest.mark.parametrize("numpy", ["numpy==1.23.*", "numpy<2", "numpy>=1.2,<1.27"])
def test_a_numpy_of_the_users_own_stays(numpy: str) -> None:
    assert numpy_bound(["pandas==1.5.3", numpy], []) == ("", "")
    assert numpy_bound(["pandas==1.5.3"], [numpy, "--pre"]) == ("", "")


@pytest.mark.parametrize("numpy", ["numpy", "numpy>=1.20"])
def test_a_numpy_without_an_end_is_bound(numpy: str) -> None:
    assert numpy_bound(["pandas==1.5.3", numpy], [])[0] == "numpy<2"


@pytest.mark.parametrize("name", NUMPY_2_SINCE)
def test_every_rule_ends_with_its_version(name: str) -> None:
    first = NUMPY_2_SINCE[name]
    assert numpy_bound([f"{name}<{first}"], [])[0] == "numpy<2"
    assert numpy_bound([f"{name}=={first}"], [])[0] == ""


def test_the_bound_is_a_difference_and_pips_own_section_is_pips() -> None:
    def of(dependencies: list[object]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        found = from_pypi(read_environment(json.dumps({"dependencies": dependencies}), "c.yml", lambda name: name))
        return found.requirements, texts(found.differences)

    requirements, differences = of(["scikit-learn=1.2.2", {"pip": ["six"]}])
    assert requirements == ("scikit-learn==1.2.2.*", "numpy<2", "setuptools<81", "six")
    assert any("numpy is held below 2" in text and "scikit-learn" in text for text in differences)
    assert of(["python=3.9", {"pip": ["scikit-learn==1.2.2"]}])[0] == ("setuptools<81", "scikit-learn==1.2.2")
