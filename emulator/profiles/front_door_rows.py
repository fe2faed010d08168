"""The parity table of the front door: methods, paths, traffic, headers, status codes.

`contract/managed` and `contract/v1` are the project's fact sheets about v2 online endpoints and v1 web services.
"""

from __future__ import annotations

from emulator.profiles.rows import UNCHANGED, Answer, Row, assumed, documented, observed, row

_NO_FRONT_DOOR = documented(None, "contract/v1 §8: LocalWebservice has no front end")
_BY_ANALOGY_WITH_MANAGED = "by analogy with managed; contract/managed §12"
_V1_ROUTED = "contract/v1 §0.15, §4: only GET and POST are routed to the container"
_NO_V1_DEPLOYMENTS = documented(None, "contract/v1 §4: a v1 service has no deployments")
_FE_HEADERS_UNKNOWN = "contract/managed §12, contract/v1 §12: headers of azureml-fe are not known"

_GET_AND_POST = frozenset({"GET", "POST"})
_NO_DEPLOYMENT = Answer(
    404,
    "No valid deployments to route to. Please check that the endpoint has at least one deployment with positive weight"
    " values or use a deployment specific header to route.",
)
_NO_SUCH_ENDPOINT = Answer(404, "No endpoint of this name is served here.")
_METHOD_NOT_ALLOWED = Answer(405, "Method not allowed")
_NO_ANSWER = "The scoring container closed the connection before it answered, or there is none."

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
        "Every path below the prefix reaches the container, `/` and /swagger.json among them, and the query string too:"
        " no byte of them changes.",
        managed=observed(UNCHANGED, "contract/managed §1.8, §1.9"),
        kubernetes=assumed(UNCHANGED, _BY_ANALOGY_WITH_MANAGED),
        aks=assumed(UNCHANGED, _BY_ANALOGY_WITH_MANAGED),
        aci=assumed(UNCHANGED, _BY_ANALOGY_WITH_MANAGED),
        local=documented(UNCHANGED, "contract/v1 §4"),
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
        managed=assumed(UNCHANGED, "contract/managed §12"),
        kubernetes=assumed(UNCHANGED, "contract/managed §12"),
        aks=observed(UNCHANGED, "contract/v1 §2.5: old servers log it"),
        aci=observed(UNCHANGED, "contract/v1 §2.5: old servers log it"),
        local=documented(UNCHANGED, "contract/v1 §5: no key, the header is ignored"),
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
    row(
        "status.container_unreachable",
        "The answer when the deployment has no instance, or its container refused or died before it answered.",
        managed=assumed(Answer(424, _NO_ANSWER), "contract/managed §4.1, §4.1.4: 424; the body is not known"),
        kubernetes=assumed(Answer(502, _NO_ANSWER), "contract/managed §4.2: 502 for a crash; the body is not known"),
        aks=observed(Answer(502, "Replica closed connection before replying"), "contract/v1 §6: MLN#450"),
        aci=assumed(Answer(502, _NO_ANSWER), "contract/v1 §6; the body is not known"),
        local=assumed(Answer(502, _NO_ANSWER), "the connection is refused in the original; amlemu keeps the port"),
    ),
)
