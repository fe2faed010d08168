"""The parity table of time and quantity: time-outs, concurrency, and the limits of an endpoint.

Times are milliseconds, sizes bytes.
"""

from __future__ import annotations

from emulator.profiles.facts import Answer, Row, assumed, documented, observed, row
from emulator.profiles.sources import (
    ACI_QUEUES,
    ACI_TIMEOUT,
    ACI_TIMEOUT_FIXED,
    AKS_OVERLOADED,
    AKS_TIMEOUT,
    KUBERNETES_STATUS,
    KUBERNETES_YAML,
    LOCAL_WEBSERVICE,
    MANAGED_STATUS,
    MANAGED_YAML,
    QUOTAS,
    ROUTER,
    SERVER_CONFIG,
    SERVER_GUIDE,
    SERVER_WORKERS,
    SUMMARY_NOTEBOOK,
    TROUBLESHOOT,
    V1_ACI,
    V1_AKS,
    V1_TROUBLESHOOT,
    WORK_GOES_ON,
)
from emulator.profiles.table.common import AS_MANAGED, NO_FRONT_DOOR

_MANAGED_SETTINGS = MANAGED_YAML.at("RequestSettings")
_KUBERNETES_SETTINGS = KUBERNETES_YAML.at("RequestSettings")
_AKS = V1_AKS.at("Deploy to AKS")
_NO_LIMIT_NAMED = assumed(None, "the page names the limit for managed endpoints only", QUOTAS)
_V1_NO_LIMIT_NAMED = assumed(None, "no page of v1 names such a limit")
_SPIKES_ARE_503 = documented(None, KUBERNETES_STATUS, note="503 instead")
_AKS_503 = documented(None, V1_TROUBLESHOOT.at("HTTP status code 503"), note="503 instead")
_ACI_QUEUES = observed(None, ACI_QUEUES, note="requests wait in the container's own queue")
_NO_TIMEOUT = documented(True, LOCAL_WEBSERVICE, note="there is neither a queue nor a time-out")
_ONE_INSTANCE = documented(True, LOCAL_WEBSERVICE, note="there is one instance")
_TIMED_OUT = Answer(504, "upstream request timeout")
_ACI_TIMED_OUT = Answer(
    504,
    "Post http://localhost:5001/score: net/http: request canceled (Client.Timeout exceeded while awaiting headers)",
)
_OVERLOADED = Answer(503, "Too many requests for service {endpoint} (overloaded)")
_TOO_LONG = Answer(413, "Request Entity Too Large")
_HUNDRED_MB = 100 * 1024 * 1024
_FIVE_MB = 5_000_000

ADMISSION_ROWS: tuple[Row, ...] = (
    row(
        "timeouts.default_ms",
        "request_timeout_ms (v1: scoring_timeout_ms) of a deployment that sets none. None: no limit.",
        managed=documented(5_000, _MANAGED_SETTINGS),
        kubernetes=documented(5_000, _KUBERNETES_SETTINGS, KUBERNETES_STATUS),
        aks=documented(60_000, _AKS),
        aci=observed(60_000, ACI_TIMEOUT),
        local=documented(None, SERVER_CONFIG, note="only the server's own hour"),
    ),
    row(
        "timeouts.longest_ms",
        "The longest that may be set.",
        managed=documented(180_000, _MANAGED_SETTINGS, QUOTAS),
        kubernetes=documented(300_000, QUOTAS),
        aks=observed(300_000, AKS_TIMEOUT, note="seen, not said to be the most"),
        aci=observed(60_000, ACI_TIMEOUT_FIXED, note="it cannot be set"),
        local=NO_FRONT_DOOR,
    ),
    row(
        "timeouts.answer",
        "The answer when the time is over.",
        managed=documented(
            Answer(408, "upstream request timeout"),
            MANAGED_STATUS,
            WORK_GOES_ON,
            SUMMARY_NOTEBOOK,
            note="the page has the status, the others the text",
        ),
        kubernetes=documented(_TIMED_OUT, KUBERNETES_STATUS, note="the status; the text is managed's"),
        aks=documented(
            _TIMED_OUT, V1_TROUBLESHOOT.at("HTTP status code 504"), note="the status; the text is managed's"
        ),
        aci=observed(_ACI_TIMED_OUT, ACI_TIMEOUT),
        local=NO_FRONT_DOOR,
    ),
    row(
        "timeouts.includes_queue",
        "The time that a request waits in the front door's queue counts.",
        assumed(True, AS_MANAGED, _MANAGED_SETTINGS),
        managed=documented(True, _MANAGED_SETTINGS, note="max_queue_wait_ms has become a part of the time-out"),
        local=_NO_TIMEOUT,
    ),
    row(
        "timeouts.container_goes_on",
        "The container is not told: it works on what the caller was given up on, and later requests wait behind it. No:"
        " its connection is reset.",
        assumed(True, AS_MANAGED, WORK_GOES_ON),
        managed=observed(True, WORK_GOES_ON),
        local=_NO_TIMEOUT,
    ),
    row(
        "timeouts.cuts_streams",
        "An answer that has begun when the time is over ends there, without its rest. No: it goes on.",
        assumed(True, "the time-out is said to be that of the request, as Envoy's is"),
        local=_NO_TIMEOUT,
    ),
    row(
        "concurrency.default",
        "max_concurrent_requests_per_instance of a deployment that sets none.",
        managed=documented(1, _MANAGED_SETTINGS),
        kubernetes=documented(1, _KUBERNETES_SETTINGS),
        aks=documented(1, _AKS),
        aci=assumed(1, "there is no such setting; the server has one worker", SERVER_WORKERS),
        local=documented(1, SERVER_WORKERS, note="there is no such setting; the server has one worker"),
    ),
    row(
        "concurrency.admitted_factor",
        "At most so many times max_concurrent_requests_per_instance * instance_count requests are in flight, decided as"
        " a request arrives. None: there is another rule, or none.",
        managed=documented(2, MANAGED_STATUS),
        kubernetes=documented(None, _KUBERNETES_SETTINGS, note="max_queue_wait_ms rules"),
        aks=documented(None, _AKS, note="max_request_wait_time rules"),
        aci=_ACI_QUEUES,
        local=NO_FRONT_DOOR,
    ),
    row(
        "concurrency.too_many",
        "The answer to one request more, its body empty.",
        managed=documented(Answer(429, ""), MANAGED_STATUS, note="the status; the empty body is assumed"),
        kubernetes=_SPIKES_ARE_503,
        aks=_AKS_503,
        aci=_ACI_QUEUES,
        local=NO_FRONT_DOOR,
    ),
    row(
        "concurrency.too_many_reason",
        "The reason that such an answer gives in the header of status.reason_header.",
        managed=assumed(
            "too_many_pending_request",
            "the header is documented, its words are not; an Envoy filter without a public address sets this one",
            MANAGED_STATUS,
        ),
        kubernetes=_SPIKES_ARE_503,
        aks=_AKS_503,
        aci=_ACI_QUEUES,
        local=NO_FRONT_DOOR,
    ),
    row(
        "concurrency.queues",
        "An instance gets no more than max_concurrent_requests_per_instance requests at once; others wait in the front"
        " door for a free one.",
        managed=assumed(
            False, "twice the concurrency is let in, so the second of two waits in the container", MANAGED_STATUS
        ),
        kubernetes=documented(True, ROUTER.at("Autoscaling"), _KUBERNETES_SETTINGS),
        aks=documented(True, _AKS),
        aci=observed(False, ACI_QUEUES),
        local=documented(False, LOCAL_WEBSERVICE, note="there is no front door"),
    ),
    row(
        "concurrency.queue_wait_ms",
        "max_queue_wait_ms (v1: max_request_wait_time) of a deployment that sets none: how long a request waits for a"
        " free instance. None: there is no such queue.",
        managed=documented(None, _MANAGED_SETTINGS, note="deprecated, without a described effect"),
        kubernetes=documented(500, _KUBERNETES_SETTINGS),
        aks=documented(500, _AKS),
        aci=_ACI_QUEUES,
        local=NO_FRONT_DOOR,
    ),
    row(
        "concurrency.overloaded",
        "The answer when no instance became free in that time.",
        managed=documented(None, MANAGED_STATUS, note="429 at once instead"),
        kubernetes=documented(_OVERLOADED, KUBERNETES_STATUS, AKS_OVERLOADED, note="the text is that of AKS"),
        aks=observed(_OVERLOADED, AKS_OVERLOADED),
        aci=_ACI_QUEUES,
        local=NO_FRONT_DOOR,
    ),
    row(
        "concurrency.least_busy",
        "A request goes to the instance with the fewest in flight. No: the instances take turns.",
        managed=assumed(True, "nothing public says it; as Envoy's least-request balancing"),
        kubernetes=documented(True, ROUTER, note="the router knows which replicas are busy"),
        aks=documented(True, V1_AKS.at("Autoscaling"), note="the router knows which replicas are busy"),
        aci=documented(True, V1_ACI, note="there is a single replica"),
        local=_ONE_INSTANCE,
    ),
    row(
        "limits.requests_per_second",
        "Requests per second and endpoint. None: no limit is named.",
        managed=documented(500, QUOTAS),
        kubernetes=_NO_LIMIT_NAMED,
        v1=_V1_NO_LIMIT_NAMED,
        local=NO_FRONT_DOOR,
    ),
    row(
        "limits.too_fast",
        "The answer beyond that.",
        managed=documented(Answer(429, "Too many requests"), MANAGED_STATUS, note="the status; the body is assumed"),
        kubernetes=_NO_LIMIT_NAMED,
        v1=_V1_NO_LIMIT_NAMED,
        local=NO_FRONT_DOOR,
    ),
    row(
        "limits.connections",
        "Connections that callers hold to an endpoint at once; one more is closed at once (how the cloud refuses it is"
        " not known). None: no limit is named.",
        managed=documented(500, QUOTAS),
        kubernetes=_NO_LIMIT_NAMED,
        v1=_V1_NO_LIMIT_NAMED,
        local=NO_FRONT_DOOR,
    ),
    row(
        "limits.new_connections_per_second",
        "Connections that callers may make to an endpoint in a second; one more is closed at once, as above.",
        managed=documented(500, QUOTAS),
        kubernetes=_NO_LIMIT_NAMED,
        v1=_V1_NO_LIMIT_NAMED,
        local=NO_FRONT_DOOR,
    ),
    row(
        "limits.bytes_per_second",
        "Bytes of all bodies, in and out, per second and endpoint; more is delayed and never refused.",
        managed=documented(_FIVE_MB, QUOTAS),
        kubernetes=_NO_LIMIT_NAMED,
        v1=_V1_NO_LIMIT_NAMED,
        local=NO_FRONT_DOOR,
    ),
    row(
        "limits.bandwidth_trailers",
        "The trailers that tell of the delay, request's and response's, in milliseconds; amlemu can send them only"
        " after a chunked answer.",
        managed=documented(
            ("ms-azureml-bandwidth-request-delay-ms", "ms-azureml-bandwidth-response-delay-ms"),
            TROUBLESHOOT.at("Bandwidth limit issues"),
        ),
        kubernetes=_NO_LIMIT_NAMED,
        v1=_V1_NO_LIMIT_NAMED,
        local=NO_FRONT_DOOR,
    ),
    row(
        "limits.request_bytes",
        "The longest body of a request. None: no limit is named.",
        managed=documented(None, QUOTAS, note="no size is among the limits"),
        kubernetes=assumed(None, "no size is among the limits, nor is one named elsewhere", QUOTAS),
        aks=documented(_HUNDRED_MB, V1_AKS.at("Azure Machine Learning router")),
        aci=documented(_HUNDRED_MB, SERVER_GUIDE, note="nginx in the container"),
        local=assumed(None, "the SDK sets none; what nginx of an old base image does is left out", LOCAL_WEBSERVICE),
    ),
    row(
        "limits.too_long",
        "The answer to a longer one.",
        managed=documented(None, MANAGED_STATUS, note="the table has no 413"),
        kubernetes=documented(None, KUBERNETES_STATUS, note="the table has no 413"),
        v1=assumed(_TOO_LONG, "nginx answers 413 beyond client_max_body_size; its page is not known", SERVER_GUIDE),
        local=NO_FRONT_DOOR,
    ),
    row(
        "limits.head_bytes",
        "The longest head of a request, in bytes; a longer one is answered 431 and the connection closed. A head is"
        " read before it is known which endpoint it is for, so on the shared port the longest of its targets' holds.",
        assumed(60 * 1024, AS_MANAGED),
        managed=assumed(60 * 1024, "nothing public says it; the default of Envoy's max_request_headers_kb"),
        local=assumed(60 * 1024, "the server has a limit of its own, which is lower"),
    ),
)
