"""Where conda packages come from: their channels, or PyPI where those do not answer."""

from __future__ import annotations

import pytest
from core_support import House, Said

from emulator.difference import texts
from emulator.entities import Environment, OnlineDeployment
from emulator.errors import BadDocument

CONDA = "channels: [conda-forge]\ndependencies: [python=3.9, numpy=1.23, {pip: [azureml-inference-server-http]}]\n"
FORGE = ("https://conda.anaconda.org/conda-forge",)


def deploy(house: House, conda: str | None = None, text: str = CONDA) -> OnlineDeployment:
    (house.code / "conda.yml").write_text(text)
    return house.deploy(conda=conda)


def from_pypi(deployment: OnlineDeployment) -> list[str]:
    return [text for text in texts(deployment.differences) if "resolved from PyPI" in text]


def test_channels_that_answer_are_used(house: House) -> None:
    deployed = deploy(house)
    assert house.asked_channels == [FORGE]
    conda = house.engine.builds[-1].conda
    assert conda and (conda.channels, conda.dependencies) == (FORGE, ("python=3.9", "numpy=1.23"))
    assert house.engine.builds[-1].requirements == ("azureml-inference-server-http",)
    assert from_pypi(deployed) == []


def test_pypi_replaces_unreachable_channels_with_a_difference(house: House) -> None:
    house.unreachable = "conda-forge: no answer within 2 s"
    (told,) = from_pypi(deploy(house))
    assert "conda-forge: no answer within 2 s" in told
    assert told.endswith(": numpy")
    assert house.engine.builds[-1].conda is None
    assert house.engine.builds[-1].requirements == ("numpy==1.23.*", "setuptools<81", "azureml-inference-server-http")


def test_a_built_image_is_reused_without_a_network_check(house: House) -> None:
    house.unreachable = "no network"
    first = deploy(house)
    house.unreachable = ""
    second = deploy(house)
    assert second.image == first.image
    assert len(house.asked_channels) == 1
    assert from_pypi(second), "it is still PyPI's, and says so"
    third = deploy(house, conda="channels")
    assert third.image != first.image
    assert deploy(house).image == third.image, "what channels have given is preferred"
    assert len(house.asked_channels) == 1


def test_ignored_conda_entries_are_reported_by_a_deploy(house: House) -> None:
    """It may be the reason why the server is not there."""
    said = Said()
    (house.code / "conda.yml").write_text("dependencies:\n- {pip: [azureml-inference-server-http]}\n- {pip: [numpy]}\n")
    deployed = house.deploy(said=said)
    told = "conda.yml:2: of several pip sections conda takes the last"
    assert any(text.startswith(told) for text in texts(deployed.differences))
    assert any(told in str(text) for text in said.lines)


def test_requested_channels_are_not_replaced(house: House) -> None:
    house.unreachable = "no network"
    deploy(house, conda="channels")
    assert house.asked_channels == []
    assert house.engine.builds[-1].conda


def test_pip_checks_no_channel(house: House) -> None:
    assert from_pypi(deploy(house, conda="pip"))
    assert house.asked_channels == []


def test_what_pip_cannot_express_is_refused_only_if_pip_is_needed(house: House) -> None:
    text = "dependencies: [python=3.9, 'numpy=1.23|1.24']\n"
    deploy(house, text=text)
    with pytest.raises(BadDocument) as caught:
        deploy(house, conda="pip", text=text)
    (fault,) = caught.value.faults
    assert fault.message == "'numpy=1.23|1.24' gives a choice with '|', which pip has not: name one version"
    assert fault.where == "conda.yml"


def test_a_choice_that_is_none(house: House) -> None:
    with pytest.raises(BadDocument, match="conda"):
        deploy(house, conda="mamba")


def test_environments_of_earlier_releases_are_as_they_were(house: House) -> None:
    stored = {"name": "old", "version": "1", "python_version": "3.9", "requirements": ["numpy==1.23.*"],
              "differences": ["conda packages are resolved from PyPI, not from conda channels: numpy"]}  # fmt: skip
    environment = Environment.model_validate(stored)
    assert house.workspace.environments.decided(environment) == environment
    assert house.asked_channels == []
