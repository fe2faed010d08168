"""Endpoints exported for Azure ML: whole folders against golden files, and what must never be in one.

The golden files are written anew only when asked for: AMLEMU_WRITE_GOLDEN=1 pytest tests/unit/test_export_az_ml.py
"""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from export_sources import deployment, endpoint, environment, model, source

from emulator.azure_files import Disk, Source, deployment_requests, read_files, read_model_file
from emulator.difference import differs, only_here
from emulator.entities import DeploymentRequest, ModelRequest
from emulator.environments import find_curated
from emulator.exports import EndpointSource, Export, Kind, export_az_ml, kind_of

GOLDEN = Path(__file__).parent / "golden"

COLLECTOR = {
    "collections": {
        "request": {"enabled": True},
        "model_inputs": {"enabled": False, "data": {"name": "azureml:inputs:1"}, "client_id": "x"},
    },
    "sampling_rate": 0.5,
    "capture_headers": ["x-user"],
}
FULL: dict[str, Any] = {
    "models": ("iris:3",),
    "environment_variables": {"MODE": "night", "TOKEN": "s3cret"},
    "instance_type": "Standard_F4s_v2",
    "instance_count": 2,
    "request_settings": {"request_timeout_ms": 3000, "max_concurrent_requests_per_instance": 4, "max_queue_wait_ms": 0},
    "liveness_probe": {"initial_delay": 5},
    "app_insights_enabled": True,
    "data_collector": COLLECTOR,
    "description": "the blue one",
    "tags": {"team": "vision"},
    "properties": {"a": "b"},
    "cloud_settings": {"egress_public_network_access": "disabled", "package_model": True},
    "gpus": "all",
    "debug_port": 5678,
    "differences": (only_here("process.no_container", "no container: a virtual environment"),),
}
IDENTITY = {"type": "user_assigned", "user_assigned_identities": [{"resource_id": "/subscriptions/x"}]}
RESOURCES = {"requests": {"cpu": "0.5", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "8Gi"}}


def managed(*, has_values: bool = False) -> EndpointSource:
    iris = model("iris", "3", type="mlflow_model", path="iris", description="flowers", tags={"a": "b"})
    env = environment(
        "iris-env",
        "2",
        image="mcr.microsoft.com/x:1",
        variables={"V": "1"},
        channels=("conda-forge", "defaults"),
        conda_dependencies=("python=3.11", "openjdk>=11", "pip"),
    )
    green = deployment("green", environment="iris-env:2", models=("iris:3",), target="managed")
    return source(
        endpoint(
            auth_mode="aml_token",
            traffic={"blue": 100, "green": 0},
            mirror_traffic={"green": 10},
            description="flowers: of all kinds",
            tags={"team": "vision"},
            cloud_settings={"identity": IDENTITY, "public_network_access": "disabled"},
        ),
        (deployment("blue", environment="iris-env:2", target="managed", **FULL), env, (iris,), True),
        (green, env, (iris,), True),
        has_values=has_values,
    )


def aci_of_two_models() -> EndpointSource:
    return source(
        endpoint(target="aci", auth_mode="none", traffic={"blue": 100}),
        (
            deployment(
                target="aci",
                models=("a:1", "b:2"),
                code_configuration={"code": "/repo/my code", "scoring_script": "src/score.py"},
                request_settings={"request_timeout_ms": 60000, "max_concurrent_requests_per_instance": 1},
                resources=RESOURCES,
                cloud_settings={"dns_name_label": "iris"},
            ),
            environment(),
            (model("a", "1"), model("b", "2")),
            False,
        ),
        code_files=("src/score.py", ".gitignore"),
    )


def aks() -> EndpointSource:
    scaler = {"autoscaleEnabled": True, "minReplicas": 1, "maxReplicas": 3, "targetUtilization": 70}
    liveness = {"initial_delay": 310, "failure_threshold": 3}
    one = deployment(
        target="aks",
        models=("iris:1",),
        request_settings={"request_timeout_ms": 300000, "max_queue_wait_ms": 500},
        resources=RESOURCES,
        liveness_probe=liveness,
        cloud_settings={"autoScaler": scaler, "sslKey": "s3cret-key", "cname": ""},
    )
    return source(
        endpoint(target="aks", traffic={"blue": 100}, mirror_traffic={"blue": 10}),
        (one, environment(), (model(),), False),
    )


FOLDERS: dict[str, tuple[EndpointSource, str | None]] = {
    "managed": (managed(), None),
    "aci_of_two_models": (aci_of_two_models(), None),
    "aks_as_kubernetes": (aks(), "kubernetes"),
    "aks": (aks(), None),
}


def exported(name: str) -> tuple[Export, Kind]:
    found, wanted = FOLDERS[name]
    kind = kind_of(found.endpoint.target, wanted)
    return export_az_ml(found, kind), kind


def folder_text(export: Export) -> str:
    """Everything of an export as one text."""
    parts = [f"=== {file}\n{text}" for file, text in export.texts.items()]
    copies = [f"{copy}\n" for copy in (*export.models, *export.code, *export.contexts)]
    changes = [f"{change}\n" for change in export.changes]
    return "".join([*parts, "=== copies\n", *copies, "=== changes\n", *changes])


@pytest.mark.parametrize("name", FOLDERS)
def test_whole_folders(name: str) -> None:
    text = folder_text(exported(name)[0])
    golden = GOLDEN / f"export_{name}.txt"
    if os.environ.get("AMLEMU_WRITE_GOLDEN"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FOLDERS)
def test_amlemu_takes_the_files(name: str) -> None:
    """Every file as `deploy -f` and `model register -f` read it, with the values that are missing."""
    export, kind = exported(name)
    texts = export.texts
    disk = Disk(
        lambda path: "file" if path.endswith((".py", ".pkl")) else "folder",
        lambda path: texts[path.removeprefix("/x/")],
    )
    files = [file for file in texts if file == "endpoint.yml" or file.endswith("-deployment.yml")]
    values = {"MODE": "m", "TOKEN": "t"}
    filled = [texts[f].replace("{{MODE}}", "m").replace("{{TOKEN}}", "t") for f in files]
    read = read_files([Source(file, "/x", text) for file, text in zip(files, filled, strict=True)])
    assert read.is_kubernetes == (kind == "kubernetes")
    requests, faults = deployment_requests(read, disk, {})
    assert faults == []
    for document, one in zip((request for _, request in requests), FOLDERS[name][0].deployments, strict=True):
        wanted = DeploymentRequest.parse(document | {"endpoint_name": read.endpoint_name, "target": kind})
        assert wanted.environment_variables.keys() == one.deployment.environment_variables.keys() <= values.keys()
        assert (wanted.liveness_probe, wanted.readiness_probe) == (
            one.deployment.liveness_probe,
            one.deployment.readiness_probe,
        )
        assert wanted.data_collector == one.deployment.data_collector
        assert wanted.instance_count == one.deployment.instance_count
    for file in texts:
        if file.startswith("model-"):
            ModelRequest.parse(read_model_file(Source(file, "/x", texts[file]), disk))


def test_a_registered_environment_stays_the_same() -> None:
    """With its values: one whose values are left out is another environment."""
    without, _ = exported("managed")
    assert yaml.safe_load(without.texts["environment-iris-env.yml"])["version"] != "2"
    export = export_az_ml(managed(has_values=True), "managed")
    read = read_files(
        [Source("green-deployment.yml", "/x", export.texts["green-deployment.yml"])],
    )
    disk = Disk(lambda _: "folder", lambda path: export.texts[path.removeprefix("/x/")])
    ((_, request),), _ = deployment_requests(read, disk, {})
    own = FOLDERS["managed"][0].deployments[0].environment
    taken = {key: request["environment"][key] for key in ("name", "version", "image", "python_version", "variables")}
    assert taken == {key: own.revealed_document()[key] for key in taken}
    assert request["environment"]["requirements"] == list(own.requirements)
    assert request["environment"]["conda_dependencies"] == list(own.conda_dependencies)
    assert request["environment"]["channels"] == list(own.channels)


@pytest.mark.parametrize("name", FOLDERS)
def test_the_script_is_one_that_a_shell_can_read(name: str, tmp_path: Path) -> None:
    """With an `az` that only tells how it was called."""
    export, _ = exported(name)
    (tmp_path / "az").write_text('#!/bin/sh\nprintf "%s|" "$@"; echo\n')
    (tmp_path / "az").chmod(0o755)
    (tmp_path / "deploy.sh").write_text(export.texts["deploy.sh"])
    variables = {f"{prefix}{name}": "a b$c" for prefix in ("blue_", "green_") for name in ("MODE", "TOKEN")}
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "COMPUTE": "k8s", **variables}
    done = subprocess.run(["sh", "deploy.sh"], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    calls = [line.split("|")[:-1] for line in done.stdout.splitlines()]
    steps = [" ".join(call[1:3]) for call in calls]
    order = ["model create", "environment create", "online-endpoint create", "online-deployment create"]
    assert list(dict.fromkeys(steps)) == [*order, "online-endpoint update"]
    named = {call[call.index("--file") + 1] for call in calls if "--file" in call}
    assert named == {file for file in export.texts if "/" not in file and file.endswith(".yml")}
    if name == "managed":
        assert "environment_variables.MODE=a b$c" in calls[3]
        assert "--package-model" in calls[3]
        assert calls[-1][3:] == ["--name", "iris", "--traffic", "blue=100 green=0", "--mirror-traffic", "green=10"]


def test_a_script_says_which_value_is_missing(tmp_path: Path) -> None:
    (tmp_path / "deploy.sh").write_text(exported("managed")[0].texts["deploy.sh"])
    done = subprocess.run(["sh", "deploy.sh"], cwd=tmp_path, env={}, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "the value of variable MODE of deployment blue" in done.stderr


def test_values_are_there_only_when_asked_for() -> None:
    assert "s3cret" not in folder_text(exported("aks")[0])
    assert "s3cret" not in folder_text(exported("managed")[0])
    told = source(managed().endpoint, (deployment(**FULL), environment(), (model(),), False), has_values=True)
    text = export_az_ml(told, "managed").texts["blue-deployment.yml"]
    assert yaml.safe_load(text)["environment_variables"] == {"MODE": "night", "TOKEN": "s3cret"}


def test_a_password_of_an_index_is_left_out() -> None:
    lines = (
        "--index-url https://me:pw@host/simple",
        "flask",
        "x @ https://pwtoken@host/x.whl",
        "y @ git+ssh://git@host/y",
    )
    found = source(
        endpoint(),
        (deployment(), environment("own", "1", image="i", requirements=lines, conda_dependencies=("pip",)), (), True),
    )
    export = export_az_ml(found, "managed")
    assert "pw" not in folder_text(export)
    assert "git+ssh://git@host/y" in folder_text(export)
    assert yaml.safe_load(export.texts["environment-own.yml"])["version"] != "1"
    assert any("user and password of a package index or a channel" in str(change) for change in export.changes)


def test_packages_of_pypi_and_debian_are_named_for_conda() -> None:
    found = source(endpoint(), (deployment(), environment(system_packages=("git", "g++", "tcl")), (), False))
    text = export_az_ml(found, "managed").texts["environments/iris-environment/conda.yml"]
    assert "Debian packages that conda has no name for: tcl" in text
    assert yaml.safe_load(text)["dependencies"][:4] == ["python=3.11", "git", "gxx", "pip"]


def test_names_that_only_amlemu_takes() -> None:
    found = source(
        endpoint(name="my_iris", traffic={"blue_one": 100}),
        (deployment("blue_one", endpoint_name="my_iris"), environment(), (), False),
    )
    export = export_az_ml(found, "managed")
    document = yaml.safe_load(export.texts["blue-one-deployment.yml"])
    assert (document["name"], document["endpoint_name"]) == ("blue-one", "my-iris")
    assert 'update --name my-iris --traffic "blue-one=100"' in export.texts["deploy.sh"]
    assert [c.text for c in export.changes if c.text.startswith("name:")] == [
        "name: the cloud refuses 'my_iris': it is my-iris",
        "name: the cloud refuses 'blue_one': it is blue-one",
    ]


def test_a_container_of_the_users_own() -> None:
    route = {"port": 8080, "path": "/v1"}
    routes = {"liveness_route": route, "readiness_route": route, "scoring_route": route}
    own = environment(
        "own",
        "1",
        image=None,
        python_version=None,
        requirements=(),
        build={"path": "/repo/image", "dockerfile_path": "docker/Dockerfile"},
        inference_config=routes,
    )
    one = deployment(code_configuration=None, models=("iris:1",), model_mount_path="/var/models")
    export = export_az_ml(source(endpoint(), (one, own, (model(),), True)), "managed")
    document = yaml.safe_load(export.texts["blue-deployment.yml"])
    assert document["environment"] == {
        "name": "own",
        "version": "1",
        "build": {"path": "environments/own/context", "dockerfile_path": "docker/Dockerfile"},
        "inference_config": routes,
    }
    assert ("code_configuration" in document, document["model_mount_path"]) == (False, "/var/models")
    assert [(copy.deployment, copy.folder) for copy in export.contexts] == [("blue", "environments/own/context")]


@pytest.mark.parametrize("path", [None, "/var/models"])
def test_models_lie_where_the_deployment_has_them(path: str | None) -> None:
    one = deployment(code_configuration=None, models=("iris:1",), model_mount_path=path)
    export = export_az_ml(source(endpoint(), (one, environment(), (model(),), False)), "managed")
    document = yaml.safe_load(export.texts["blue-deployment.yml"])
    assert (document.get("model_mount_path"), len(export.models)) == (path, 1)


@pytest.mark.parametrize("kind", ["mlflow_model", "triton_model"])
def test_a_model_without_a_script_leaves_the_environment_to_the_cloud(kind: str) -> None:
    one = deployment(code_configuration=None, models=("iris:1",))
    export = export_az_ml(source(endpoint(), (one, environment(), (model(type=kind),), False)), "managed")
    document = yaml.safe_load(export.texts["blue-deployment.yml"])
    assert document["model"]["type"] == kind
    assert {"environment", "code_configuration"} & document.keys() == set()
    assert not any(file.startswith("environment") for file in export.texts)


@pytest.mark.parametrize(("version", "end"), [("latest", "labels/latest"), ("33", "versions/33")])
def test_a_curated_environment_is_the_clouds_own(version: str, end: str) -> None:
    curated = find_curated("minimal-py311-inference")
    assert curated is not None
    env = environment(curated.name, version, python_version=curated.python_version, requirements=curated.packages)
    found = source(endpoint(), (deployment(), env, (), False))
    export = export_az_ml(found, "managed")
    named = yaml.safe_load(export.texts["blue-deployment.yml"])["environment"]
    assert named == f"azureml://registries/azureml/environments/minimal-py311-inference/{end}"
    assert not any(file.startswith("environment") for file in export.texts)
    # Kubernetes takes nothing of a registry, and one of the same name is another.
    assert "environment-minimal-py311-inference.yml" in export_az_ml(found, "kubernetes").texts
    own = source(endpoint(), (deployment(), env.model_copy(update={"requirements": ("flask",)}), (), False))
    assert "environment-minimal-py311-inference.yml" in export_az_ml(own, "managed").texts


def test_an_anonymous_model_stays_one() -> None:
    name = "ab" * 32
    one = deployment(models=(f"{name}:1",))
    found = source(endpoint(), (one, environment(), (model(name, "1", anonymous=True),), False))
    export = export_az_ml(found, "managed")
    assert yaml.safe_load(export.texts["blue-deployment.yml"])["model"] == {
        "type": "custom_model",
        "path": f"models/{name[:12]}/{name}.pkl",
    }
    assert "az ml model" not in export.texts["deploy.sh"]


def test_versions_are_told_apart_by_their_files() -> None:
    blue, green = deployment("blue", models=("iris:1",)), deployment("green", models=("iris:2",))
    found = source(
        endpoint(),
        (blue, environment(), (model("iris", "1"),), False),
        (green, environment(), (model("iris", "2"),), False),
    )
    export = export_az_ml(found, "managed")
    assert {f for f in export.texts if f.startswith("model-")} == {"model-iris-1.yml", "model-iris-2.yml"}
    assert len({copy.folder for copy in export.models}) == 2


def test_traffic_of_what_is_left_out() -> None:
    found = source(
        endpoint(traffic={"blue": 50, "green": 50}), (deployment(), environment(), (), False), left_out=("green",)
    )
    export = export_az_ml(found, "managed")
    assert "--traffic" not in export.texts["deploy.sh"]
    told = "\n".join(map(str, export.changes))
    assert "deployment green has never served, and is left out" in told
    assert "some of it goes to deployments that are left out" in told


def test_names_with_everything_in_them() -> None:
    """Whatever a user has written stays a value: in YAML, in a comment and in the shell."""
    odd = 'a: "b" #c\n{{x}} \u2028 $(touch /tmp/x) `id` \x1b[31m'
    one = deployment(
        environment_variables={"A.B": odd, "C D": odd, "ok": odd},
        description=odd,
        tags={odd: odd},
        differences=(differs("an.example", odd),),
    )
    found = source(endpoint(description=odd), (one, environment(), (), False), has_values=True)
    export = export_az_ml(found, "managed")
    document = yaml.safe_load(export.texts["blue-deployment.yml"])
    assert document["environment_variables"] == {"A.B": odd, "C D": odd, "ok": odd}
    assert (document["description"], document["tags"]) == (odd, {odd: odd})
    hidden = export_az_ml(source(endpoint(), (one, environment(), (), False)), "managed").texts["deploy.sh"]
    line = next(line for line in hidden.splitlines() if line.startswith("az ml online-deployment"))
    assert shlex.split(line)[-2:] == ["--set", "environment_variables.ok=$ok"]
