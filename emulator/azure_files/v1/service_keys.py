"""Keys that deploymentconfig.json of aci and of aks share: credentials, resources, and settings for the cloud only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from emulator.difference import differs, only_here
from emulator.documents.values import AMOUNT, FLAG, SECTION, TEXT, Keys, Reading
from emulator.documents.yaml_document import Path
from emulator.errors import BadArgument
from emulator.names import check_key

CONTAINER_RESOURCES: Path = ("containerResourceRequirements",)

AUTH_KEYS: Keys = {
    ("authEnabled",): FLAG,
    ("keys",): SECTION,
    ("keys", "primaryKey"): TEXT,
    ("keys", "secondaryKey"): TEXT,
}
RESOURCE_KEYS: Keys = {
    CONTAINER_RESOURCES: SECTION,
    (*CONTAINER_RESOURCES, "cpu"): AMOUNT,
    (*CONTAINER_RESOURCES, "memoryInGB"): AMOUNT,
}

CloudOnly = Sequence[tuple[Sequence[str], str]]
"""Groups of keys, each with the reason why it has no effect here."""


def cloud_only(values: Mapping[Path, Any], groups: CloudOnly, reading: Reading) -> dict[str, Any]:
    """Return the values of those keys as `cloud_settings`, and note a difference for each group that is used."""
    kept = {key: values[(key,)] for keys, _ in groups for key in keys if (key,) in values}
    for keys, reason in groups:
        asked = [key for key in keys if kept.get(key)]
        if asked:
            several = f"{', '.join(asked)}: " if len(asked) > 1 else ""
            reading.note((asked[0],), only_here(f"cloud_setting.{asked[0]}", f"{several}no effect, {reason}"))
    return kept


def resources(values: Mapping[Path, Any], reading: Reading, *, is_limit: bool) -> dict[str, Any]:
    """Return the `resources` of the request; with `is_limit` the amounts are requests and limits at once.

    Faults are those of the SDK.  A GB of v1 is a GiB, which is what the services ask their cluster for.
    """
    cpu, memory, cpu_limit, memory_limit = (
        values.get((*CONTAINER_RESOURCES, key)) for key in ("cpu", "memoryInGB", "cpuLimit", "memoryInGBLimit")
    )
    for key, least, limit in (("cpu", cpu, cpu_limit), ("memoryInGB", memory, memory_limit)):
        if least and limit and limit < least:
            reading.fault((*CONTAINER_RESOURCES, f"{key}Limit"), f"must be greater than or equal to {key}")
    requests = _amounts(cpu, memory)
    limits = _amounts(cpu, memory) if is_limit else _amounts(cpu_limit, memory_limit)
    found = {name: amounts for name, amounts in (("requests", requests), ("limits", limits)) if amounts}
    return {"resources": found} if found else {}


def _amounts(cpu: float | None, memory_gb: float | None) -> dict[str, str]:
    amounts = {"cpu": None if cpu is None else str(cpu), "memory": None if memory_gb is None else f"{memory_gb}Gi"}
    return {name: text for name, text in amounts.items() if text is not None}


def app_insights(values: Mapping[Path, Any], reading: Reading) -> dict[str, bool]:
    """Return the `app_insights_enabled` of the request; its differences are the deployment's."""
    enabled = values.get(("appInsightsEnabled",))
    return {} if enabled is None else {"app_insights_enabled": enabled}


def primary_key(values: Mapping[Path, Any], reading: Reading) -> dict[str, str]:
    """Return the `primary_key` of the request; faults never repeat a key.

    The SDK sends the keys of the file only when the primary one is there (azureml-core, core/webservice/aks.py).
    """
    primary, secondary = (values.get(("keys", name)) for name in ("primaryKey", "secondaryKey"))
    for name, key in (("primaryKey", primary), ("secondaryKey", secondary)):
        try:
            if key:
                check_key(key)
        except BadArgument as error:
            reading.fault(("keys", name), error.message)
    if secondary:
        told = "no effect: the endpoint has a secondary key of its own" if primary else "ignored without a primaryKey"
        text = told if primary else f"{told}, as in the cloud"
        reading.note(("keys", "secondaryKey"), differs("v1.secondary_key", text))
    return {"primary_key": primary} if primary else {}
