"""An endpoint's containers for the user's own cluster: images with code and models, a Deployment and a Service each.

A deployment's files may be too large for a ConfigMap, and a volume would have to be filled first.  So they are part of
an image that is built on the environment's.
"""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Sequence
from typing import Any

from emulator.entities import ProbeSettings, Route
from emulator.exports.container import (
    LAYOUT,
    ExportedContainer,
    changes_of_front_door,
    exported_containers,
    layout_copies,
    shell_name,
)
from emulator.exports.result import Change, Export, cloud_name
from emulator.exports.source import EndpointSource
from emulator.exports.yaml_text import dumped, yaml_text

SCRIPT = "apply.sh"
# A reserved name (RFC 2606), which apply.sh replaces by REGISTRY.
_REGISTRY = "registry.invalid"
_UID = 1000


def export_kubernetes(source: EndpointSource, image: str | None) -> Export:
    """Export a manifest and a build context for each deployment, and `apply.sh`, which uses them."""
    containers = exported_containers(source, image)
    endpoint = cloud_name(source.endpoint.name).lower()
    changes = changes_of_front_door(source, containers, SCRIPT)
    texts = {}
    for one in containers:
        notes = [Change(f"{one.name}.yml", text) for text in _notes(one, endpoint)]
        changes += notes
        texts[f"{one.name}.yml"] = _manifest(one, endpoint, notes)
        texts[f"{one.name}/Dockerfile"] = _dockerfile(one)
    texts[SCRIPT] = _script(endpoint, containers)
    return Export(
        texts=texts,
        layouts=layout_copies(containers),
        changes=tuple(changes),
        commands=("REGISTRY=registry.example.com/team sh apply.sh",),
    )


def _name(one: ExportedContainer, endpoint: str) -> str:
    return f"{endpoint}-{one.name.lower()}"


def _reference(one: ExportedContainer, endpoint: str) -> str:
    """The image's name without the registry, and a tag of generation and environment."""
    return f"{_name(one, endpoint)}:{one.deployment.generation}-{one.deployment.image[:12]}"


def _dockerfile(one: ExportedContainer) -> str:
    """The environment's image with the layout at its paths, owned by root so that the container cannot write to it."""
    copies = [
        f"COPY --chown=0:0 {posixpath.normpath(posixpath.join(LAYOUT, mount.folder))}/ {mount.path}/"
        for mount in one.mounts
        if mount.folder is not None
    ]
    return "\n".join(["# Written by amlemu.", f"FROM {one.image}", *copies]) + "\n"


def _manifest(one: ExportedContainer, endpoint: str, changes: Sequence[Change]) -> str:
    name = _name(one, endpoint)
    labels = {"app.kubernetes.io/name": endpoint, "app.kubernetes.io/instance": name}
    metadata = {"name": name, "labels": labels}
    pod = {"containers": [_container(one, endpoint)]}
    if hidden := _hidden(one):
        pod["volumes"] = [{"name": name, "emptyDir": {}} for name in hidden]
    template = {"metadata": {"labels": labels}, "spec": pod}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "replicas": one.deployment.instance_count,
            "selector": {"matchLabels": labels},
            "template": template,
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    }
    head = [f"Written by amlemu from deployment {one.source.name}; {SCRIPT} puts a registry's name in."]
    notes = ["Not as it is here:", *(f"- {change.text}" for change in changes)] if changes else []
    secret = f"---\n{dumped(_secret(one, name))}" if one.users and one.source.has_values else ""
    return f"{yaml_text([*head, *notes], deployment)}---\n{dumped(service)}{secret}"


def _secret(one: ExportedContainer, name: str) -> dict[str, Any]:
    metadata = {"name": f"{name}-variables"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "stringData": one.users}


def _container(one: ExportedContainer, endpoint: str) -> dict[str, Any]:
    security: dict[str, Any] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    if one.is_ours:
        security |= {"runAsNonRoot": True, "runAsUser": _UID}
    container = {
        "name": "scoring",
        "image": f"{_REGISTRY}/{_reference(one, endpoint)}",
        "workingDir": one.working_dir,
        "ports": [{"name": "http", "containerPort": one.port}],
        # Kubernetes would take $(NAME) for a reference.
        "env": [{"name": name, "value": value.replace("$(", "$$(")} for name, value in one.platform.items()],
        "envFrom": [{"secretRef": {"name": f"{_name(one, endpoint)}-variables"}}] if one.users else None,
        "livenessProbe": _probe(*one.liveness),
        "readinessProbe": _probe(*one.readiness),
        "resources": _resources(one),
        "securityContext": security,
        "volumeMounts": [{"name": name, "mountPath": path, "readOnly": True} for name, path in _hidden(one).items()],
    }
    return {key: value for key, value in container.items() if value}


def _hidden(one: ExportedContainer) -> dict[str, str]:
    """The paths of the image that an empty volume hides, by the name of the volume."""
    paths = [mount.path for mount in one.mounts if mount.folder is None]
    return {f"empty-{posixpath.basename(path)}": path for path in paths}


def _probe(route: Route, settings: ProbeSettings) -> dict[str, Any]:
    return {
        "httpGet": {"path": route.path, "port": route.port},
        "initialDelaySeconds": settings.initial_delay,
        "periodSeconds": settings.period,
        "timeoutSeconds": settings.timeout,
        "successThreshold": settings.success_threshold,
        "failureThreshold": settings.failure_threshold,
    }


def _resources(one: ExportedContainer) -> dict[str, Any]:
    """The deployment's own, else what its instance type has as limits."""
    own = one.deployment.resources
    found: dict[str, Any] = own.model_dump(mode="json") if own else {"requests": {}, "limits": {}}
    if not own and one.size.cpus:
        found["limits"]["cpu"] = f"{one.size.cpus:g}"
    if not own and one.size.memory_bytes:
        found["limits"]["memory"] = str(one.size.memory_bytes)
    if one.deployment.gpus:
        count = int(one.deployment.gpus) if one.deployment.gpus.isdecimal() else 1
        found["limits"].setdefault("nvidia.com/gpu", str(count))
    return {key: amounts for key, amounts in found.items() if amounts}


def _script(endpoint: str, containers: Sequence[ExportedContainer]) -> str:
    lines = [
        "#!/bin/sh",
        f"# Builds and pushes the images of {endpoint}, and applies its manifests to the cluster of kubectl's context.",
        "# Written by amlemu.",
        "set -eu",
        'cd "$(dirname "$0")"',
        ': "${REGISTRY:?where the images go, as in registry.example.com/team}"',
    ]
    alone = len(containers) == 1
    hidden = [one for one in containers if one.users and not one.source.has_values]
    lines += [
        f': "${{{shell_name(one.name, name, alone=alone)}?the value of a variable of deployment {one.name}}}"'
        for one in hidden
        for name in one.users
    ]
    for one in containers:
        image = f'"$REGISTRY/{_reference(one, endpoint)}"'
        lines += [f"docker build --tag {image} {one.name}", f"docker push {image}"]
    lines += [_create_secret(one, endpoint, alone=alone) for one in hidden]
    lines += [f'sed "s|{_REGISTRY}/|$REGISTRY/|" {one.name}.yml | kubectl apply -f -' for one in containers]
    return "\n".join(lines) + "\n"


def _create_secret(one: ExportedContainer, endpoint: str, *, alone: bool) -> str:
    words = [f"kubectl create secret generic {_name(one, endpoint)}-variables --dry-run=client -o yaml"]
    for name in one.users:
        words.append(f'{shlex.quote(f"--from-literal={name}=")}"${shell_name(one.name, name, alone=alone)}"')
    return f"{' '.join(words)} | kubectl apply -f -"


def _notes(one: ExportedContainer, endpoint: str) -> list[str]:
    found = [f"image: built from {one.name}/Dockerfile, with {one.name}/{LAYOUT} in it"]
    if one.users and not one.source.has_values:
        names = ", ".join(one.users)
        found.append(f"variables: {names} come from Secret {_name(one, endpoint)}-variables, which {SCRIPT} makes")
    if one.deployment.debug_port:
        found.append(f"debug: the debugger at port {one.deployment.debug_port} is not exported")
    return found
