"""What deploymentconfig.json of aci and of aks have in common: keys, resources, and what only a cloud acts upon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from emulator.documents import Path
from emulator.errors import BadArgument
from emulator.names import check_key
from emulator.v1_files.reading import AMOUNT, FLAG, SECTION, TEXT, Keys, Reading

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
    """The values of those keys as `cloud_settings`; a difference for each group in which something is asked for."""
    kept = {key: values[(key,)] for keys, _ in groups for key in keys if (key,) in values}
    for keys, reason in groups:
        asked = [key for key in keys if kept.get(key)]
        if asked:
            reading.differs((asked[0],), f"{', '.join(asked)}: no effect, {reason}")
    return kept


def resources(values: Mapping[Path, Any], reading: Reading) -> dict[str, Any]:
    """What is asked for a container, as `cloud_settings`; faults as the SDK's."""
    found = {str(path[1]): value for path, value in values.items() if path[:-1] == CONTAINER_RESOURCES}
    for least, limit in (("cpu", "cpuLimit"), ("memoryInGB", "memoryInGBLimit")):
        if least in found and limit in found and found[limit] < found[least]:
            reading.fault((*CONTAINER_RESOURCES, limit), f"must be greater than or equal to {least}")
    if not found:
        return {}
    reading.differs(CONTAINER_RESOURCES, "no effect: the container has no such limit here")
    return {str(CONTAINER_RESOURCES[0]): found}


def app_insights(values: Mapping[Path, Any], reading: Reading) -> dict[str, bool]:
    """The `app_insights_enabled` of the request."""
    enabled = values.get(("appInsightsEnabled",))
    if enabled:
        reading.differs(("appInsightsEnabled",), "nothing is sent anywhere: there is no Application Insights")
    return {} if enabled is None else {"app_insights_enabled": enabled}


def primary_key(values: Mapping[Path, Any], reading: Reading) -> dict[str, str]:
    """The `primary_key` of the request; faults never repeat a key.

    The SDK sends the keys of the file only when the primary one is there (contract/v1 §5).
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
        reading.differs(("keys", "secondaryKey"), told if primary else f"{told}, as in the cloud")
    return {"primary_key": primary} if primary else {}
