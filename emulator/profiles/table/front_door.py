"""The parity table of the front door: methods, paths, traffic, headers, status codes.

`contract/managed` and `contract/v1` are the project's fact sheets about v2 online endpoints and v1 web services.
"""

from __future__ import annotations

from emulator.profiles.facts import UNCHANGED, Answer, Row, assumed, documented, observed, row

_NO_FRONT_DOOR = documented(None, "contract/v1 §8: LocalWebservice has no front end")
_ONE_DEPLOYMENT = documented("request", "contract/v1 §4: a v1 service has one deployment, which gets everything")
_BY_ANALOGY_WITH_MANAGED = "by analogy with managed; contract/managed §12"
_V1_ROUTED = "contract/v1 §0.15, §4: only GET and POST are routed to the container"
_NO_V1_DEPLOYMENTS = documented(None, "contract/v1 §4: a v1 service has no deployments")
_V1_WEIGHTS = assumed((0, 100), "contract/v1 §4: a v1 service has one deployment; amlemu keeps one rule")
_FE_HEADERS_UNKNOWN = "contract/managed §12, contract/v1 §12: headers of azureml-fe are not known"

_GET_AND_POST = frozenset({"GET", "POST"})
_NO_DEPLOYMENT = Answer(
    404,
    "No valid deployments to route to. Please check that the endpoint has at least one deployment with positive weight"
    " values or use a deployment specific header to route.",
)
_NO_SUCH_ENDPOINT = Answer(404, "No endpoint of this name is served here.")
_METHOD_NOT_ALLOWED = Answer(405, "Method not allowed")

FRONT_DOOR_ROWS: tuple[Row, ...] = (
    row(
        "routing.front_door",
        "Something stands between the caller and the container.",
        managed=documented(True, "contract/managed §3.2"),
        kubernetes=documented(True, "contract/managed §1.17"),
        aks=documented(True, "contract/v1 §4"),
        aci=documented(True, "contract/v1 §4"),
        local=documented(False, "contract/v1 §4, §8"),
    ),
    row(
        "routing.methods",
        "The methods that reach the container; every other is refused before it. None: all of them.",
        managed=documented(_GET_AND_POST, "contract/managed §1.12"),
        kubernetes=assumed(_GET_AND_POST, "contract/managed §1.12, a page of v1"),
        aks=documented(_GET_AND_POST, _V1_ROUTED),
        aci=documented(_GET_AND_POST, _V1_ROUTED),
        local=documented(None, "contract/v1 §4"),
    ),
    row(
        "routing.rejected_method",
        "The answer to any other method, with an Allow header.",
        managed=assumed(_METHOD_NOT_ALLOWED, "RFC 9110 §15.5.6; contract/managed §12"),
        kubernetes=assumed(_METHOD_NOT_ALLOWED, "RFC 9110 §15.5.6; contract/managed §12"),
        aks=assumed(_METHOD_NOT_ALLOWED, "RFC 9110 §15.5.6; contract/v1 §12"),
        aci=assumed(_METHOD_NOT_ALLOWED, "RFC 9110 §15.5.6; contract/v1 §12"),
        local=_NO_FRONT_DOOR,
    ),
    row(
        "routing.path_prefix",
        "The path in front of the container's own paths, on the port that all endpoints share; the front door takes it"
        " off. None: the endpoint has a port of its own, with its paths at the root.",
        managed=documented(None, "contract/managed §1.1, §1.2"),
        kubernetes=documented("/api/v1/endpoint/{endpoint}", "contract/managed §1.3"),
        aks=documented("/api/v1/service/{endpoint}", "contract/v1 §4; taking it off: §3"),
        aci=documented(None, "contract/v1 §4"),
        local=documented(None, "contract/v1 §4"),
    ),
    row(
        "routing.paths",
        "The paths below the prefix that reach the container, and what is answered to others: a table with `only` and,"
        " unless it is 404, `answer`. None: every path does, `/` and /swagger.json among them. Path and query string"
        " pass as they came, no byte of them changes.",
        managed=observed(None, "contract/managed §1.8, §1.9"),
        kubernetes=assumed(None, _BY_ANALOGY_WITH_MANAGED),
        aks=assumed(None, _BY_ANALOGY_WITH_MANAGED),
        aci=assumed(None, _BY_ANALOGY_WITH_MANAGED),
        local=documented(None, "contract/v1 §4"),
    ),
    row(
        "routing.streaming",
        "Bodies pass as they come, up and down, each piece at once. No: an answer is sent whole, once the container has"
        " come to its end.",
        managed=documented(True, "contract/managed §4.5.1 (against §4.5.2, a report of the contrary)"),
        kubernetes=assumed(True, _BY_ANALOGY_WITH_MANAGED),
        aks=assumed(True, _BY_ANALOGY_WITH_MANAGED),
        aci=assumed(True, _BY_ANALOGY_WITH_MANAGED),
        local=documented(True, "contract/v1 §8: no front end"),
    ),
    row(
        "routing.http_version",
        "What is answered to HTTP/1.0. None: it is spoken, as HTTP/1.1 is; an upgrade to another protocol is not"
        " followed, another version is answered 505.",
        managed=assumed(None, "contract/managed §1.15 shows HTTP/1.1 only; Envoy, unless told, answers 426 to 1.0"),
        kubernetes=assumed(None, "contract/managed §12"),
        aks=assumed(None, "contract/v1 §12"),
        aci=assumed(None, "contract/v1 §12"),
        local=documented(None, "contract/v1 §8: the server speaks both"),
    ),
    row(
        "routing.no_such_endpoint",
        "The answer when no endpoint has that path on the shared port, or that port any more.",
        managed=assumed(_NO_SUCH_ENDPOINT, "contract/managed §1.1: the host name is gone; amlemu's port closes later"),
        kubernetes=assumed(_NO_SUCH_ENDPOINT, "RFC 9110 §15.5.5; contract/managed §12"),
        aks=assumed(_NO_SUCH_ENDPOINT, "RFC 9110 §15.5.5; contract/v1 §12"),
        aci=assumed(_NO_SUCH_ENDPOINT, "contract/v1 §4: the host name is gone; amlemu's port closes later"),
        local=assumed(_NO_SUCH_ENDPOINT, "the connection is refused in the original; amlemu's port closes later"),
    ),
    row(
        "traffic.deployment_header",
        "The request header that names the deployment, whatever its weight. None: there is no such header.",
        managed=documented("azureml-model-deployment", "contract/managed §3.1"),
        kubernetes=documented("azureml-model-deployment", "contract/managed §3.1"),
        aks=_NO_V1_DEPLOYMENTS,
        aci=_NO_V1_DEPLOYMENTS,
        local=_NO_V1_DEPLOYMENTS,
    ),
    row(
        "traffic.zero_weight",
        "The header reaches a deployment without traffic, and the target of mirrored traffic.",
        managed=documented(UNCHANGED, "contract/managed §3.1, §7.3, §7.8"),
        kubernetes=documented(UNCHANGED, "contract/managed §3.1, §7.3"),
        aks=documented(UNCHANGED, "contract/v1 §4: a v1 service has no deployments, so there is no such header"),
        aci=documented(UNCHANGED, "contract/v1 §4: a v1 service has no deployments, so there is no such header"),
        local=documented(UNCHANGED, "contract/v1 §4: a v1 service has no deployments, so there is no such header"),
    ),
    row(
        "traffic.per_request",
        "What the weights choose a deployment for: each `request` anew, so that nothing sticks to a caller; each"
        " `connection`; or each `caller`, by its address.",
        managed=assumed("request", "contract/managed §7.4: no stickiness is documented"),
        kubernetes=assumed("request", "contract/managed §7.4: no stickiness is documented"),
        aks=_ONE_DEPLOYMENT,
        aci=_ONE_DEPLOYMENT,
        local=_ONE_DEPLOYMENT,
    ),
    row(
        "traffic.failed_keeps_weight",
        "A deployment that has no ready instance keeps its share of the traffic, which then fails. No: the others"
        " get it.",
        managed=assumed(True, "contract/managed §7.12: no re-weighting is documented"),
        kubernetes=assumed(True, "contract/managed §7.12: no re-weighting is documented"),
        aks=assumed(True, "contract/v1 §4: one deployment"),
        aci=assumed(True, "contract/v1 §4: one deployment"),
        local=assumed(True, "contract/v1 §4: one deployment"),
    ),
    row(
        "traffic.weights_sum",
        "The sums that the weights of an endpoint may have, in percent; whole numbers only.",
        managed=documented((0, 100), "contract/managed §5.1, §7.1"),
        kubernetes=documented((0, 100), "contract/managed §5.1, §7.1"),
        aks=_V1_WEIGHTS,
        aci=_V1_WEIGHTS,
        local=_V1_WEIGHTS,
    ),
    row(
        "traffic.mirror_most",
        "The most of the traffic, in percent, that may be copied to another deployment. None: there is no mirroring.",
        managed=documented(50, "contract/managed §5.1, §7.6"),
        kubernetes=documented(None, "contract/managed §5.3, §7.6: not supported"),
        aks=_NO_V1_DEPLOYMENTS,
        aci=_NO_V1_DEPLOYMENTS,
        local=_NO_V1_DEPLOYMENTS,
    ),
    row(
        "traffic.mirror_targets",
        "To how many deployments traffic is mirrored at most; one that has live traffic cannot be one of them.",
        managed=documented(1, "contract/managed §5.1, §7.6"),
        kubernetes=documented(None, "contract/managed §5.3, §7.6: not supported"),
        aks=_NO_V1_DEPLOYMENTS,
        aci=_NO_V1_DEPLOYMENTS,
        local=_NO_V1_DEPLOYMENTS,
    ),
    row(
        "traffic.mirror_unseen",
        "A mirrored copy is fire and forget: the caller gets the live answer only, as soon as it is there; the copy's"
        " log line and metrics are kept.",
        managed=documented(UNCHANGED, "contract/managed §7.7"),
        kubernetes=documented(UNCHANGED, "contract/managed §5.3: there is no mirroring"),
        aks=documented(UNCHANGED, "contract/v1 §4: there is no mirroring"),
        aci=documented(UNCHANGED, "contract/v1 §4: there is no mirroring"),
        local=documented(UNCHANGED, "contract/v1 §4: there is no mirroring"),
    ),
    row(
        "traffic.header_not_mirrored",
        "A request that names its deployment is not mirrored.",
        managed=documented(UNCHANGED, "contract/managed §7.8"),
        kubernetes=documented(UNCHANGED, "contract/managed §5.3: there is no mirroring"),
        aks=documented(UNCHANGED, "contract/v1 §4: there is no mirroring"),
        aci=documented(UNCHANGED, "contract/v1 §4: there is no mirroring"),
        local=documented(UNCHANGED, "contract/v1 §4: there is no mirroring"),
    ),
    row(
        "traffic.no_valid_deployment",
        "The answer when no deployment has a positive weight.",
        managed=documented(_NO_DEPLOYMENT, "contract/managed §4.1 (status documented, text observed)"),
        kubernetes=assumed(_NO_DEPLOYMENT, _BY_ANALOGY_WITH_MANAGED),
        aks=assumed(_NO_DEPLOYMENT, _BY_ANALOGY_WITH_MANAGED),
        aci=assumed(_NO_DEPLOYMENT, _BY_ANALOGY_WITH_MANAGED),
        local=assumed(_NO_DEPLOYMENT, "nothing listens in the original; amlemu keeps the port"),
    ),
    row(
        "traffic.unknown_deployment",
        "The answer when the header names a deployment that the endpoint has not.",
        managed=assumed(_NO_DEPLOYMENT, "contract/managed §7.5, §12"),
        kubernetes=assumed(_NO_DEPLOYMENT, "contract/managed §7.5, §12"),
        aks=_NO_V1_DEPLOYMENTS,
        aci=_NO_V1_DEPLOYMENTS,
        local=_NO_V1_DEPLOYMENTS,
    ),
    row(
        "headers.authorization",
        "The Authorization header reaches the container.",
        managed=assumed(True, "contract/managed §12"),
        kubernetes=assumed(True, "contract/managed §12"),
        aks=observed(True, "contract/v1 §2.5: old servers log it"),
        aci=observed(True, "contract/v1 §2.5: old servers log it"),
        local=documented(True, "contract/v1 §5: no key, the header is ignored"),
    ),
    row(
        "headers.client_request_id",
        "The header that carries the caller's own id to the container: letters, digits, '-' and '_' stay, at most 40"
        " of them. None: as the caller sent it.",
        managed=documented("x-ms-client-request-id", "contract/managed §3.1, T9"),
        kubernetes=assumed(None, _FE_HEADERS_UNKNOWN),
        aks=assumed(None, _FE_HEADERS_UNKNOWN),
        aci=assumed(None, _FE_HEADERS_UNKNOWN),
        local=_NO_FRONT_DOOR,
    ),
    row(
        "headers.end_to_end",
        "The other headers that pass in neither direction. All that are not named pass as they came, in their order and"
        " with their repeats; what belongs to one hop (Connection, Transfer-Encoding and their like) stays on it.",
        managed=observed((), "contract/managed §3.3; RFC 9110 §7.6.1"),
        kubernetes=assumed((), "RFC 9110 §7.6.1"),
        aks=assumed((), "RFC 9110 §7.6.1"),
        aci=assumed((), "RFC 9110 §7.6.1"),
        local=documented((), "contract/v1 §8: no front end; amlemu's own hop keeps to RFC 9110 §7.6.1"),
    ),
    row(
        "headers.cors",
        "Whose CORS headers reach the caller: the `container`'s, and the front door adds none; `none`; or the front"
        " door's own in their place, which let `any` origin in.",
        managed=observed("container", "contract/managed §1.13, §1.14"),
        kubernetes=assumed("container", _BY_ANALOGY_WITH_MANAGED),
        aks=documented("container", "contract/v1 §4, §0.14"),
        aci=documented("container", "contract/v1 §4, §0.14"),
        local=documented("container", "contract/v1 §0.14"),
    ),
    row(
        "headers.model_time",
        "The response header with the container's time in milliseconds. None: there is none, as in both captures of a"
        " managed endpoint.",
        managed=assumed(None, "contract/managed §3.2, §3.3: ms-azureml-model-time is seen in other answers only"),
        kubernetes=assumed(None, _FE_HEADERS_UNKNOWN),
        aks=assumed(None, _FE_HEADERS_UNKNOWN),
        aci=assumed(None, _FE_HEADERS_UNKNOWN),
        local=_NO_FRONT_DOOR,
    ),
    row(
        "headers.server",
        "The Server header of every answer, in place of the container's. None: the container's passes.",
        managed=observed("azureml-frontdoor", "contract/managed §3.2, §3.3"),
        kubernetes=assumed(None, _FE_HEADERS_UNKNOWN),
        aks=assumed(None, _FE_HEADERS_UNKNOWN),
        aci=assumed(None, _FE_HEADERS_UNKNOWN),
        local=_NO_FRONT_DOOR,
    ),
    row(
        "headers.request_id",
        "The header that carries the front door's own GUID to the container and back to the caller, whatever the"
        " caller sent. None: the caller's and the container's pass.",
        managed=documented("x-request-id", "contract/managed §3.1, §3.2"),
        kubernetes=assumed(None, _FE_HEADERS_UNKNOWN),
        aks=assumed(None, _FE_HEADERS_UNKNOWN),
        aci=assumed(None, _FE_HEADERS_UNKNOWN),
        local=_NO_FRONT_DOOR,
    ),
    row(
        "headers.model_deployment",
        "The response header that names the deployment which answered.",
        managed=documented("azureml-model-deployment", "contract/managed §3.2"),
        kubernetes=assumed(None, _FE_HEADERS_UNKNOWN),
        aks=_NO_V1_DEPLOYMENTS,
        aci=_NO_V1_DEPLOYMENTS,
        local=_NO_FRONT_DOOR,
    ),
    row(
        "headers.model_session",
        "The response header that names the deployment once more when the weights chose it, and only then.",
        managed=observed("azureml-model-session", "contract/managed §3.2, §3.3"),
        kubernetes=assumed(None, _FE_HEADERS_UNKNOWN),
        aks=_NO_V1_DEPLOYMENTS,
        aci=_NO_V1_DEPLOYMENTS,
        local=_NO_FRONT_DOOR,
    ),
)
