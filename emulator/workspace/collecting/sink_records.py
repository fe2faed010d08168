"""Records of the containers' sinks, validated: any script may have written them."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from emulator.containers.cloud_events import Collected, attribute_name, content_range
from emulator.containers.data_collection import custom_collections
from emulator.entities import OnlineDeployment
from emulator.profiles import profile_of
from emulator.store.sinks import SinkFolder

_EVENT_TYPE = "azureml.inference."
_ID = re.compile(r"[A-Za-z0-9-]{1,64}")  # it may become a file's name
# The parts of a Collector's event in the order of row collection.collector_attributes.
_ATTRIBUTES = {
    "xrequestid": "ce-x-request-id",
    "modelversion": "ce-model-version",
    "collectdatatype": "ce-collect-data-type",
    "agent": "ce-agent",
}
_TELEMETRY = {
    "RequestData": "request",
    "MessageData": "trace",
    "ExceptionData": "exception",
    "EventData": "event",
    "RemoteDependencyData": "dependency",
    "MetricData": "metric",
}


@dataclass(frozen=True)
class SinkRecord:
    """A record that a container's sink received, with its deployment."""

    deployment: OnlineDeployment
    instance: str
    record: Mapping[str, Any]


def read_sink_records(deployment: OnlineDeployment, folder: SinkFolder, content: bytes) -> Iterator[SinkRecord]:
    """Yield the records of a file; invalid lines are skipped."""
    for line in content.splitlines():
        with suppress(ValueError, RecursionError):
            record = json.loads(line)
            if isinstance(record, dict):
                host = str(record.get("host", ""))
                instance = host[:12] if _ID.fullmatch(host) else folder.path.name
                yield SinkRecord(deployment, instance, record)


def collected_of(
    record: Mapping[str, Any], deployment: OnlineDeployment, instance: str
) -> tuple[str, Collected | None]:
    """Return the collection of a Collector's record ('' if it is not enabled), and its event (None if it is invalid).

    azureml-ai-monitoring has posted the record: its headers `ce-*` are attributes of the event, without the
    dashes.
    """
    given = record.get("attributes")
    attributes = {str(name): str(value) for name, value in given.items()} if isinstance(given, dict) else {}
    name = enabled_name(attributes.get("ce-type", ""), deployment)
    collector = deployment.data_collector
    if not name or collector is None:
        return "", None
    id = str(record.get("id", ""))
    if not _ID.fullmatch(id):
        return name, None
    try:
        body = base64.b64decode(str(record.get("body")), validate=True)
        time = float(attributes.get("ce-time", ""))
        if not 0 <= time < 253402300800:  # the year 10000
            raise ValueError("no time of a file's path")
    except (ValueError, binascii.Error):
        return name, None
    one = Collected(
        id=id,
        endpoint=deployment.endpoint_name,
        deployment=deployment.name,
        instance=instance,
        collection=name,
        profile=profile_of(deployment.target).collection,
        rolling_rate=collector.rolling_rate,
        time=time,
        content_type=str(record.get("content_type", "")),
        body=body,
    )
    return name, replace(one, attributes=_collector_attributes(attributes, len(body)))


def _collector_attributes(given: Mapping[str, str], size: int) -> dict[str, str]:
    correlation = given.get("ce-x-request-id")
    known = {name: given[header] for name, header in _ATTRIBUTES.items() if header in given}
    taken = {"ce-type", "ce-time", *_ATTRIBUTES.values()}
    more = {attribute_name(name.removeprefix("ce-")): value for name, value in given.items() if name not in taken}
    own = ({"correlationid": correlation} if correlation else {}) | known | {"contentrange": content_range(size)}
    return own | {name: value for name, value in more.items() if name and name not in own}


def enabled_name(event_type: str, deployment: OnlineDeployment) -> str:
    """Return the collection of an event type as the deployment spells it, '' if it is not enabled."""
    name = event_type.removeprefix(_EVENT_TYPE).lower()
    return next((known for known in custom_collections(deployment) if known.lower() == name), "")


def telemetry_line(item: Any, deployment: str, instance: str, now: str) -> dict[str, Any] | None:
    """Return an envelope of Application Insights as a line of the log; None for anything else."""
    data = item.get("data") if isinstance(item, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get("baseData"), dict):
        return None
    kind = str(data.get("baseType", ""))
    return {
        "TimeGenerated": str(item.get("time") or now),
        "Type": _TELEMETRY.get(kind, kind),
        "DeploymentName": deployment,
        "InstanceId": instance,
        "Data": data["baseData"],
    }
