"""deploymentconfig.json of local, aci, aks and aksendpoint, as parts of a DeploymentRequest.

Sources: azureml-core `_model_management/_util.py` (`deploy_config_dict_to_obj`) for the keys, the
`validate_configuration` of `core/webservice/{local,aci,aks}.py` for what is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emulator.azure_files.v1.aks_config import AKS_KEYS, AKSENDPOINT_KEYS, read_aks
from emulator.azure_files.v1.service_keys import (
    AUTH_KEYS,
    RESOURCE_KEYS,
    app_insights,
    cloud_only,
    primary_key,
    resources,
)
from emulator.difference import Difference
from emulator.documents.values import COUNT, FLAG, TEXT, Keys, Reading
from emulator.documents.yaml_document import Document, Path

COMPUTE_TYPES = ("local", "aci", "aks", "aksendpoint")
_COMPUTE_TYPE: Path = ("computeType",)

_LOCAL_KEYS: Keys = {_COMPUTE_TYPE: TEXT, ("port",): COUNT}
_ACI_KEYS: Keys = {
    _COMPUTE_TYPE: TEXT,
    **RESOURCE_KEYS,
    **AUTH_KEYS,
    ("appInsightsEnabled",): FLAG,
    ("sslEnabled",): FLAG,
    **{
        (key,): TEXT
        for key in ("location", "sslCertificate", "sslKey", "cname", "dnsNameLabel", "vaultBaseUrl", "keyName",
                    "keyVersion", "vnetName", "subnetName")
    },
}  # fmt: skip
# Each group of keys with the reason why it has no effect here.
_ACI_CLOUD_ONLY = (
    (("location",), "the service runs on this machine"),
    (("sslEnabled", "sslCertificate", "sslKey", "cname"), "the endpoint answers without TLS"),
    (("dnsNameLabel",), "the endpoint has the name of this machine"),
    (("vaultBaseUrl", "keyName", "keyVersion"), "nothing is encrypted with keys of a vault"),
    (("vnetName", "subnetName"), "there is no virtual network"),
)


@dataclass(frozen=True)
class DeploymentConfigFile:
    """A deploymentconfig.json: `parts` are fields of a DeploymentRequest document, `target` among them."""

    parts: Mapping[str, Any]
    differences: tuple[Difference, ...]


def read_deployment_config(document: Document) -> DeploymentConfigFile:
    """Read the document; BadDocument lists every fault."""
    reading = Reading(document)
    compute_type = _compute_type(reading)
    reading.finish()
    parts = {"local": _read_local, "aci": _read_aci}.get(compute_type, _read_aks_or_endpoint)(reading)
    reading.finish()
    return DeploymentConfigFile(parts, tuple(reading.differences))


def _compute_type(reading: Reading) -> str:
    value = reading.value(_COMPUTE_TYPE, TEXT)
    v1, allowed = "Error parsing --deploy-config-file.", f"it is one of {', '.join(COMPUTE_TYPES)}"
    if value is None:
        reading.missing(_COMPUTE_TYPE, f"{v1} Need to specify computeType in --deploy-config-file: {allowed}")
    elif value.lower() not in COMPUTE_TYPES:
        reading.fault(_COMPUTE_TYPE, f"{v1} unknown deployment type: {value.lower()}: {allowed}")
    return str(value).lower()


def _read_local(reading: Reading) -> dict[str, Any]:
    port = reading.values(_LOCAL_KEYS).get(("port",))
    if port is not None and port > 65535:
        reading.fault(("port",), "must be an integer in range [1, 65535]; 0 or none takes a free one")
    return {"target": "local"} | ({"port": port} if port else {})


def _read_aci(reading: Reading) -> dict[str, Any]:
    values = reading.values(_ACI_KEYS)
    _check_aci(values, reading)
    parts: dict[str, Any] = {"target": "aci", "cloud_settings": cloud_only(values, _ACI_CLOUD_ONLY, reading)}
    # A group of ACI is given what it asks for and no more.
    parts |= resources(values, reading, is_limit=True)
    enabled = values.get(("authEnabled",))
    if enabled is not None:
        parts["auth_mode"] = "key" if enabled else "none"
    return parts | app_insights(values, reading) | primary_key(values, reading)


def _check_aci(values: Mapping[Path, Any], reading: Reading) -> None:
    """Find the faults that `AciServiceDeploymentConfiguration` raises, except those of the certificate's files."""
    if values.get(("sslEnabled",)):
        missing = [key for key in ("sslCertificate", "sslKey", "cname") if not values.get((key,))]
        if missing:
            told = f"SSL is enabled, you must provide a SSL certificate, key, and cname: {', '.join(missing)} missing"
            reading.fault(("sslEnabled",), told)
    for group in (("vaultBaseUrl", "keyName", "keyVersion"), ("vnetName", "subnetName")):
        given = [key for key in group if values.get((key,))]
        if given and len(given) < len(group):
            reading.fault((given[0],), f"{', '.join(group)} must all have values or all be empty")


def _read_aks_or_endpoint(reading: Reading) -> dict[str, Any]:
    is_endpoint = str(reading.document.data["computeType"]).lower() == "aksendpoint"
    keys: Keys = {_COMPUTE_TYPE: TEXT, **AKS_KEYS, **(AKSENDPOINT_KEYS if is_endpoint else {})}
    return {"target": "aks", **read_aks(reading.values(keys), reading)}
