"""The plan of one `deploy`, from flags or from files, and its execution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emulator.cli.output import say
from emulator.client.client import Client, OnEvent
from emulator.errors import Fault, ResourceNotFound

if TYPE_CHECKING:
    from emulator.documents.yaml_document import Document

Json = dict[str, Any]


@dataclass(frozen=True)
class DeployPlan:
    """One endpoint, its deployments in order, and its traffic; None keeps the present one.

    `document` is the endpoint's file, for the places of faults in its traffic.  Files of deployments alone create an
    endpoint as `az ml` does: with keys.
    """

    endpoint_name: str
    deployments: tuple[tuple[str, Json], ...]
    endpoint: Json | None = None
    traffic: Mapping[str, int] | None = None
    mirror_traffic: Mapping[str, int] | None = None
    document: Document | None = None
    is_from_files: bool = False


def deploy_plan(client: Client, plan: DeployPlan, on_event: OnEvent) -> Json:
    """Create or update what the plan holds, traffic last; return the endpoint."""
    name = plan.endpoint_name
    if plan.is_from_files:
        _check_endpoint(plan, _deployments(client, name))
    if plan.endpoint is not None:
        client.put_endpoint(name, plan.endpoint)
    for deployment, request in plan.deployments:
        client.put_deployment(name, deployment, request, on_event)
    if plan.traffic is not None or plan.mirror_traffic is not None:
        return client.update_traffic(name, plan.traffic, plan.mirror_traffic)
    return client.get_endpoint(name)


def _check_endpoint(plan: DeployPlan, existing: set[str] | None) -> None:
    """Check the traffic against the endpoint's deployments before anything is created.

    `existing` is None when there is no such endpoint; one that no file describes is announced.
    """
    _check_traffic(plan, existing or set())
    if existing is None and plan.endpoint is None:
        request = plan.deployments[0][1]
        auth_mode = request.get("auth_mode", "key")
        say(f"endpoint '{plan.endpoint_name}' is new: target {request['target']}, auth_mode {auth_mode}", dim=True)


def _check_traffic(plan: DeployPlan, existing: set[str]) -> None:
    """Raise BadDocument where traffic goes to a deployment that will not exist."""
    if plan.document is None:
        return
    from emulator.azure_files import refuse_all  # which takes a third of a second to load

    coming = {name for name, _ in plan.deployments} | existing
    known = f"it will have: {', '.join(sorted(coming))}" if coming else "it will have none"
    faults: list[Fault] = []
    for key, percents in (("traffic", plan.traffic), ("mirror_traffic", plan.mirror_traffic)):
        for name in percents or {}:
            if name not in coming:
                faults.append(plan.document.fault((key, name), f"there will be no deployment '{name}'; {known}"))
    refuse_all([plan.document.file], faults)


def _deployments(client: Client, name: str) -> set[str] | None:
    """Return the names of an endpoint's deployments, None when there is no such endpoint."""
    try:
        return {deployment["name"] for deployment in client.get_endpoint(name)["deployments"]}
    except ResourceNotFound:
        return None
