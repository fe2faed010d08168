"""Endpoints exported for compose and Kubernetes, against golden files and what the cluster's API knows.

The golden files are written anew only when asked for: AMLEMU_WRITE_GOLDEN=1 pytest tests/unit/test_export_containers.py
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from export_sources import deployment, endpoint, environment, model, source

from emulator.errors import BadArgument
from emulator.exports import EndpointSource, Export, export_compose, export_kubernetes

GOLDEN = Path(__file__).parent / "golden"
RESOURCES = {"requests": {"cpu": "0.5"}, "limits": {"cpu": "2", "memory": "8Gi", "nvidia.com/gpu": "1"}}


def two(*, has_values: bool = False) -> EndpointSource:
    blue = deployment(
        engine="docker",
        models=("iris:1",),
        environment_variables={"MODE": "n$ght $(x)", "AML_APP_ROOT": "/mine", "C D": "e"},
        instance_count=2,
        instance_type="Standard_DS3_v2",
        liveness_probe={"initial_delay": 5},
        debug_port=5678,
    )
    route = {"port": 8080, "path": "/v1"}
    routes = {"liveness_route": route, "readiness_route": route, "scoring_route": route}
    own = environment("own", image="x", python_version=None, requirements=(), inference_config=routes)
    green = deployment(
        "green", engine="docker", code_configuration=None, gpus="2", resources=RESOURCES, model_mount_path="/var/models"
    )
    return source(
        endpoint(traffic={"blue": 90, "green": 10}),
        (blue, environment(), (model(),), False),
        (green, own, (model(),), True),
        has_values=has_values,
        image="amlemu/environment:dddd",
        left_out=("red",),
    )


EXPORTS = {
    "compose": export_compose(two(), None),
    "compose_with_values": export_compose(two(has_values=True), None),
    "kubernetes": export_kubernetes(two(), None),
    "kubernetes_with_values": export_kubernetes(two(has_values=True), None),
}


def folder_text(export: Export) -> str:
    parts = [f"=== {file}\n{text}" for file, text in export.texts.items()]
    copies = [f"{copy}\n" for copy in export.layouts]
    return "".join([*parts, "=== copies\n", *copies, "=== changes\n", *(f"{change}\n" for change in export.changes)])


@pytest.mark.parametrize("name", EXPORTS)
def test_whole_folders(name: str) -> None:
    text = folder_text(EXPORTS[name])
    golden = GOLDEN / f"export_{name}.txt"
    if os.environ.get("AMLEMU_WRITE_GOLDEN"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["compose", "kubernetes"])
def test_values_are_there_only_when_asked_for(name: str) -> None:
    assert "ght" not in folder_text(EXPORTS[name])
    assert "ght" in folder_text(EXPORTS[f"{name}_with_values"])


@pytest.mark.parametrize("make", [export_compose, export_kubernetes])
def test_processes_have_no_image(make: Any) -> None:
    found = source(endpoint(), (deployment(), environment(), (), False), image="/home/x/environments/dddd")
    with pytest.raises(BadArgument, match="deployment blue has no image: it runs on the process engine"):
        make(found, None)
    assert "image: own/image:1\n" in folder_text(export_compose(found, "own/image:1"))
    assert "FROM own/image:1\n" in folder_text(export_kubernetes(found, "own/image:1"))


# Kubernetes: types and fields of the parts that are written (kubernetes.io/docs/reference/kubernetes-api)

QUANTITY = {"cpu": str, "memory": str, "nvidia.com/gpu": str}
ROUTE = {"path": str, "port": int}
PROBE = {"httpGet": ROUTE} | dict.fromkeys(
    ("initialDelaySeconds", "periodSeconds", "timeoutSeconds", "successThreshold", "failureThreshold"), int
)
CONTAINER = {
    "name": str,
    "image": str,
    "workingDir": str,
    "ports": [{"name": str, "containerPort": int}],
    "env": [{"name": str, "value": str}],
    "envFrom": [{"secretRef": {"name": str}}],
    "livenessProbe": PROBE,
    "readinessProbe": PROBE,
    "resources": {"requests": QUANTITY, "limits": QUANTITY},
    "volumeMounts": [{"name": str, "mountPath": str, "readOnly": bool}],
    "securityContext": {
        "allowPrivilegeEscalation": bool,
        "capabilities": {"drop": [str]},
        "runAsNonRoot": bool,
        "runAsUser": int,
    },
}
VOLUME = {"name": str, "emptyDir": dict}
LABELS = {"app.kubernetes.io/name": str, "app.kubernetes.io/instance": str}
METADATA = {"name": str, "labels": LABELS}
TYPES: dict[str, Any] = {
    "Deployment": {
        "apiVersion": str,
        "kind": str,
        "metadata": METADATA,
        "spec": {
            "replicas": int,
            "selector": {"matchLabels": LABELS},
            "template": {"metadata": {"labels": LABELS}, "spec": {"containers": [CONTAINER], "volumes": [VOLUME]}},
        },
    },
    "Service": {
        "apiVersion": str,
        "kind": str,
        "metadata": METADATA,
        "spec": {"selector": LABELS, "ports": [{"name": str, "port": int, "targetPort": str}]},
    },
    "Secret": {
        "apiVersion": str,
        "kind": str,
        "metadata": {"name": str},
        "type": str,
        "stringData": {"MODE": str, "AML_APP_ROOT": str},
    },
}


def check(value: Any, kind: Any, where: str) -> None:
    if isinstance(kind, dict):
        assert isinstance(value, dict), where
        assert value.keys() <= kind.keys(), where
        for key, item in value.items():
            check(item, kind[key], f"{where}.{key}")
    elif isinstance(kind, list):
        assert isinstance(value, list), where
        for item in value:
            check(item, kind[0], f"{where}[]")
    else:
        assert type(value) is kind, where


@pytest.mark.parametrize("name", ["kubernetes", "kubernetes_with_values"])
def test_manifests_have_the_types_of_the_api(name: str) -> None:
    texts = EXPORTS[name].texts
    documents = [d for file in ("blue.yml", "green.yml") for d in yaml.safe_load_all(texts[file])]
    kinds = ["Deployment", "Service", "Secret"] if name.endswith("values") else ["Deployment", "Service"]
    assert [d["kind"] for d in documents] == [*kinds, "Deployment", "Service"]
    for document in documents:
        check(document, TYPES[document["kind"]], document["kind"])
    for document in documents:
        if document["kind"] == "Service":
            labels = [d["metadata"]["labels"] for d in documents if d["kind"] == "Deployment"]
            assert labels.count(document["spec"]["selector"]) == 1


def test_the_script_builds_pushes_and_applies(tmp_path: Path) -> None:
    """With commands that only tell how they were called, and what came to them."""
    for file, text in EXPORTS["kubernetes"].texts.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(text)
    for command in ("docker", "kubectl"):
        told = '#!/bin/sh\nprintf "%s|" "${0##*/}" "$@"; echo; case "$*" in *"-f -"*) cat;; esac\n'
        (tmp_path / command).write_text(told)
        (tmp_path / command).chmod(0o755)
    values = {"blue_MODE": "a $b", "blue_AML_APP_ROOT": "/x", "REGISTRY": "reg.example.com/team"}
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", **values}
    done = subprocess.run(["sh", "apply.sh"], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "docker|build|--tag|reg.example.com/team/iris-blue:1-dddddddddddd|blue|"
    assert "docker|push|reg.example.com/team/iris-green:1-dddddddddddd|" in lines
    assert "--from-literal=MODE=a $b" in done.stdout
    assert "image: reg.example.com/team/iris-blue:1-dddddddddddd" in done.stdout
    assert "registry.invalid" not in done.stdout
    missing = subprocess.run(["sh", "apply.sh"], cwd=tmp_path, env={}, capture_output=True, text=True, check=False)
    assert "where the images go" in missing.stderr


# (model_mount_path, what the container sees: where, and which folder of the deployment's own; None for an empty one)
MOUNTS = [
    (None, {"/var/azureml-app": "app"}),
    (
        "/var/models",
        {
            "/var/azureml-app": "app",
            "/var/models": "app/azureml-models",
            "/var/azureml-app/azureml-models": None,
        },
    ),
    ("/var/azureml-app/mine", {"/var/azureml-app": "app"}),
]


def mounted_at(path: str | None) -> EndpointSource:
    one = deployment(engine="docker", code_configuration=None, models=("iris:1",), model_mount_path=path)
    return source(endpoint(), (one, environment(), (model(),), False), image="amlemu/environment:dddd")


@pytest.mark.row("custom.model_mount_path")
@pytest.mark.parametrize(("path", "seen"), MOUNTS)
def test_compose_mounts_models_where_the_container_has_them(path: str | None, seen: dict[str, str | None]) -> None:
    service = yaml.safe_load(export_compose(mounted_at(path), None).texts["compose.yaml"])["services"]["blue"]
    assert all(volume["read_only"] for volume in service["volumes"])
    assert [(v["target"], v.get("source"), v["type"]) for v in service["volumes"]] == [
        (target, folder and f"./blue/{folder}", "bind" if folder else "tmpfs") for target, folder in seen.items()
    ]


@pytest.mark.row("custom.model_mount_path")
@pytest.mark.parametrize(("path", "seen"), MOUNTS)
def test_kubernetes_has_models_where_the_container_has_them(path: str | None, seen: dict[str, str | None]) -> None:
    texts = export_kubernetes(mounted_at(path), None).texts
    copied = [line.split()[2:] for line in texts["blue/Dockerfile"].splitlines() if line.startswith("COPY ")]
    assert copied == [[f"{folder}/", f"{target}/"] for target, folder in seen.items() if folder]
    pod = next(yaml.safe_load_all(texts["blue.yml"]))["spec"]["template"]["spec"]
    hidden = [target for target, folder in seen.items() if folder is None]
    assert [mount["mountPath"] for mount in pod["containers"][0].get("volumeMounts", ())] == hidden
    assert pod.get("volumes", []) == [{"name": "empty-azureml-models", "emptyDir": {}} for _ in hidden]


def test_compose_is_valid_yaml() -> None:
    document = yaml.safe_load(EXPORTS["compose_with_values"].texts["compose.yaml"])
    blue, green = document["services"]["blue"], document["services"]["green"]
    assert blue["environment"]["MODE"] == "n$$ght $$(x)"
    assert blue["ports"] == ["127.0.0.1:${blue_PUBLISHED_PORT:-5001}:5001"]
    assert "healthcheck" not in green
