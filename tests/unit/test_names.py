"""The name rules at their limits, and model references."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.entities import AssetReference, parse_model_reference
from emulator.errors import BadArgument
from emulator.names import (
    check_asset_name,
    check_deployment_name,
    check_endpoint_name,
    is_against_the_rule,
    legal_endpoint_name,
)

LETTERS = string.ascii_letters
ENDPOINT_NAMES = ["abc", "a-b", "A1b", "a" * 32, "a" + "-" * 30 + "b", "abC9"]
NO_ENDPOINT_NAMES = ["", "a", "ab", "a" * 33, "1bc", "-bc", "ab-", "a_", "a.b", "a b", "äbc", "abc\n", "a/b"]


@pytest.mark.parametrize("name", ENDPOINT_NAMES)
def test_names_of_endpoints_and_deployments(name: str) -> None:
    assert check_endpoint_name(name) == name
    assert check_deployment_name(name) == name


@pytest.mark.parametrize("name", NO_ENDPOINT_NAMES)
def test_invalid_endpoint_and_deployment_names(name: str) -> None:
    with pytest.raises(BadArgument):
        check_endpoint_name(name)
    with pytest.raises(BadArgument):
        check_deployment_name(name)


@pytest.mark.parametrize("name", ["a", "9", "a" * 255, "my_model.v2-x", "A-"])
@pytest.mark.row("registry.model_name")
def test_names_of_models(name: str) -> None:
    assert check_asset_name(name) == name


@pytest.mark.parametrize("name", ["", "a" * 256, "_a", ".a", "-a", "a/b", "..", "a b", "a:b", "é", "a\n"])
@pytest.mark.row("registry.model_name")
def test_invalid_model_names(name: str) -> None:
    with pytest.raises(BadArgument, match="cannot name a model"):
        check_asset_name(name)


def test_the_kind_has_its_article() -> None:
    with pytest.raises(BadArgument, match="cannot name an environment"):
        check_asset_name("/", "environment")


@given(st.text(max_size=60))
def test_any_folder_gets_a_legal_name(text: str) -> None:
    assert check_endpoint_name(legal_endpoint_name(text))


@given(st.from_regex(r"[a-z]([-a-z0-9]{1,30}[a-z0-9])", fullmatch=True).filter(lambda name: "--" not in name))
def test_a_legal_name_is_unchanged(name: str) -> None:
    assert legal_endpoint_name(name) == name


@given(st.text(alphabet=LETTERS + string.digits + "-_. ", max_size=34))
@pytest.mark.row("names.endpoint")
def test_the_rule_is_the_regular_expression_of_the_sdk(name: str) -> None:
    legal = 3 <= len(name) <= 32 and re.fullmatch(r"[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?", name)
    if legal:
        assert check_endpoint_name(name) == name
        assert not is_against_the_rule(name)
    elif re.fullmatch(r"[a-zA-Z][-_a-zA-Z0-9]{1,30}[a-zA-Z0-9]", name):
        assert is_against_the_rule(check_endpoint_name(name))  # as Microsoft's samples have them
    else:
        with pytest.raises(BadArgument):
            check_endpoint_name(name)


@pytest.mark.parametrize(
    ("text", "name", "version"),
    [
        ("m", "m", None),
        ("m@latest", "m", None),
        ("m:2", "m", "2"),
        ("azureml:m", "m", None),
        ("azureml:m:2", "m", "2"),
        ("azureml:m@latest", "m", None),
        ("m:2024.05.01-rc", "m", "2024.05.01-rc"),
    ],
)
def test_model_references(text: str, name: str, version: str | None) -> None:
    assert parse_model_reference(text) == AssetReference(kind="model", name=name, version=version)


@pytest.mark.parametrize(
    "text",
    ["", ":", "m:", "m@", "m@newest", "m:1@latest", "m@latest:1", "m:1:2", "m:" + "1" * 31, "azureml://registries/r/m",
     "a b", "../m", "m:../1", "azureml:"],
)  # fmt: skip
def test_invalid_model_references(text: str) -> None:
    with pytest.raises(BadArgument):
        parse_model_reference(text)


def test_a_reference_prints_as_it_is_written() -> None:
    assert str(parse_model_reference("azureml:m:2")) == "m:2"
    assert str(parse_model_reference("m")) == "m@latest"
