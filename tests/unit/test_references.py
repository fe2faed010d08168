"""References to models and environments, in every form that Azure ML's SDK and CLI take."""

from __future__ import annotations

import pytest

from emulator.entities import AssetKind, AssetReference, not_found, parse_reference
from emulator.errors import BadArgument

GROUP = "subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g"
PROVIDER = f"{GROUP}/providers/Microsoft.MachineLearningServices"


@pytest.mark.row("registry.references")
@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("m", None),
        ("m:2", "2"),
        ("m@latest", None),
        ("azureml:m:2", "2"),
        ("azureml:m@latest", None),
        (f"/{PROVIDER}/workspaces/w/models/m/versions/2", "2"),
        (f"/{PROVIDER}/workspaces/w/models/m/labels/latest", None),
        (f"azureml:/{PROVIDER}/workspaces/w/models/m/versions/2", "2"),
        (f"azureml://{PROVIDER}/workspaces/w/models/m/versions/2", "2"),
        (f"azureml://{GROUP}/workspaces/w/models/m/versions/2", "2"),
        (f"azureml://{GROUP.replace('resourceGroups', 'resourcegroups')}/workspaces/w/models/m/versions/2", "2"),
        ("azureml://resourcegroups/g/workspaces/w/models/m/versions/2", "2"),
        ("azureml://locations/westeurope/workspaces/w/models/m/versions/2", "2"),
        ("azureml://models/m/versions/2", "2"),
    ],
)
def test_of_the_workspace(text: str, version: str | None) -> None:
    assert parse_reference(text, "model") == AssetReference(kind="model", name="m", version=version)
    as_environment = parse_reference(text.replace("/models/", "/environments/"), "environment")
    assert as_environment == AssetReference(kind="environment", name="m", version=version)


@pytest.mark.parametrize("kind", ["model", "environment"])
@pytest.mark.parametrize("prefix", ["azureml://", f"/{PROVIDER}/", f"azureml:/{PROVIDER}/"])
def test_of_a_registry(kind: AssetKind, prefix: str) -> None:
    by_version = parse_reference(f"{prefix}registries/shared/{kind}s/m/versions/2", kind)
    assert by_version == AssetReference(kind=kind, name="m", version="2", registry="shared")
    (difference,) = by_version.differences
    told = f"the {kind} m:2 is taken from the local workspace; the cloud takes it from registry 'shared'"
    assert difference.text == told
    latest = parse_reference(f"{prefix}registries/shared/{kind}s/m/labels/latest", kind)
    assert (latest.version, latest.registry) == (None, "shared")
    assert parse_reference("m:2", kind).differences == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("azureml://registries/r/models/m", "does not say which version"),
        ("azureml://registries/r/models/m/versions/", "does not say which version"),
        ("azureml://registries/r/models/m/versions/1/2", "does not say which version"),
        ("azureml://registries/r/models/m/labels/newest", "the only label of a model is latest"),
        ("azureml://registries/r/models/m/versions/latest", "'latest' cannot be a version"),
        ("azureml://registries/r/models/m/versions/a b", "cannot be a version"),
        ("azureml://registries/r/models/-m/versions/1", "cannot name a model"),
        ("azureml://registries/r/environments/e/versions/1", "is among the environments: it does not name a model"),
        ("azureml://registries/r/data/d/versions/1", "does not name a model"),
        ("azureml://registries//models/m/versions/1", "does not name a model"),
        ("azureml://datastores/d/paths/p", "does not name a model"),
        ("azureml://", "does not name a model"),
        (f"/{GROUP}/providers/Microsoft.Other/workspaces/w/models/m/versions/1", "does not name a model"),
        ("/subscriptions/s", "does not name a model"),
        ("/home/me/model", "cannot name a model"),
        ("m@newest", "the only label of a model is @latest"),
        ("m:1@latest", "names a version and a label"),
    ],
)
def test_invalid_references(text: str, message: str) -> None:
    with pytest.raises(BadArgument, match=message):
        parse_reference(text, "model")


def test_an_environment_is_called_one() -> None:
    with pytest.raises(BadArgument, match="the only label of an environment is latest"):
        parse_reference("azureml://registries/r/environments/e/labels/x", "environment")
    with pytest.raises(BadArgument, match="'a b' cannot name an environment"):
        parse_reference("a b", "environment")


def test_a_valid_form_is_suggested() -> None:
    with pytest.raises(BadArgument) as caught:
        parse_reference("azureml://m/1", "model")
    assert caught.value.hint == (
        "azureml://registries/REGISTRY/models/NAME/versions/VERSION or …/models/NAME/labels/latest,"
        " or azureml:NAME:VERSION of the workspace"
    )


@pytest.mark.parametrize(
    ("text", "versions", "message"),
    [
        ("mdoel:3", ["1", "2"], "model 'mdoel' has no version '3'; it has: 1, 2"),
        ("mdoel", ["1 (archived)"], "model 'mdoel' has no version 'latest'; it has: 1 (archived)"),
        ("mdoel:3", [], "no model named 'mdoel' is registered; did you mean 'model'?"),
        ("quite_other", [], "no model named 'quite_other' is registered"),
        (
            "azureml://registries/r/models/x/versions/1",
            [],
            "no model named 'x' is registered here, of registry 'r' or of any other",
        ),
    ],
)
def test_references_to_nothing(text: str, versions: list[str], message: str) -> None:
    error = not_found(parse_reference(text, "model"), versions, ["model", "model", "b"], "make it")
    assert error.message == message
    assert error.hint == ("" if versions else "make it")
