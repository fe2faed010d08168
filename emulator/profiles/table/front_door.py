"""The parity table of the front door: methods, paths, traffic, headers."""

from __future__ import annotations

from emulator.profiles.facts import UNCHANGED, Answer, Row, assumed, documented, observed, row
from emulator.profiles.sources import (
    BATCH_TROUBLESHOOT,
    CAPTURED_ANSWER,
    ENDPOINT_YAML,
    ENDPOINTS_CONCEPT,
    HOP_HEADERS,
    LOCAL_WEBSERVICE,
    MANAGED_STATUS,
    MAPPED_404,
    MIGRATE,
    MIRRORING,
    NETWORK_ISSUES,
    NO_STREAMING,
    NOT_ALLOWED,
    NOT_FOUND,
    OPENAPI_URI,
    REQUEST_TRACING,
    ROLLOUT,
    ROUTER,
    SDK,
    SERVER_ROUTES,
    STREAMING,
    TRITON_CLIENT,
    TROUBLESHOOT,
    V1_AKS,
    V1_CORS,
    V1_DEPLOY,
    V1_ENTRY_SCRIPT,
    V1_SECURE,
    V1_TROUBLESHOOT,
)
from emulator.profiles.table.common import AS_MANAGED, NO_FRONT_DOOR, NO_V1_DEPLOYMENTS

_ONE_DEPLOYMENT = documented("request", V1_DEPLOY, note="a v1 service has one deployment, which gets everything")
_NO_HEADER_IN_V1 = documented(UNCHANGED, V1_DEPLOY, note="a v1 service has no deployments, so there is no such header")
_NO_MIRRORING = documented(UNCHANGED, V1_DEPLOY, note="a v1 service has no mirroring")
_NO_MIRRORING_ON_KUBERNETES = documented(UNCHANGED, MIRRORING, note="there is no mirroring on Kubernetes")
_MIRRORED_NOWHERE = documented(None, MIRRORING, note="there is no mirroring on Kubernetes")
_ROUTED = V1_ENTRY_SCRIPT.at("Cross-origin resource sharing")
_FE_HEADERS = assumed(None, "no answer of this target that shows its headers has been published")
_NOTHING_PUBLIC = "nothing public says it; "

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
        managed=documented(True, MANAGED_STATUS, CAPTURED_ANSWER),
        kubernetes=documented(True, ROUTER),
        aks=documented(True, V1_AKS.at("Azure Machine Learning router")),
        aci=documented(True, V1_TROUBLESHOOT.at("Container azureml-fe-aci launch fails")),
        local=documented(False, LOCAL_WEBSERVICE),
    ),
    row(
        "routing.methods",
        "The methods that reach the container; every other is refused before it. None: all of them.",
        v1=documented(_GET_AND_POST, _ROUTED),
        managed=documented(_GET_AND_POST, _ROUTED, note="the page is of v1; none of v2 names other methods"),
        kubernetes=assumed(_GET_AND_POST, "as v1, whose router it is", _ROUTED),
        local=documented(None, LOCAL_WEBSERVICE),
    ),
    row(
        "routing.rejected_method",
        "The answer to any other method, with an Allow header.",
        assumed(_METHOD_NOT_ALLOWED, _NOTHING_PUBLIC + "HTTP's own status for it", NOT_ALLOWED),
        local=NO_FRONT_DOOR,
    ),
    row(
        "routing.path_prefix",
        "The path in front of the container's own paths, on the port that all endpoints share; the front door takes it"
        " off. None: the endpoint has a port of its own, with its paths at the root.",
        managed=documented(None, ENDPOINTS_CONCEPT, OPENAPI_URI),
        kubernetes=documented("/api/v1/endpoint/{endpoint}", NETWORK_ISSUES.at("Kubernetes online endpoints")),
        aks=documented("/api/v1/service/{endpoint}", V1_SECURE, SERVER_ROUTES, note="the server knows no prefix"),
        aci=documented(None, MIGRATE),
        local=documented(None, LOCAL_WEBSERVICE),
    ),
    row(
        "routing.paths",
        "The paths below the prefix that reach the container, and what is answered to others: a table with `only` and,"
        " unless it is 404, `answer`. None: every path does, `/` and /swagger.json among them. Path and query string"
        " pass as they came, no byte of them changes.",
        assumed(None, AS_MANAGED, MAPPED_404),
        managed=observed(None, MAPPED_404, TRITON_CLIENT),
        local=documented(None, LOCAL_WEBSERVICE),
    ),
    row(
        "routing.streaming",
        "Bodies pass as they come, up and down, each piece at once. No: an answer is sent whole, once the container has"
        " come to its end.",
        assumed(True, AS_MANAGED, STREAMING),
        managed=documented(True, STREAMING, NO_STREAMING, note="the issue reports the contrary"),
        local=documented(True, LOCAL_WEBSERVICE, note="there is no front door"),
    ),
    row(
        "routing.http_version",
        "What is answered to HTTP/1.0. None: it is spoken, as HTTP/1.1 is; an upgrade to another protocol is not"
        " followed, another version is answered 505.",
        assumed(None, _NOTHING_PUBLIC + "both versions are spoken"),
        managed=assumed(
            None, "a published answer is HTTP/1.1; Envoy, unless told, answers 426 to 1.0", CAPTURED_ANSWER
        ),
        local=documented(None, SERVER_ROUTES, note="the server speaks both"),
    ),
    row(
        "routing.no_such_endpoint",
        "The answer when no endpoint has that path on the shared port, or that port any more.",
        assumed(_NO_SUCH_ENDPOINT, _NOTHING_PUBLIC + "HTTP's own status for it", NOT_FOUND),
        managed=assumed(
            _NO_SUCH_ENDPOINT, "the host name is gone in the cloud; amlemu's port closes later", ENDPOINTS_CONCEPT
        ),
        aci=assumed(_NO_SUCH_ENDPOINT, "the host name is gone in the cloud; amlemu's port closes later", MIGRATE),
        local=assumed(_NO_SUCH_ENDPOINT, "the connection is refused in the original; amlemu's port closes later"),
    ),
    row(
        "traffic.deployment_header",
        "The request header that names the deployment, whatever its weight. None: there is no such header.",
        NO_V1_DEPLOYMENTS,
        v2=documented("azureml-model-deployment", ROLLOUT.at("Test the new deployment"), NETWORK_ISSUES),
    ),
    row(
        "traffic.zero_weight",
        "The header reaches a deployment without traffic, and the target of mirrored traffic.",
        _NO_HEADER_IN_V1,
        managed=documented(UNCHANGED, ROLLOUT.at("Test the new deployment"), MIRRORING),
        kubernetes=documented(UNCHANGED, NETWORK_ISSUES.at("Online deployments can't be scored")),
    ),
    row(
        "traffic.per_request",
        "What the weights choose a deployment for: each `request` anew, so that nothing sticks to a caller; each"
        " `connection`; or each `caller`, by its address.",
        _ONE_DEPLOYMENT,
        v2=assumed("request", "the page speaks of percentages of requests and names no stickiness", ENDPOINT_YAML),
    ),
    row(
        "traffic.failed_keeps_weight",
        "A deployment that has no ready instance keeps its share of the traffic, which then fails. No: the others"
        " get it.",
        assumed(True, "a v1 service has one deployment, so there is no other to take its share"),
        v2=assumed(True, "no page describes another sharing out; a failing probe is answered 424", MANAGED_STATUS),
    ),
    row(
        "traffic.weights_sum",
        "The sums that the weights of an endpoint may have, in percent; whole numbers only.",
        assumed((0, 100), "a v1 service has one deployment; amlemu keeps one rule"),
        v2=documented((0, 100), ENDPOINT_YAML.at("YAML syntax"), ROLLOUT),
    ),
    row(
        "traffic.mirror_most",
        "The most of the traffic, in percent, that may be copied to another deployment. None: there is no mirroring.",
        NO_V1_DEPLOYMENTS,
        managed=documented(50, MIRRORING),
        kubernetes=_MIRRORED_NOWHERE,
    ),
    row(
        "traffic.mirror_targets",
        "To how many deployments traffic is mirrored at most; one that has live traffic cannot be one of them.",
        NO_V1_DEPLOYMENTS,
        managed=documented(1, MIRRORING),
        kubernetes=_MIRRORED_NOWHERE,
    ),
    row(
        "traffic.mirror_unseen",
        "A mirrored copy is fire and forget: the caller gets the live answer only, as soon as it is there; the copy's"
        " log line and metrics are kept.",
        _NO_MIRRORING,
        managed=documented(UNCHANGED, MIRRORING),
        kubernetes=_NO_MIRRORING_ON_KUBERNETES,
    ),
    row(
        "traffic.header_not_mirrored",
        "A request that names its deployment is not mirrored.",
        _NO_MIRRORING,
        managed=documented(UNCHANGED, MIRRORING),
        kubernetes=_NO_MIRRORING_ON_KUBERNETES,
    ),
    row(
        "traffic.no_valid_deployment",
        "The answer when no deployment has a positive weight.",
        assumed(_NO_DEPLOYMENT, AS_MANAGED, MANAGED_STATUS),
        managed=documented(
            _NO_DEPLOYMENT, MANAGED_STATUS, BATCH_TROUBLESHOOT, note="the text is the one of batch endpoints"
        ),
        local=assumed(_NO_DEPLOYMENT, "nothing listens in the original; amlemu keeps the port"),
    ),
    row(
        "traffic.unknown_deployment",
        "The answer when the header names a deployment that the endpoint has not.",
        NO_V1_DEPLOYMENTS,
        v2=assumed(
            _NO_DEPLOYMENT,
            "the SDK asks for the deployments first and never sends such a request; as without a valid deployment",
            SDK.at("operations/_online_endpoint_operations.py"),
        ),
    ),
    row(
        "headers.authorization",
        "The Authorization header reaches the container.",
        assumed(True, _NOTHING_PUBLIC + "what is not said to be taken away passes"),
        v1=assumed(True, "scoring servers of before 2022 wrote it to their log; their source has no public address"),
        local=documented(True, LOCAL_WEBSERVICE, note="there is no front door"),
    ),
    row(
        "headers.client_request_id",
        "The header that carries the caller's own id to the container: letters, digits, '-' and '_' stay, at most 40"
        " of them. None: as the caller sent it.",
        _FE_HEADERS,
        managed=documented("x-ms-client-request-id", REQUEST_TRACING),
        local=NO_FRONT_DOOR,
    ),
    row(
        "headers.end_to_end",
        "The other headers that pass in neither direction. All that are not named pass as they came, in their order and"
        " with their repeats; what belongs to one hop (Connection, Transfer-Encoding and their like) stays on it.",
        assumed((), "what HTTP says of a gateway", HOP_HEADERS),
        managed=observed((), CAPTURED_ANSWER, HOP_HEADERS, note="the scoring server's headers are all there"),
        local=documented((), LOCAL_WEBSERVICE, HOP_HEADERS, note="no front door; amlemu's own hop keeps to the RFC"),
    ),
    row(
        "headers.cors",
        "Whose CORS headers reach the caller: the `container`'s, and the front door adds none; `none`; or the front"
        " door's own in their place, which let `any` origin in.",
        documented("container", _ROUTED, V1_CORS, note="the script sets them; a preflight does not reach it"),
        v2=assumed(
            "container",
            "online endpoints have no CORS of their own; that a container's headers pass is as other headers do",
            TROUBLESHOOT.at("Blocked by CORS policy"),
        ),
    ),
    row(
        "headers.model_time",
        "The response header with the container's time in milliseconds. None: there is none, as in the published answer"
        " of a managed endpoint.",
        _FE_HEADERS,
        managed=assumed(None, "ms-azureml-model-time is not in the one published answer", CAPTURED_ANSWER),
        local=NO_FRONT_DOOR,
    ),
    row(
        "headers.server",
        "The Server header of every answer, in place of the container's. None: the container's passes.",
        _FE_HEADERS,
        managed=observed("azureml-frontdoor", CAPTURED_ANSWER),
        local=NO_FRONT_DOOR,
    ),
    row(
        "headers.request_id",
        "The header that carries the front door's own GUID to the container and back to the caller, whatever the"
        " caller sent. None: the caller's and the container's pass.",
        _FE_HEADERS,
        managed=documented("x-request-id", REQUEST_TRACING, CAPTURED_ANSWER),
        local=NO_FRONT_DOOR,
    ),
    row(
        "headers.model_deployment",
        "The response header that names the deployment which answered.",
        NO_V1_DEPLOYMENTS,
        managed=observed("azureml-model-deployment", CAPTURED_ANSWER),
        kubernetes=_FE_HEADERS,
        local=NO_FRONT_DOOR,
    ),
    row(
        "headers.model_session",
        "The response header that names the deployment once more when the weights chose it, and only then.",
        NO_V1_DEPLOYMENTS,
        managed=observed(
            "azureml-model-session", CAPTURED_ANSWER, note="that it is missing where the caller chose is assumed"
        ),
        kubernetes=_FE_HEADERS,
        local=NO_FRONT_DOOR,
    ),
)
