"""The workspace that amlemu stands for, as Azure's paths and logs name it, and the path of the emulator's own API."""

from __future__ import annotations

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
GROUP = "amlemu"
WORKSPACE = "amlemu"
PROVIDER = "Microsoft.MachineLearningServices"
WORKSPACE_PATH = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/{PROVIDER}/workspaces/{WORKSPACE}"
OWN_PATH = "/_amlemu"
"""The path below which the emulator answers about itself; no path of Azure's begins so."""


def endpoint_path(name: str) -> str:
    """Return the path of an online endpoint; a name that a user typed must be quoted."""
    return f"{WORKSPACE_PATH}/onlineEndpoints/{name}"


def deployment_path(endpoint: str, name: str) -> str:
    """Return the path of an online deployment."""
    return f"{endpoint_path(endpoint)}/deployments/{name}"
