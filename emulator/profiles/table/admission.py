"""The parity table of time and quantity: time-outs, concurrency, and the limits of an endpoint.

Times are milliseconds, sizes bytes.
"""

from __future__ import annotations

from emulator.profiles.facts import Answer, Row, assumed, documented, observed, row

_NO_FRONT_DOOR = documented(None, "contract/v1 §8: LocalWebservice has no front end, so no limit of it")
_MANAGED_LIMIT = "contract/managed §4.4: how-to-manage-quotas"
_NO_LIMIT_NAMED = assumed(None, "contract/managed §4.4 names the limit for managed endpoints only")
_V1_NO_LIMIT_NAMED = assumed(None, "contract/v1 §6 names no such limit")
_AKS = "contract/v1 §6"
_TIMED_OUT = Answer(504, "upstream request timeout")
_ACI_TIMED_OUT = Answer(
    504,
    "Post http://localhost:5001/score: net/http: request canceled (Client.Timeout exceeded while awaiting headers)",
)
_HUNDRED_MB = 100 * 1024 * 1024
_FIVE_MB = 5_000_000

ADMISSION_ROWS: tuple[Row, ...] = (
    row(
        "timeouts.default_ms",
        "request_timeout_ms (v1: scoring_timeout_ms) of a deployment that sets none. None: no limit.",
        managed=documented(5_000, "contract/managed §4.3.1, §5.2"),
        kubernetes=documented(5_000, "contract/managed §4.2, §4.3.1"),
        aks=documented(60_000, f"{_AKS}, §9"),
        aci=observed(60_000, "contract/v1 §6: docs#24319"),
        local=documented(None, "contract/v1 §8: only the server's own hour"),
    ),
    row(
        "timeouts.longest_ms",
        "The longest that may be set.",
        managed=documented(180_000, "contract/managed §4.3.1, §5.2"),
        kubernetes=documented(300_000, "contract/managed §4.3.1"),
        aks=observed(300_000, f"{_AKS}: 300000 seen in an issue"),
        aci=observed(60_000, "contract/v1 §6: not configurable"),
        local=_NO_FRONT_DOOR,
    ),
    row(
        "timeouts.answer",
        "The answer when the time is over.",
        managed=documented(Answer(408, "upstream request timeout"), "contract/managed §4.1 (the text: observed)"),
        kubernetes=documented(_TIMED_OUT, "contract/managed §4.2 (status; the text by analogy with managed)"),
        aks=documented(_TIMED_OUT, f"{_AKS} (status; the text by analogy with managed)"),
        aci=observed(_ACI_TIMED_OUT, "contract/v1 §6: docs#24319"),
        local=_NO_FRONT_DOOR,
    ),
    row(
        "timeouts.includes_queue",
        "The time that a request waits in the front door's queue counts.",
        managed=documented(True, "contract/managed §4.1, §4.3.3"),
        kubernetes=assumed(True, "contract/managed §4.3.3, by analogy with managed"),
        aks=assumed(True, "contract/managed §4.3.3, by analogy with managed"),
        aci=assumed(True, "contract/managed §4.3.3, by analogy with managed"),
        local=documented(True, "contract/v1 §8: there is neither a queue nor a time-out"),
    ),
    row(
        "timeouts.container_goes_on",
        "The container is not told: it works on what the caller was given up on, and later requests wait behind it. No:"
        " its connection is reset.",
        managed=observed(True, "contract/managed §4.3.4, T4: azure-docs#94105"),
        kubernetes=assumed(True, "contract/managed §4.3.4, as managed"),
        aks=assumed(True, "contract/managed §4.3.4, as managed"),
        aci=assumed(True, "contract/managed §4.3.4, as managed"),
        local=documented(True, "contract/v1 §8: there is no time-out"),
    ),
    row(
        "timeouts.cuts_streams",
        "An answer that has begun when the time is over ends there, without its rest. No: it goes on.",
        managed=assumed(True, "contract/managed §4.3: the bound is on the whole request, as in Envoy"),
        kubernetes=assumed(True, "contract/managed §4.3, as managed"),
        aks=assumed(True, "contract/managed §4.3, as managed"),
        aci=assumed(True, "contract/managed §4.3, as managed"),
        local=documented(True, "contract/v1 §8: there is no time-out"),
    ),
    row(
        "concurrency.default",
        "max_concurrent_requests_per_instance of a deployment that sets none.",
        managed=documented(1, "contract/managed §4.3.5, §5.2"),
        kubernetes=documented(1, "contract/managed §5.3"),
        aks=documented(1, f"{_AKS}: replica_max_concurrent_requests"),
        aci=assumed(1, "contract/v1 §6: there is no such setting; the one worker of the server"),
        local=documented(1, "contract/v1 §8: there is no such setting; the one worker of the server"),
    ),
    row(
        "concurrency.admitted_factor",
        "At most so many times max_concurrent_requests_per_instance * instance_count requests are in flight, decided as"
        " a request arrives. None: there is another rule, or none.",
        managed=documented(2, "contract/managed §4.1, §4.3.6"),
        kubernetes=documented(None, "contract/managed §5.3: max_queue_wait_ms rules"),
        aks=documented(None, f"{_AKS}: max_request_wait_time rules"),
        aci=observed(None, "contract/v1 §6: requests queue, no 503"),
        local=_NO_FRONT_DOOR,
    ),
    row(
        "concurrency.too_many",
        "The answer to one request more, its body empty.",
        managed=documented(Answer(429, ""), "contract/managed §4.1 (status; the empty body observed)"),
        kubernetes=documented(None, "contract/managed §4.2: 503 instead"),
        aks=documented(None, f"{_AKS}: 503 instead"),
        aci=observed(None, "contract/v1 §6: requests queue"),
        local=_NO_FRONT_DOOR,
    ),
    row(
        "concurrency.too_many_reason",
        "The reason that such an answer gives in the header of status.reason_header.",
        managed=observed("too_many_pending_request", "contract/managed §3.2, §4.1: lua-9223567324"),
        kubernetes=documented(None, "contract/managed §4.2: 503 instead"),
        aks=documented(None, f"{_AKS}: 503 instead"),
        aci=observed(None, "contract/v1 §6: requests queue"),
        local=_NO_FRONT_DOOR,
    ),
    row(
        "concurrency.queues",
        "An instance gets no more than max_concurrent_requests_per_instance requests at once; others wait in the front"
        " door for a free one.",
        managed=assumed(False, "contract/managed §4.3.6: the second of two waits in the container's own queue"),
        kubernetes=documented(True, "contract/managed §5.3, §1.17"),
        aks=documented(True, _AKS),
        aci=observed(False, "contract/v1 §6: MLN#1064, requests queue in the container"),
        local=documented(False, "contract/v1 §8: no front end"),
    ),
    row(
        "concurrency.queue_wait_ms",
        "max_queue_wait_ms (v1: max_request_wait_time) of a deployment that sets none: how long a request waits for a"
        " free instance. None: there is no such queue.",
        managed=documented(None, "contract/managed §4.3.3, §5.2: deprecated, no effect documented"),
        kubernetes=documented(500, "contract/managed §5.3"),
        aks=documented(500, _AKS),
        aci=observed(None, "contract/v1 §6: MLN#1064"),
        local=_NO_FRONT_DOOR,
    ),
    row(
        "concurrency.overloaded",
        "The answer when no instance became free in that time.",
        managed=documented(None, "contract/managed §4.1: 429 at once instead"),
        kubernetes=documented(
            Answer(503, "Too many requests for service {endpoint} (overloaded)"),
            "contract/managed §4.2 (status; the text by analogy with AKS, whose router is the same)",
        ),
        aks=observed(
            Answer(503, "Too many requests for service {endpoint} (overloaded)"), "contract/v1 §6: docs#68044"
        ),
        aci=observed(None, "contract/v1 §6: no 503"),
        local=_NO_FRONT_DOOR,
    ),
    row(
        "concurrency.least_busy",
        "A request goes to the instance with the fewest in flight. No: the instances take turns.",
        managed=assumed(True, "contract/managed §12 has no source; Envoy's least-request balancing"),
        kubernetes=documented(True, "contract/managed §5.3: busy replicas are known to the router"),
        aks=documented(True, "contract/v1 §6: busy replicas are known to the router"),
        aci=documented(True, "contract/v1 §4: one instance only"),
        local=documented(True, "contract/v1 §8: one instance only"),
    ),
    row(
        "limits.requests_per_second",
        "Requests per second and endpoint. None: no limit is named.",
        managed=documented(500, _MANAGED_LIMIT),
        kubernetes=_NO_LIMIT_NAMED,
        aks=_V1_NO_LIMIT_NAMED,
        aci=_V1_NO_LIMIT_NAMED,
        local=_NO_FRONT_DOOR,
    ),
    row(
        "limits.too_fast",
        "The answer beyond that.",
        managed=documented(
            Answer(429, "Too many requests"), "contract/managed §4.1 (status; the body is not known and assumed)"
        ),
        kubernetes=_NO_LIMIT_NAMED,
        aks=_V1_NO_LIMIT_NAMED,
        aci=_V1_NO_LIMIT_NAMED,
        local=_NO_FRONT_DOOR,
    ),
    row(
        "limits.connections",
        "Connections that callers hold to an endpoint at once; one more is closed at once (how the cloud refuses it is"
        " not known). None: no limit is named.",
        managed=documented(500, _MANAGED_LIMIT),
        kubernetes=_NO_LIMIT_NAMED,
        aks=_V1_NO_LIMIT_NAMED,
        aci=_V1_NO_LIMIT_NAMED,
        local=_NO_FRONT_DOOR,
    ),
    row(
        "limits.new_connections_per_second",
        "Connections that callers may make to an endpoint in a second; one more is closed at once, as above.",
        managed=documented(500, _MANAGED_LIMIT),
        kubernetes=_NO_LIMIT_NAMED,
        aks=_V1_NO_LIMIT_NAMED,
        aci=_V1_NO_LIMIT_NAMED,
        local=_NO_FRONT_DOOR,
    ),
    row(
        "limits.bytes_per_second",
        "Bytes of all bodies, in and out, per second and endpoint; more is delayed and never refused.",
        managed=documented(_FIVE_MB, _MANAGED_LIMIT),
        kubernetes=_NO_LIMIT_NAMED,
        aks=_V1_NO_LIMIT_NAMED,
        aci=_V1_NO_LIMIT_NAMED,
        local=_NO_FRONT_DOOR,
    ),
    row(
        "limits.bandwidth_trailers",
        "The trailers that tell of the delay, request's and response's, in milliseconds; amlemu can send them only"
        " after a chunked answer.",
        managed=documented(
            ("ms-azureml-bandwidth-request-delay-ms", "ms-azureml-bandwidth-response-delay-ms"),
            "contract/managed §3.2",
        ),
        kubernetes=_NO_LIMIT_NAMED,
        aks=_V1_NO_LIMIT_NAMED,
        aci=_V1_NO_LIMIT_NAMED,
        local=_NO_FRONT_DOOR,
    ),
    row(
        "limits.request_bytes",
        "The longest body of a request. None: no limit is named.",
        managed=documented(None, "contract/managed §4.4: none in the current page"),
        kubernetes=assumed(None, "contract/managed §4.4 names none"),
        aks=documented(_HUNDRED_MB, "contract/v1 §6, §10.22"),
        aci=documented(_HUNDRED_MB, "contract/v1 §2.4: the container's own nginx"),
        local=documented(None, "contract/v1 §8: no nginx in front of the server"),
    ),
    row(
        "limits.too_long",
        "The answer to a longer one.",
        managed=documented(None, "contract/managed §4.1: no 413 in the table"),
        kubernetes=documented(None, "contract/managed §4.2: no 413 in the table"),
        aks=assumed(Answer(413, "Request Entity Too Large"), "contract/v1 §2.4: 413 of nginx; its page is not known"),
        aci=assumed(Answer(413, "Request Entity Too Large"), "contract/v1 §2.4: 413 of nginx; its page is not known"),
        local=_NO_FRONT_DOOR,
    ),
    row(
        "limits.head_bytes",
        "The longest head of a request, in bytes; a longer one is answered 431 and the connection closed. A head is"
        " read before it is known which endpoint it is for, so on the shared port the longest of its targets' holds.",
        managed=assumed(60 * 1024, "contract/managed §12: Envoy's max_request_headers_kb"),
        kubernetes=assumed(60 * 1024, "contract/managed §12, as managed"),
        aks=assumed(60 * 1024, "contract/v1 §12, as managed"),
        aci=assumed(60 * 1024, "contract/v1 §12, as managed"),
        local=assumed(60 * 1024, "contract/v1 §8: the server has a limit of its own, which is lower"),
    ),
)
