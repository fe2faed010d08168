"""The parity table of data_collector and app_insights_enabled."""

from __future__ import annotations

from emulator.profiles.facts import Row, assumed, documented, everywhere, observed, row

_PAGE = "contract/managed §5.6: how-to-collect-production-data"
_PACKAGE = "contract/managed §5.6: azureml-ai-monitoring 1.0.0, its own source"
_REST = "contract/managed §5.6: REST DataCollector.rollingRate"
_ONLINE_ONLY = documented(
    False, "contract/managed §5.6: concept-data-collection names managed and Kubernetes online endpoints only"
)
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
_V1_READS = "contract/v1 §7: the server reads AML_APP_INSIGHTS_ENABLED and AML_APP_INSIGHTS_KEY"

_VARIABLES = ("AML_APP_INSIGHTS_ENABLED", "AML_APP_INSIGHTS_KEY", "AML_APP_INSIGHTS_ENDPOINT")

COLLECTION_ROWS: tuple[Row, ...] = (
    row(
        "collection.available",
        "Deployments of the target may have a data_collector; elsewhere it is kept and collects nothing.",
        managed=documented(True, _PAGE),
        kubernetes=documented(True, _PAGE),
        aks=_ONLINE_ONLY,
        aci=_ONLINE_ONLY,
        local=_ONLINE_ONLY,
    ),
    everywhere(
        "collection.path",
        "Where a collected line lies: below the workspace's blob store in the cloud, below AMLEMU_HOME here.",
        documented(
            "modelDataCollector/{endpoint}/{deployment}/{collection}/{yyyy}/{MM}/{dd}/{HH}/{instance_id}.jsonl", _PAGE
        ),
    ),
    everywhere("collection.rolled_by_day", "The folders of rolling_rate `day`.", documented("{yyyy}/{MM}/{dd}", _REST)),
    everywhere(
        "collection.rolled_by_minute",
        "The folders of rolling_rate `minute`.",
        assumed("{yyyy}/{MM}/{dd}/{HH}/{mm}", "contract/managed §5.6: only hour and day are described"),
    ),
    everywhere(
        "collection.request_attributes",
        "What the line of a request holds, a CloudEvent: collection `request`, type azureml.inference.request.",
        documented(_REQUEST, _PAGE),
    ),
    everywhere(
        "collection.response_attributes",
        "What the line of a response holds: collection `response`, type azureml.inference.response.",
        documented(_RESPONSE, _PAGE),
    ),
    everywhere(
        "collection.collector_attributes",
        "What the line of a Collector holds: type azureml.inference.<its name>; correlationid and xrequestid are both"
        " the id of the correlation context, which the package draws itself.",
        documented(_COLLECTOR, f"{_PAGE}; {_PACKAGE}"),
    ),
    everywhere(
        "collection.correlation",
        "correlationid and xrequestid of a request and of its response are the request's x-request-id.",
        documented("x-request-id", _PAGE),
    ),
    everywhere(
        "collection.unknown_length",
        "contentrange of a request whose length was not said beforehand.",
        assumed("bytes 0-{last}/*", "how-to-collect-production-data: one of its two requests has '*'"),
    ),
    everywhere(
        "collection.headers",
        "The attribute of the request's line that a header of capture_headers becomes: `plain`, its small letters and"
        " digits alone, or `dashed`, all of its name; Authorization becomes none.",
        assumed("plain", "contract/managed §3.1; as x-request-id becomes xrequestid"),
    ),
    everywhere(
        "collection.paths_left_out",
        "Requests that are not collected although they reach the container.",
        assumed(("/", "/swagger.json"), "nobody documents it; neither is scored"),
    ),
    everywhere(
        "collection.containers_answer",
        "What is collected is the container's own answer, not what mapping its status leaves of it; what the front door"
        " answers by itself is not collected.",
        assumed(True, "contract/managed §4.4: the collector stands beside the container"),
    ),
    everywhere(
        "collection.sampling",
        "sampling_rate is the share of what is collected, drawn for each request and for each collect().",
        documented("0.0-1.0", _PAGE),
    ),
    everywhere(
        "collection.one_draw",
        "One draw decides on a request and its response together, so that each has its other half.",
        assumed(True, "nobody documents it"),
    ),
    everywhere(
        "collection.inline_bytes",
        "Longer data lies in a file of its own, {endpoint}/{deployment}/{rolled}/{id}.jsonl, and the line says where.",
        documented(4 * _MB, f"{_PAGE}; Lua of an older front door: 1 MiB"),
    ),
    everywhere(
        "collection.longest_bytes",
        "Longer data is not collected, and counts as an error.",
        assumed(16 * _MB, "nobody documents it; amlemu's memory has a bound"),
    ),
    everywhere(
        "collection.binary",
        "Data that is no text lies in a file of its own beside the lines, named for the event's id; its line has"
        " datainblob.",
        documented({"datacontenttype": "text/plain", "datainblob": "true"}, _PAGE),
    ),
    everywhere(
        "collection.text",
        "Text that is no JSON is a text in the line; what has another content type than JSON or text/*, an encoding or"
        " bytes that are not UTF-8 is no text.",
        assumed(True, "nobody documents it"),
    ),
    everywhere(
        "collection.most_custom",
        "So many Collectors a script may have; more are a difference.",
        documented(5, _PAGE),
    ),
    everywhere(
        "collection.collector_off",
        "What Collector(name=...) raises where the deployment does not enable it, unless it is given on_error.",
        documented(
            ("custom logging is not enabled, drop the data", "collection {name} is not enabled, drop the data"),
            f"{_PACKAGE}; the page: by default an exception is raised",
        ),
    ),
    everywhere(
        "collection.collector_variables",
        "How the container's Collector finds its configuration and the service that takes its data.",
        documented(("AZUREML_MDC_CONFIG_PATH", "AZUREML_MDC_HOST", "AZUREML_MDC_PORT"), _PACKAGE),
    ),
    everywhere(
        "collection.kept",
        "Collected data stays when its deployment or endpoint is deleted.",
        assumed(True, "it lies in the workspace's blob store, which no endpoint owns"),
    ),
    everywhere(
        "collection.metrics",
        "The metrics of data collection in `/_amlemu/metrics`, Azure Monitor's names in snake case.",
        documented(_METRICS, "contract/managed §9: Azure Monitor's supported metrics"),
    ),
    row(
        "insights.available",
        "app_insights_enabled makes the container's server send to Application Insights; here to a stand-in in the"
        " container, whose lines `amlemu logs --insights` shows.",
        managed=observed(True, "contract/managed §6.1: mi2-deploy.ipynb"),
        kubernetes=assumed(True, "contract/managed §6.1, as managed"),
        aks=documented(True, _V1_READS),
        aci=documented(True, _V1_READS),
        local=documented(False, "contract/v1 §8: LocalWebservice has no such setting"),
    ),
    everywhere(
        "insights.variables",
        "The variables of a container that sends to Application Insights; their endpoint is the stand-in's.",
        observed(_VARIABLES, "contract/managed §6.1: mi2-deploy.ipynb"),
    ),
)
