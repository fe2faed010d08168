"""What entities take, refuse and keep to themselves."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.entities import DeploymentRequest, EndpointKeys, ModelRequest, OnlineDeployment
from emulator.errors import BadDocument


def request(**changes: Any) -> dict[str, Any]:
    return {"endpoint_name": "iris", "code": "/home/me/src", "scoring_script": "score.py", **changes}


def faults_of(document: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(BadDocument) as caught:
        DeploymentRequest.parse(document, target="deployment blue")
    assert caught.value.target == "deployment blue"
    return {fault.field: fault.message for fault in caught.value.faults}


def test_all_faults_are_reported_at_once() -> None:
    faults = faults_of(
        request(
            endpoint_name="x",
            name="1",
            instance_count=0,
            instance_cuont=2,
            request_settings={"request_timeout_ms": 300_001},
            environment_variables={"A=B": "1"},
            models=["m", "m"],
            code="src",
        )
    )
    assert set(faults) == {
        "endpoint_name",
        "name",
        "instance_count",
        "instance_cuont",
        "request_settings.request_timeout_ms",
        "environment_variables",
        "models",
        "code",
    }
    assert faults["endpoint_name"].startswith("The name for an endpoint must be at least 3")
    assert faults["code"] == "'src' is not the absolute path of a file or folder"
    assert faults["models"] == "the same model is named twice"


def test_one_fault_is_the_message() -> None:
    with pytest.raises(BadDocument) as caught:
        DeploymentRequest.parse(request(port=0))
    assert caught.value.message == "port: Input should be greater than or equal to 1"
    assert caught.value.faults == ()


@pytest.mark.parametrize("models", [[{"path": "./model"}], "m", [1], {"m": 1}, None])
def test_models_of_another_shape_are_refused(models: object) -> None:
    with pytest.raises(BadDocument):
        DeploymentRequest.parse(request(models=models))


@pytest.mark.parametrize(("given", "kept"), [("./score.py", "score.py"), ("a//b/../score.py", "a/score.py")])
def test_a_script_has_one_spelling(given: str, kept: str) -> None:
    assert DeploymentRequest.parse(request(scoring_script=given)).scoring_script == kept


@pytest.mark.parametrize("script", ["", ".", "..", "../score.py", "/score.py", "a/../../score.py"])
def test_a_script_lies_below_the_code_folder(script: str) -> None:
    with pytest.raises(BadDocument, match="not the path of a script below the code folder"):
        DeploymentRequest.parse(request(scoring_script=script))


@pytest.mark.parametrize("path", ["", "model.pkl", "/", "./m", "~/m", "/m\0", "//"])
def test_a_path_is_absolute_and_names_something(path: str) -> None:
    with pytest.raises(BadDocument, match="not the absolute path"):
        ModelRequest.parse({"name": "m", "path": path})


@pytest.mark.parametrize("path", ["/m", "/home/me/model/", "C:\\models\\m.pkl", "\\\\server\\share\\m.pkl", "/a/../b"])
def test_paths_of_every_system_are_taken_as_they_are(path: str) -> None:
    assert ModelRequest.parse({"name": "m", "path": path}).path == path


def test_secrets_are_in_no_repr() -> None:
    asked = DeploymentRequest.parse(request(primary_key="s3cret", environment_variables={"TOKEN": "s3cret"}))
    keys = EndpointKeys(primary_key="s3cret", secondary_key="s3cret2")
    deployment = OnlineDeployment(
        name="blue",
        endpoint_name="iris",
        generation=1,
        code_configuration={"code": "/c", "scoring_script": "score.py"},
        environment="e:1",
        image="0",
        engine="fake",
        target="managed",
        environment_variables={"TOKEN": "s3cret"},
        created_at="now",
    )
    assert "s3cret" not in f"{asked!r} {keys!r} {deployment!r} {asked} {keys} {deployment}"


def test_a_refused_secret_is_not_in_the_message() -> None:
    with pytest.raises(BadDocument) as caught:
        DeploymentRequest.parse(request(environment_variables={"TOKEN": "s3cret\0"}, primary_key=["s3cret"]))
    assert "s3cret" not in str(caught.value.to_dict())
