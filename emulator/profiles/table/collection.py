"""The parity table of data_collector and app_insights_enabled."""

from __future__ import annotations

from emulator.profiles.facts import Row, assumed, documented, observed, row
from emulator.profiles.sources import (
    COLLECT,
    COLLECT_CONCEPT,
    DEPLOYMENT_METRICS,
    ENDPOINT_METRICS,
    LOCAL_WEBSERVICE,
    MANAGED_YAML,
    MEDIMAGE,
    MONITORING,
    SDK,
    SERVER_CONFIG,
)
from emulator.profiles.table.common import AS_MANAGED

_PAYLOAD = COLLECT.at("Perform payload logging")
_STORED = COLLECT.at("Store collected data in Blob Storage")
_CUSTOM = COLLECT.at("Perform custom logging for model monitoring")
_BINARY = COLLECT.at("Store binary data")
_UNDOCUMENTED = "nothing public says it"
_REQUEST = (
    "specversion", "id", "source", "type", "datacontenttype", "time", "data", "path", "method", "contentrange",
    "correlationid", "xrequestid",
)  # fmt: skip
_RESPONSE = tuple(name for name in _REQUEST if name not in ("path", "method"))
_COLLECTOR = (
    "specversion", "id", "source", "type", "datacontenttype", "time", "data", "correlationid", "xrequestid",
    "modelversion", "collectdatatype", "agent", "contentrange",
)  # fmt: skip
_MB = 1024 * 1024
_METRICS = ("data_collection_events_per_minute", "data_collection_errors_per_minute")

_VARIABLES = ("AML_APP_INSIGHTS_ENABLED", "AML_APP_INSIGHTS_KEY", "AML_APP_INSIGHTS_ENDPOINT")

COLLECTION_ROWS: tuple[Row, ...] = (
    row(
        "collection.available",
        "Deployments of the target may have a data_collector; elsewhere it is kept and collects nothing.",
        documented(False, COLLECT_CONCEPT, note="managed and Kubernetes online endpoints only"),
        v2=documented(True, COLLECT),
    ),
    row(
        "collection.path",
        "Where a collected line lies: below the workspace's blob store in the cloud, below AMLEMU_HOME here.",
        documented(
            "modelDataCollector/{endpoint}/{deployment}/{collection}/{yyyy}/{MM}/{dd}/{HH}/{instance_id}.jsonl", _STORED
        ),
    ),
    row(
        "collection.rolled_by_day",
        "The folders of rolling_rate `day`.",
        documented("{yyyy}/{MM}/{dd}", SDK.at("DataCollector"), MANAGED_YAML.at("DataCollector")),
    ),
    row(
        "collection.rolled_by_minute",
        "The folders of rolling_rate `minute`.",
        assumed("{yyyy}/{MM}/{dd}/{HH}/{mm}", "the folders of an hour are described, one level less", _STORED),
    ),
    row(
        "collection.request_attributes",
        "What the line of a request holds, a CloudEvent: collection `request`, type azureml.inference.request.",
        documented(_REQUEST, _PAYLOAD),
    ),
    row(
        "collection.response_attributes",
        "What the line of a response holds: collection `response`, type azureml.inference.response.",
        documented(_RESPONSE, _PAYLOAD),
    ),
    row(
        "collection.collector_attributes",
        "What the line of a Collector holds: type azureml.inference.<its name>; correlationid and xrequestid are both"
        " the id of the correlation context, which the package draws itself.",
        documented(_COLLECTOR, _STORED, MONITORING),
    ),
    row(
        "collection.correlation",
        "correlationid and xrequestid of a request and of its response are the request's x-request-id.",
        documented("x-request-id", _PAYLOAD),
    ),
    row(
        "collection.unknown_length",
        "contentrange of a request whose length was not said beforehand.",
        assumed("bytes 0-{last}/*", "one of the page's two requests has '*'", _PAYLOAD),
    ),
    row(
        "collection.headers",
        "The attribute of the request's line that a header of capture_headers becomes: `plain`, its small letters and"
        " digits alone, or `dashed`, all of its name; Authorization becomes none.",
        assumed("plain", "as x-request-id becomes xrequestid", _PAYLOAD),
    ),
    row(
        "collection.paths_left_out",
        "Requests that are not collected although they reach the container.",
        assumed(("/", "/swagger.json"), f"{_UNDOCUMENTED}; neither is scored"),
    ),
    row(
        "collection.containers_answer",
        "What is collected is the container's own answer, not what mapping its status leaves of it; what the front door"
        " answers by itself is not collected.",
        assumed(True, f"{_UNDOCUMENTED}; the collector stands beside the container"),
    ),
    row(
        "collection.sampling",
        "sampling_rate is the share of what is collected, drawn for each request and for each collect().",
        documented("0.0-1.0", MANAGED_YAML.at("DataCollector")),
    ),
    row(
        "collection.one_draw",
        "One draw decides on a request and its response together, so that each has its other half.",
        assumed(True, f"{_UNDOCUMENTED}; a request without its response says little"),
    ),
    row(
        "collection.inline_bytes",
        "Longer data lies in a file of its own, {endpoint}/{deployment}/{rolled}/{id}.jsonl, and the line says where.",
        documented(4 * _MB, COLLECT.at("Store large payloads")),
    ),
    row(
        "collection.longest_bytes",
        "Longer data is not collected, and counts as an error.",
        assumed(16 * _MB, f"{_UNDOCUMENTED}; amlemu's memory has a bound"),
    ),
    row(
        "collection.binary",
        "Data that is no text lies in a file of its own beside the lines, named for the event's id; its line has"
        " datainblob.",
        documented({"datacontenttype": "text/plain", "datainblob": "true"}, _BINARY),
    ),
    row(
        "collection.text",
        "Text that is no JSON is a text in the line; what has another content type than JSON or text/*, an encoding or"
        " bytes that are not UTF-8 is no text.",
        assumed(True, f"{_UNDOCUMENTED}; the page has text only as the type of binary data", _BINARY),
    ),
    row(
        "collection.most_custom",
        "So many Collectors a script may have; more are a difference.",
        documented(5, _CUSTOM),
    ),
    row(
        "collection.collector_off",
        "What Collector(name=...) raises where the deployment does not enable it, unless it is given on_error.",
        documented(
            ("custom logging is not enabled, drop the data", "collection {name} is not enabled, drop the data"),
            MONITORING.at("collector_json.py"),
            _CUSTOM,
        ),
    ),
    row(
        "collection.collector_variables",
        "How the container's Collector finds its configuration and the service that takes its data.",
        documented(
            ("AZUREML_MDC_CONFIG_PATH", "AZUREML_MDC_HOST", "AZUREML_MDC_PORT"), MONITORING.at("config/config.py")
        ),
    ),
    row(
        "collection.kept",
        "Collected data stays when its deployment or endpoint is deleted.",
        assumed(True, "it lies in the workspace's blob store, which no endpoint owns", _STORED),
    ),
    row(
        "collection.metrics",
        "The metrics of data collection in `/_amlemu/metrics`, Azure Monitor's names in snake case.",
        documented(_METRICS, ENDPOINT_METRICS, DEPLOYMENT_METRICS),
    ),
    row(
        "insights.available",
        "app_insights_enabled makes the container's server send to Application Insights; here to a stand-in in the"
        " container, whose lines `amlemu logs --insights` shows.",
        managed=observed(True, MEDIMAGE),
        kubernetes=assumed(True, AS_MANAGED, MEDIMAGE),
        v1=documented(True, SERVER_CONFIG, note="the server reads AML_APP_INSIGHTS_ENABLED and AML_APP_INSIGHTS_KEY"),
        local=documented(False, LOCAL_WEBSERVICE, note="there is no such setting"),
    ),
    row(
        "insights.variables",
        "The variables of a container that sends to Application Insights; their endpoint is the stand-in's.",
        observed(_VARIABLES, MEDIMAGE),
    ),
)
