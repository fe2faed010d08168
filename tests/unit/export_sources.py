"""Endpoints to be exported, with what a test does not care about filled in."""

from __future__ import annotations

from typing import Any

from emulator.containers.usage import Machine
from emulator.entities import Environment, Model, OnlineDeployment, OnlineEndpoint
from emulator.exports import DeploymentSource, EndpointSource

AT = "2024-01-01T00:00:00"
Made = tuple[OnlineDeployment, Environment, tuple[Model, ...], bool]
"""A deployment, its environment, its models, and whether the environment is registered."""


def endpoint(**given: Any) -> OnlineEndpoint:
    document = {"name": "iris", "port": 18100, "created_at": AT, "provisioning_state": "Succeeded", **given}
    return OnlineEndpoint.parse(document)


def deployment(name: str = "blue", **given: Any) -> OnlineDeployment:
    document = {
        "name": name,
        "endpoint_name": "iris",
        "generation": 1,
        "code_configuration": {"code": "/repo/src", "scoring_script": "score.py"},
        "environment": "CliV2AnonymousEnvironment:1",
        "image": "d" * 64,
        "engine": "process",
        "target": "managed",
        "created_at": AT,
        "serving": True,
        **given,
    }
    return OnlineDeployment.parse(document)


def environment(name: str = "CliV2AnonymousEnvironment", version: str = "1", **given: Any) -> Environment:
    document = {"python_version": "3.11", "requirements": ("azureml-inference-server-http==1.5.1",), **given}
    return Environment.parse({"name": name, "version": version, **document})


def model(name: str = "iris", version: str = "1", **given: Any) -> Model:
    path = given.setdefault("path", f"{name}.pkl")
    files = ({"path": path, "size": 1, "sha256": "a" * 64},)
    return Model.parse(
        {"name": name, "version": version, "files": files, "size": 1, "sha256": "b" * 64, "created_at": AT, **given}
    )


def source(
    of: OnlineEndpoint,
    *made: Made,
    has_values: bool = False,
    code_files: tuple[str, ...] = ("score.py",),
    image: str = "",
    left_out: tuple[str, ...] = (),
) -> EndpointSource:
    deployments = (
        DeploymentSource(
            deployment=one,
            environment=env,
            environment_is_registered=registered,
            models=models,
            platform_variables={"AML_APP_ROOT": "/var/azureml-app/src", "AZUREML_ENTRY_SCRIPT": "score.py"},
            code_files=code_files,
            image=image,
            has_values=has_values,
        )
        for one, env, models, registered in made
    )
    return EndpointSource(of, tuple(deployments), Machine(cpus=2, memory_bytes=8 * 2**30), left_out)
