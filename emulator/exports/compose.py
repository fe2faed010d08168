"""An endpoint's containers as a compose file: nothing but Docker is needed, and nothing stands before them."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import Any

from emulator.containers.size import container_size
from emulator.containers.spec import EMPTY_BYTES, LayoutMount
from emulator.containers.usage import Machine
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
from emulator.exports.yaml_text import yaml_text

FILE = "compose.yaml"
_FIRST_PORT = 5001


def export_compose(source: EndpointSource, image: str | None) -> Export:
    """`compose.yaml`, and beside it a folder for each deployment with what its container sees."""
    containers = exported_containers(source, image)
    alone = len(containers) == 1
    changes = changes_of_front_door(source, containers, FILE)
    for one in containers:
        changes += _changes(one, alone=alone)
    document = {
        "name": cloud_name(source.endpoint.name).lower(),
        "services": {
            one.name: _service(one, _FIRST_PORT + n, source.machine, alone=alone) for n, one in enumerate(containers)
        },
    }
    head = [f"Written by amlemu from endpoint {source.endpoint.name}.", "Not as it is here:"]
    text = yaml_text([*head, *(f"- {change.text}" for change in changes)], document)
    return Export(
        texts={FILE: text},
        layouts=layout_copies(containers),
        changes=tuple(changes),
        commands=("docker compose up --wait", f"curl http://127.0.0.1:{_FIRST_PORT}/score -d @request.json"),
    )


def _service(one: ExportedContainer, port: int, machine: Machine, *, alone: bool) -> dict[str, Any]:
    size = container_size(one.deployment, one.deployment.target, machine)  # Docker refuses more cores than there are
    variable = shell_name(one.name, "PUBLISHED_PORT", alone=alone)
    users = one.users if one.source.has_values else {n: _asked(one, n, alone=alone) for n in one.users}
    literal = {name: value.replace("$", "$$") for name, value in one.platform.items()}
    if one.source.has_values:
        users = {name: value.replace("$", "$$") for name, value in users.items()}
    service = {
        "image": one.image,
        "working_dir": one.working_dir,
        "environment": {**literal, **users},
        "ports": [f"127.0.0.1:${{{variable}:-{port}}}:{one.port}"],
        "volumes": [_volume(one, mount) for mount in one.mounts],
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "restart": "unless-stopped",
        "healthcheck": _health(one) if one.is_ours else None,
        "cpus": size.cpus,
        "mem_limit": size.memory_bytes,
        "memswap_limit": size.memory_bytes,
        "deploy": _devices(one.deployment.gpus),
    }
    return {key: value for key, value in service.items() if value}


def _volume(one: ExportedContainer, mount: LayoutMount) -> dict[str, Any]:
    if mount.folder is None:
        return {"type": "tmpfs", "target": mount.path, "read_only": True, "tmpfs": {"size": EMPTY_BYTES}}
    source = posixpath.normpath(posixpath.join(one.name, LAYOUT, mount.folder))
    return {"type": "bind", "source": f"./{source}", "target": mount.path, "read_only": True}


def _asked(one: ExportedContainer, name: str, *, alone: bool) -> str:
    """What compose takes from its own environment, or from `.env`."""
    return f"${{{shell_name(one.name, name, alone=alone)}?the value of {shell_name(one.name, name, alone=True)}}}"


def _health(one: ExportedContainer) -> dict[str, Any]:
    """The liveness probe, asked by the Python that is in the image."""
    route, probe = one.liveness
    url = f"http://127.0.0.1:{route.port}{route.path}"
    code = f"import urllib.request; urllib.request.urlopen({url!r}, timeout={probe.timeout})"
    return {
        "test": ["CMD", "python", "-c", code],
        "interval": f"{probe.period}s",
        "timeout": f"{probe.timeout}s",
        "start_period": f"{probe.budget_seconds}s",
        "retries": probe.failure_threshold,
    }


def _devices(gpus: str | None) -> dict[str, Any] | None:
    if gpus is None:
        return None
    ids = gpus.removeprefix("device=").split(",") if gpus.startswith("device=") else None
    asked = {"device_ids": ids} if ids else {"count": int(gpus) if gpus.isdecimal() else "all"}
    return {"resources": {"reservations": {"devices": [{"driver": "nvidia", "capabilities": ["gpu"], **asked}]}}}


def _changes(one: ExportedContainer, *, alone: bool) -> Sequence[Change]:
    found = []
    if one.deployment.instance_count > 1:
        found.append(f"instance_count: {one.deployment.instance_count} of {one.name}: one container, on one port")
    if one.users and not one.source.has_values:
        names = ", ".join(shell_name(one.name, name, alone=alone) for name in one.users)
        found.append(f"environment of {one.name}: values are not exported: give {names} in .env or in the shell")
    if one.deployment.debug_port:
        found.append(f"debug: the debugger at port {one.deployment.debug_port} of {one.name} is not exported")
    return [Change(FILE, text) for text in found]
