"""The parity table of what becomes of a container's answer: status codes, and the headers that tell of them."""

from __future__ import annotations

from emulator.profiles.facts import Answer, Row, StatusMapping, assumed, documented, observed, row
from emulator.profiles.sources import (
    ACI_502,
    AKS_NO_REPLICAS,
    AKS_UNREACHABLE,
    KUBERNETES_STATUS,
    LOCAL_WEBSERVICE,
    MANAGED_STATUS,
    MAPPED_404,
    V1_ENTRY_SCRIPT,
    V1_TROUBLESHOOT,
)
from emulator.profiles.table.common import AS_MANAGED, NO_FRONT_DOOR

_V1_502 = V1_TROUBLESHOOT.at("HTTP status code 502")
_MANAGED_ONLY = documented(None, KUBERNETES_STATUS, note="the table of Kubernetes has no 424, so nothing to explain")
_V1_HAS_NOT = documented(None, V1_TROUBLESHOOT, note="502, 503 and 504 are described without such a header")
_CODE_ONLY = "the page names the code only; HTTP's own phrase"
_BODY_UNKNOWN = "the status is documented, the body is not known"
_FAILED_TO_502 = StatusMapping({500: 502})
_NO_ANSWER = "The scoring container closed the connection before it answered, or there is none."
_REFUSED = assumed(Answer(502, _NO_ANSWER), "the connection is refused in the original; amlemu keeps the port")

STATUS_ROWS: tuple[Row, ...] = (
    row(
        "status.mapping",
        "The status that the caller sees in place of the container's. None: the container's own.",
        managed=documented(StatusMapping({}, otherwise=424), MANAGED_STATUS, note="whatever is not 200"),
        kubernetes=documented(_FAILED_TO_502, KUBERNETES_STATUS),
        aks=documented(_FAILED_TO_502, V1_ENTRY_SCRIPT.at("Binary (image) data"), _V1_502),
        aci=observed(_FAILED_TO_502, ACI_502),
        local=NO_FRONT_DOOR,
    ),
    row(
        "status.mapped_phrase",
        "The reason phrase of a mapped status. None: the phrase that HTTP's registry gives it.",
        managed=observed("Failed Dependency", MAPPED_404),
        kubernetes=assumed(None, _CODE_ONLY, KUBERNETES_STATUS),
        v1=assumed(None, _CODE_ONLY, _V1_502),
        local=NO_FRONT_DOOR,
    ),
    row(
        "status.mapped_body",
        "The container's body stays under a mapped status. No: it is empty.",
        managed=observed(True, MAPPED_404),
        kubernetes=assumed(True, AS_MANAGED, MAPPED_404),
        aks=assumed(True, "another body was seen only where the container gave none", AKS_UNREACHABLE),
        aci=observed(True, ACI_502),
        local=documented(True, LOCAL_WEBSERVICE, note="there is no front door"),
    ),
    row(
        "status.mapped_headers",
        "The container's headers stay under a mapped status, x-ms-run-function-failed among them. No: only"
        " those of the body.",
        managed=assumed(True, "as the body, which stays", MAPPED_404),
        kubernetes=assumed(True, AS_MANAGED, MAPPED_404),
        aks=assumed(True, "by analogy with ACI", ACI_502),
        aci=observed(True, ACI_502, note="X-Ms-Run-Function-Failed is there"),
        local=documented(True, LOCAL_WEBSERVICE, note="there is no front door"),
    ),
    row(
        "status.original_header",
        "The response header that holds the container's own status where the caller sees another.",
        _V1_HAS_NOT,
        managed=documented("ms-azureml-model-error-statuscode", MANAGED_STATUS),
        kubernetes=_MANAGED_ONLY,
        local=NO_FRONT_DOOR,
    ),
    row(
        "status.reason_header",
        "The response header that says why the model's answer did not pass.",
        _V1_HAS_NOT,
        managed=documented("ms-azureml-model-error-reason", MANAGED_STATUS),
        kubernetes=_MANAGED_ONLY,
        local=NO_FRONT_DOOR,
    ),
    row(
        "status.model_error_reason",
        "The reason where the container answered something else than 200.",
        _V1_HAS_NOT,
        managed=assumed(
            "model_error",
            "the header is documented, its words are not; an Envoy filter without a public address sets this one",
            MANAGED_STATUS,
        ),
        kubernetes=_MANAGED_ONLY,
        local=NO_FRONT_DOOR,
    ),
    row(
        "status.not_ready_reason",
        "The reason where no container is ready, or it died before it answered.",
        _V1_HAS_NOT,
        managed=assumed(
            "model_not_ready",
            "the header is documented, its words are not; an Envoy filter without a public address reads this one",
            MANAGED_STATUS,
        ),
        kubernetes=_MANAGED_ONLY,
        local=NO_FRONT_DOOR,
    ),
    row(
        "status.container_unreachable",
        "The answer when the container refused, or died before it answered.",
        _REFUSED,
        managed=assumed(Answer(424, _NO_ANSWER), _BODY_UNKNOWN, MANAGED_STATUS),
        kubernetes=assumed(Answer(502, _NO_ANSWER), _BODY_UNKNOWN, KUBERNETES_STATUS),
        aks=observed(Answer(502, "Replica closed connection before replying"), AKS_UNREACHABLE),
        aci=assumed(Answer(502, _NO_ANSWER), _BODY_UNKNOWN, _V1_502),
    ),
    row(
        "status.no_ready_instance",
        "The answer when the deployment has no instance that is ready.",
        _REFUSED,
        managed=assumed(Answer(424, _NO_ANSWER), f"a failing probe: {_BODY_UNKNOWN}", MANAGED_STATUS),
        kubernetes=assumed(Answer(503, _NO_ANSWER), f"no capacity: {_BODY_UNKNOWN}", KUBERNETES_STATUS),
        aks=observed(Answer(503, "No ready replicas for service {endpoint}"), AKS_NO_REPLICAS),
        aci=assumed(Answer(502, _NO_ANSWER), f"a container that died: {_BODY_UNKNOWN}", _V1_502),
    ),
)
