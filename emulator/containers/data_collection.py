"""What data_collector and app_insights_enabled mean for a deployment's containers and for its requests.  Pure.

In the cloud a service beside the container takes what a Collector sends, and Application Insights what the scoring
server sends.  Here a small program in the container, the sink, takes both and puts them into a folder that the
container shares with the emulator, so that nothing of it needs a network.
"""

from __future__ import annotations

from typing import Any

from emulator.difference import Difference, differs, fails_in_cloud, only_here
from emulator.entities import DataCollector, OnlineDeployment
from emulator.profiles import CollectionProfile, profile_of
from emulator.routing.routes import PayloadCollection

PAYLOADS = ("request", "response")
"""The collections that the front door fills; every other name is a Collector's."""
SINK_FOLDER = "/var/amlemu-sink"
SINK_PROGRAM = "sink.py"
MDC_CONFIG = "mdc-config.json"
SINK_VARIABLE = "AMLEMU_SINK"

# Nothing listens there, so that what no sink takes goes nowhere; the launcher puts the sink's port in its place.
_NOWHERE = "http://127.0.0.1:9/"
# An instrumentation key must be a UUID; this one belongs to nobody.
_INSTRUMENTATION_KEY = "a3e1e5b0-0000-4000-8000-000000000000"


def custom_collections(deployment: OnlineDeployment) -> list[str]:
    """Return the names of the enabled collections that Collectors fill, as the deployment spells them."""
    collector = deployment.data_collector
    if collector is None or not profile_of(deployment.target).collection.available:
        return []
    return [name for name, one in collector.collections.items() if one.enabled and name.lower() not in PAYLOADS]


def payload_collection(deployment: OnlineDeployment) -> PayloadCollection | None:
    """Return what the front door collects of the deployment's requests, None when nothing."""
    collector = deployment.data_collector
    if collector is None or not profile_of(deployment.target).collection.available:
        return None
    enabled = {name.lower() for name, one in collector.collections.items() if one.enabled}
    if not enabled & set(PAYLOADS) or collector.sampling_rate == 0:
        return None
    return PayloadCollection(
        request="request" in enabled,
        response="response" in enabled,
        sampling_rate=collector.sampling_rate,
        rolling_rate=collector.rolling_rate,
        capture_headers=collector.capture_headers,
    )


def has_insights(deployment: OnlineDeployment) -> bool:
    """Return whether the container is told to send to Application Insights."""
    return deployment.app_insights_enabled and profile_of(deployment.target).collection.insights


def needs_sink(deployment: OnlineDeployment) -> bool:
    """Return whether the deployment's containers have something to hand over; one without the launcher has no sink."""
    collects = bool(custom_collections(deployment)) or has_insights(deployment)
    return collects and deployment.code_configuration is not None and deployment.inference_config is None


def mdc_config(deployment: OnlineDeployment) -> dict[str, Any]:
    """Return the file that azureml-ai-monitoring reads (row collection.collector_variables)."""
    collector = deployment.data_collector or DataCollector()
    percent = round(collector.sampling_rate * 100, 6)
    return {
        "runMode": "cloud",
        "collections": {
            name: {"enabled": True, "sampleRatePercentage": int(percent) if percent == int(percent) else percent}
            for name in custom_collections(deployment)
        },
    }


def collection_variables(deployment: OnlineDeployment) -> dict[str, str]:
    """Return the variables that lead the container's packages to where their data is taken."""
    variables = _insights_variables() if has_insights(deployment) else {}
    if needs_sink(deployment) and custom_collections(deployment):
        variables["AZUREML_MDC_CONFIG_PATH"] = f"{SINK_FOLDER}/{MDC_CONFIG}"
    return variables


def _insights_variables() -> dict[str, str]:
    """AML_APP_INSIGHTS_* as the cloud sets them, but for the endpoint, and what keeps every server on this machine.

    Servers before 0.5 read AML_APP_INSIGHTS_ENDPOINT.  Later ones do not: their exporters (opencensus, then
    azure-monitor-opentelemetry-exporter) send to Microsoft unless the variable with the connection string names another
    endpoint, and tell Microsoft of their own use unless told not to.
    """
    return {
        "AML_APP_INSIGHTS_ENABLED": "true",
        "AML_APP_INSIGHTS_KEY": _INSTRUMENTATION_KEY,
        "AML_APP_INSIGHTS_ENDPOINT": f"{_NOWHERE}v2/track",
        "APPLICATIONINSIGHTS_CONNECTION_STRING": (
            f"InstrumentationKey={_INSTRUMENTATION_KEY};IngestionEndpoint={_NOWHERE};LiveEndpoint={_NOWHERE}"
        ),
        "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
        "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
    }


def collection_differences(deployment: OnlineDeployment) -> list[Difference]:
    """Return where data collection and Application Insights depart from the cloud's."""
    profile = profile_of(deployment.target).collection
    found = _collector_differences(deployment, profile) if deployment.data_collector else []
    if has_insights(deployment):
        told = "`amlemu logs --insights` shows what the server sends" if needs_sink(deployment) else "nothing takes it"
        found.append(only_here("insights.local", f"app_insights_enabled: nothing leaves this machine, {told}"))
    elif deployment.app_insights_enabled:
        text = f"app_insights_enabled has no effect: target {deployment.target} has no such setting"
        found.append(differs("insights.not_in_target", text))
    return found


def _collector_differences(deployment: OnlineDeployment, profile: CollectionProfile) -> list[Difference]:
    if not profile.available:
        text = f"data_collector collects nothing: target {deployment.target} has none"
        return [differs("collection.not_in_target", text)]
    custom = custom_collections(deployment)
    if not custom and payload_collection(deployment) is None:
        return []
    kept = "collected data is kept in AMLEMU_HOME/modelDataCollector; no data asset is registered for it"
    found = [only_here("collection.kept_here", kept)]
    collections = deployment.data_collector.collections if deployment.data_collector else {}
    elsewhere = sorted(name for name, one in collections.items() if one.enabled and one.data and one.data.get("path"))
    if elsewhere:
        found.append(differs("collection.data_path", f"data.path of {', '.join(elsewhere)} is not followed"))
    if len(custom) > profile.most_custom:
        text = f"{len(custom)} custom collections: the cloud documents {profile.most_custom}"
        found.append(fails_in_cloud("collection.too_many", text))
    if custom and not needs_sink(deployment):
        text = f"nothing takes what Collectors send in this container: {', '.join(custom)}"
        found.append(differs("collection.no_sink", text))
    return found
